"""Quorum queues of a real RabbitMQ: declared as such, and a worker takes its tasks from them."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from config.celery import QUEUES, queues
from tests.servers import SERVERS, missing

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys, threading
from config import celery as site
prefix = sys.argv[1]
site.QUEUES = tuple(prefix + name for name in site.QUEUES)
site.app.conf.task_default_queue = prefix + "default"
from amqp.exceptions import PreconditionFailed
from celery.contrib.testing.worker import start_worker
done = threading.Event()

@site.app.task(name="told", ignore_result=True)
def told():
    done.set()

try:
    with start_worker(site.app, pool="solo", perform_ping_check=False, loglevel="ERROR", shutdown_timeout=20):
        told.apply_async(queue=prefix + "default")
        assert done.wait(20), "the worker took no task"
    with site.app.connection_for_write() as connection:
        try:
            connection.channel().queue_declare(prefix + "default", durable=True, auto_delete=False)
        except PreconditionFailed as error:
            assert "quorum" in str(error), error
        else:
            raise AssertionError("it is a classic queue")
finally:
    with site.app.connection_for_write() as connection:
        channel = connection.channel()
        for name in site.QUEUES:
            channel.queue_delete(name)
            channel.exchange_delete(name)
"""


def test_only_rabbitmq_has_quorum_queues(settings):
    settings.BROKER_QUORUM = True
    assert queues("redis://somewhere")["score"] == {"routing_key": "score"}
    assert queues("amqp://somewhere")["score"]["queue_arguments"] == {"x-queue-type": "quorum"}
    settings.BROKER_QUORUM = False
    assert queues("amqp://somewhere") == {name: {"routing_key": name} for name in QUEUES}


@pytest.mark.servers
@pytest.mark.skipif(bool(missing(["RabbitMQ"])), reason="RabbitMQ does not answer")
def test_a_worker_takes_its_tasks_from_a_quorum_queue(tmp_path):
    env = os.environ | {
        "BROKER_URL": SERVERS["RabbitMQ"],
        "BROKER_QUORUM": "1",
        "DATA_DIR": str(tmp_path),
        "DEBUG": "1",
    }
    env.pop("DATABASE_URL", None)
    words = [sys.executable, "-c", PROGRAM, f"test-{uuid.uuid4().hex[:8]}-"]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
