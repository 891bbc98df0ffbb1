"""A primary of PostgreSQL and a streaming replica of it, both made here: lag, pause, and its end."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from glob import glob
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import django, time; django.setup()
from django.apps import apps
from django.conf import settings
settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from django.db import connections
from django.test import Client
from django.utils import timezone
from inspection import replica
from inspection.models import Line, User
from inspection.roles import Role, give_role
from monitoring.models import Stream
replica.LOOK = replica.AWAY = 0
line = Line.objects.create(slug="line-a", name="A")
sam = User.objects.create_user(username="sam", password="x" * 12)
give_role(sam, Role.SUPERVISOR)
client = Client(SERVER_NAME="127.0.0.1")
client.force_login(sam)

def run(statement):
    with connections["replica"].cursor() as cursor:
        cursor.execute(statement)

def soon(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)

def count():
    with replica.reading():
        return Stream.objects.count()

def page():
    answer = client.get("/watch/")
    assert answer.status_code == 200, answer.status_code
    return answer.get("X-As-Of"), b"Figures as of" in answer.content

caught_up = lambda: (as_of := replica.as_of_replica()) is not None and (timezone.now() - as_of).total_seconds() < 0.5
soon(caught_up)
stamp, told = page()
assert stamp and told, "read from the replica, and said so"
Stream.objects.create(key="a", figure="f")
soon(lambda: count() == 1)
run("SELECT pg_wal_replay_pause()")
Stream.objects.create(key="b", figure="f")
assert count() == 1, "the replica does not have it"
as_of = replica.as_of_replica()
assert as_of and as_of < timezone.now(), "near enough still"
time.sleep(settings.REPLICA_LAG + 0.2)
assert replica.as_of_replica() is None, "too far behind"
assert page() == (None, False)
run("SELECT pg_wal_replay_resume()")
soon(lambda: count() == 2)
time.sleep(settings.REPLICA_LAG + 0.2)
soon(caught_up)  # a quiet night is no lag
print("STOP", flush=True)
input()
assert replica.as_of_replica() is None, "down"
assert page() == (None, False)
"""


def binaries() -> Path | None:
    """The folder with all of PostgreSQL's programs that are needed."""
    places = [Path(place) for place in (*sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True), *os.get_exec_path())]
    needed = ("initdb", "pg_ctl", "pg_basebackup")
    return next((place for place in places if all((place / name).exists() for name in needed)), None)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def servers(tmp_path_factory):
    """Starts and stops servers: `servers(program, *words)`. PostgreSQL refuses to run as root."""
    place = binaries()
    if place is None:
        pytest.skip("PostgreSQL's own programs are not on this computer")
    user = {}
    if os.getuid() == 0:
        try:
            user = {
                "user": pwd.getpwnam("postgres").pw_uid,
                "group": pwd.getpwnam("postgres").pw_gid,
                "extra_groups": [],
            }
        except KeyError:
            pytest.skip("there is no user postgres to run the servers as")

    def run(program: str, *words: str) -> None:
        command = [str(place / program), *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", **user)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture
def pair(servers):
    """The URLs of a primary and its replica, and what stops the replica."""
    folder = Path(tempfile.mkdtemp(prefix="replica-"))  # short: a socket's path is
    folder.chmod(0o777)
    first, second, ports = folder / "first", folder / "second", (free_port(), free_port())
    started = []

    def start(data: Path, port: int) -> None:
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        servers("pg_ctl", "-D", str(data), "-w", "-l", f"{data}.log", "-o", options, "start")
        started.append(data)

    def stop(data: Path) -> None:
        servers("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        started.remove(data)

    try:
        servers("initdb", "-D", str(first), "-U", "postgres", "-A", "trust", "--no-sync")
        start(first, ports[0])
        servers(
            "pg_basebackup",
            "-h",
            "127.0.0.1",
            "-p",
            str(ports[0]),
            "-U",
            "postgres",
            "-D",
            str(second),
            "-R",
            "--no-sync",
            "-c",
            "fast",
        )
        start(second, ports[1])
        urls = [f"postgres://postgres@127.0.0.1:{port}/postgres" for port in ports]
        yield *urls, lambda: stop(second)
    finally:
        for data in [*reversed(started)]:
            stop(data)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.one_database
def test_reports_follow_a_streaming_replica_and_leave_it(pair, tmp_path):
    primary, replica, stop = pair
    env = os.environ | {"DATABASE_URL": primary, "REPLICA_URL": replica, "REPLICA_LAG": "1", "DATA_DIR": str(tmp_path)}
    env |= {"DEBUG": "1", "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "CRITICAL"}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    said = program.stdout.readline()
    if said.strip() == "STOP":
        stop()
    _, error = program.communicate("\n", timeout=120)
    assert program.returncode == 0, error
