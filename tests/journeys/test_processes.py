"""The site's real processes: each usable alone, none left behind, nothing lost when one is killed."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu import Connection

from config.broker import EmbeddedBroker
from config.celery import QUEUES
from tests.servers import SERVERS, missing

pytestmark = pytest.mark.journey
ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
WORKER = ("celery", "-A", "config", "worker", "--concurrency", "1")
BEAT = ("celery", "-A", "config", "beat")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A data folder with an empty, migrated database."""
    folder = tmp_path_factory.mktemp("migrated")
    Site(folder).manage("migrate", "--verbosity", "0")
    return folder


@pytest.fixture
def site(migrated, tmp_path):
    """A site of its own: its data folder, its port, its processes."""
    folder = tmp_path / "data"
    shutil.copytree(migrated, folder)
    site = Site(folder)
    yield site
    for pid in site.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in site.started:
        process.wait()


class Site:
    """Starts the processes of one data folder and finds all that belong to it, whoever started them."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []
        self.broker = EmbeddedBroker(folder)
        self.env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "DATA_DIR": str(folder), "DEBUG": "1"}

    def manage(self, *arguments):
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, check=True, timeout=120)

    def start(self, *command, **env):
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.env | env, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def pids(self):
        """The living processes whose environment or command line names the folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                if str(self.folder).encode() in words:
                    found.append(int(entry.name))
        return found

    def add_event(self):
        """One more row of the audit trail; sealing it is a task's work."""
        with contextlib.closing(sqlite3.connect(self.folder / "shadowline.sqlite3", timeout=20)) as database, database:
            database.execute(
                "INSERT INTO inspection_auditevent (at, by, action, line, subject, data) "
                "VALUES (?, 'ada', 'tested', '', '', '{}')",
                [datetime.now(UTC).isoformat()],
            )

    def seals(self):
        with contextlib.closing(sqlite3.connect(self.folder / "shadowline.sqlite3", timeout=20)) as database:
            return database.execute("SELECT count(*) FROM inspection_auditseal").fetchone()[0]


def within(seconds, condition, *, of=None):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {of.log()[-3000:] if of else ''}"
        time.sleep(0.1)


def send(url, task, queue="default"):
    with Celery("sender", broker=url, set_as_current=False) as sender:
        sender.send_task(task, queue=queue, ignore_result=True)


def end(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def test_a_worker_alone_brings_its_broker_and_takes_it_away(site):
    worker = site.start(*WORKER)
    within(60, site.broker.answers, of=site)
    site.add_event()
    send(site.broker.url, "inspection.tasks.keep_house")
    within(60, lambda: site.seals() == 1, of=site)
    assert end(worker) == 0
    assert site.pids() == []


def test_a_worker_outlives_its_broker(site):
    worker = site.start(*WORKER)
    within(60, site.broker.answers, of=site)
    os.kill(site.broker.living_pid(), signal.SIGKILL)
    within(10, lambda: not site.broker.answers())
    within(20, site.broker.answers, of=site)
    site.add_event()
    send(site.broker.url, "inspection.tasks.keep_house")
    within(60, lambda: site.seals() == 1, of=site)
    assert end(worker) == 0
    assert site.pids() == []


def test_a_worker_that_is_stopped_as_it_starts_leaves_no_broker(site):
    worker = site.start(*WORKER)
    within(60, site.broker.answers, of=site)
    end(worker)
    assert site.pids() == []


def test_beat_alone_brings_its_broker_and_the_worker_adopts_it(site):
    beat = site.start(*BEAT)
    within(60, site.broker.answers, of=site)
    site.add_event()
    worker = site.start(*WORKER)
    within(90, lambda: site.seals() == 1, of=site)  # beat asks for it every 30 s, and first at once
    assert end(beat) == 0
    assert site.broker.answers()
    assert end(worker) == 0
    assert site.pids() == []


def test_nothing_is_lost_when_worker_and_broker_are_killed(site):
    first = site.start(*WORKER)
    within(60, site.broker.answers, of=site)
    first.kill()
    first.wait()
    site.add_event()
    send(site.broker.url, "inspection.tasks.keep_house")  # the broker has outlived its parent
    os.kill(site.broker.living_pid(), signal.SIGKILL)
    second = site.start(*WORKER)
    within(60, lambda: site.seals() == 1, of=site)
    assert end(second) == 0
    assert site.pids() == []


@pytest.mark.servers
@pytest.mark.parametrize("server", ["Redis", "RabbitMQ"])
def test_the_same_worker_serves_other_brokers(site, server):
    if missing([server]) and not os.environ.get("CI"):
        pytest.skip(missing([server])[0])
    url = SERVERS[server]
    worker = site.start(*WORKER, BROKER_URL=url)
    try:
        site.add_event()
        send(url, "inspection.tasks.keep_house")
        within(60, lambda: site.seals() == 1, of=site)
        assert not site.broker.answers()
        assert end(worker) == 0
    finally:
        forget(url)


def forget(url):
    """Remove what a test has left on a server that others use too."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return
    with Connection(url) as connection:
        for queue in QUEUES:
            connection.default_channel.queue_delete(queue)


@pytest.fixture(scope="module")
def demo(migrated, tmp_path_factory):
    """A data folder with the demo factory."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    shutil.copytree(migrated, folder)
    Site(folder).manage("seed_demo")
    return folder


@pytest.fixture
def factory(demo, site):
    """The demo factory, running as `make up` runs it."""
    shutil.copytree(demo, site.folder, dirs_exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        site.port = probe.getsockname()[1]
    site.starter = site.start(sys.executable, "-m", "config.processes", PORT=str(site.port))
    within(90, lambda: "Shadowline is at" in site.log(), of=site)
    return site


def ready(site):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=5)) as connection:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())


def test_one_command_starts_all_and_its_end_is_the_end_of_all(factory):
    within(60, lambda: ready(factory)["broker"] == "ok", of=factory)
    assert ready(factory)["status"] == "ok"
    assert "ivy (inspector), sam (supervisor) or ada (admin)" in factory.log()
    assert end(factory.starter) == 0
    assert factory.pids() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_nothing_outlives_a_killed_starter(factory):
    within(60, factory.broker.answers, of=factory)
    factory.starter.kill()
    factory.starter.wait()
    within(40, lambda: factory.pids() == [], of=factory)


def test_a_killed_worker_ends_all(factory):
    within(60, factory.broker.answers, of=factory)
    workers = [pid for pid in factory.pids() if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(min(workers), signal.SIGKILL)
    assert factory.starter.wait(40) == 1
    assert "worker ended by itself" in factory.log()
    assert factory.pids() == []
