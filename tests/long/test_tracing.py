"""Spans of the site's real processes reach a real collector, those of the last moment too."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from celery import Celery

from config.broker import EmbeddedBroker
from tests.collector import PARENT, Collector

ROOT = Path(__file__).resolve().parents[2]
TASK = "inspection.tasks.keep_house"


@pytest.fixture
def collector():
    found = Collector()
    with found.serving() as found.address:
        yield found


@pytest.fixture
def start(collector, tmp_path):
    """Starts a program of the site as the Procfile does, told to send spans only when it ends; and the file of its log."""
    started = []

    def start(*command, **told):
        site = os.environ | {
            "DATA_DIR": str(tmp_path), "DEBUG": "1", "BROKER_URL": "", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
        }  # fmt: skip
        site.pop("DATABASE_URL", None)
        with open(tmp_path / "log", "w") as log:
            started.append(
                subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=site | told, stdout=log, stderr=log)
            )
        return started[-1], tmp_path / "log"

    yield start
    for program in started:
        program.kill()
        program.wait()
    EmbeddedBroker(tmp_path).stop()


def within(seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def answered(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=20)  # noqa: S310 - our own
    except urllib.error.HTTPError as answer:
        return answer.code == 404
    except OSError:
        return False
    return True


def test_a_child_of_a_worker_sends_its_spans_though_it_ends_as_no_program_does(collector, start, tmp_path):
    worker, log = start("celery", "-A", "config", "worker", "-Q", "default", "--concurrency", "1")
    within(120, EmbeddedBroker(tmp_path).answers)
    app = Celery(broker=EmbeddedBroker(tmp_path).url, set_as_current=False)
    app.send_task(TASK, queue="default", headers={"traceparent": PARENT})
    within(120, lambda: TASK in log.read_text())  # there are no tables, so it fails and is told
    worker.terminate()
    worker.wait(60)
    [span] = collector.named(TASK)
    assert [f"00-{link.trace_id.hex()}-{link.span_id.hex()}-01" for link in span.links] == [PARENT]
    assert (span.status.code, span.status.message) == (2, "OperationalError")
    [(_name, pid)] = collector.processes
    assert pid != worker.pid


def test_the_web_servers_processes_send_their_own_spans(collector, start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web, _log = start("gunicorn", "config.wsgi", PORT=str(port), WEB_PROCESSES="2")
    within(120, lambda: answered(f"http://127.0.0.1:{port}/static/nothing"))
    assert answered(f"http://127.0.0.1:{port}/api/nothing/")
    web.terminate()
    web.wait(60)
    assert [span.name for span in collector.spans] == ["GET"]
    [(_name, pid)] = collector.processes
    assert pid != web.pid
