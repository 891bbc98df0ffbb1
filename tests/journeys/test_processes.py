"""The site's real processes: each usable alone, none left behind, nothing lost when one is killed."""

import contextlib
import http.client
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu import Connection

from config.celery import QUEUES
from tests.journeys.sites import free_port, within
from tests.servers import SERVERS, missing

pytestmark = pytest.mark.journey
WORKER = ("celery", "-A", "config", "worker", "--concurrency", "1")
BEAT = ("celery", "-A", "config", "beat")


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
    within(60, site.sealed, of=site)
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
    within(60, site.sealed, of=site)
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
    within(90, site.sealed, of=site)  # beat asks for it every 30 s, and first at once
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
    within(60, site.sealed, of=site)
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
        within(60, site.sealed, of=site)
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


@pytest.fixture
def factory(demo_site):
    """The demo factory, running as `make up` runs it."""
    site = demo_site
    site.port = free_port()
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
