"""A pool of a real PostgreSQL: it goes across no fork, and whoever finds none free is told to come again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    not os.environ.get("DATABASE_URL", "").startswith("postgres"), reason="the pool is PostgreSQL's"
)

FORKED = """
import django, os; django.setup()
from django.db import connection
def backend():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]
mine = backend()
child = os.fork()
if not child:
    os._exit(0 if backend() != mine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child used its parent's connection"
assert backend() == mine, "the parent's connection was closed by its child"
"""
EXHAUSTED = """
import django; django.setup()
from threading import Thread
from django.db import connection
from django.test import Client
from config import pooling
connection.ensure_connection()
answers = []
client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
asking = Thread(target=lambda: answers.append(client.get("/api/v1/inspections/", headers={"Authorization": "Token x"})))
asking.start(); asking.join()
assert (answers[0].status_code, answers[0]["Retry-After"]) == (503, "2"), answers[0].status_code
connection.close()
asking = Thread(target=lambda: answers.append(client.get("/api/v1/inspections/", headers={"Authorization": "Token x"})))
asking.start(); asking.join()
assert answers[1].status_code != 503, answers[1].status_code
"""


def run(program: str, pool: str, tmp_path: Path) -> None:
    env = os.environ | {
        "DATABASE_POOL": pool,
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "x" * 50,
        "DEBUG": "0",
        "LOG_LEVEL": "CRITICAL",
    }
    env["DJANGO_SETTINGS_MODULE"] = "config.settings"
    env["DATABASE_URL"] = env["DATABASE_URL"].rpartition("/")[0] + "/postgres"  # whoever is refused needs no tables
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_no_pool_goes_across_a_fork(tmp_path):
    run(FORKED, "2", tmp_path)


def test_without_a_free_connection_it_is_503(tmp_path):
    run("from config import pooling; pooling.WAIT = 0.3\n" + EXHAUSTED, "1", tmp_path)
