"""Beat goes on where its clock is set back, and where its broker was killed."""

from datetime import timedelta

import pytest
from celery import Celery
from celery.app.amqp import Producer
from django.utils import timezone

from config.beat import Scheduler
from config.celery import app as site

EVERY = 2.0  # seconds


class Clock:
    def __init__(self):
        self.ahead = timedelta()

    def now(self):
        return timezone.now() + self.ahead


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Celery, "now", lambda self: clock.now())
    return clock


@pytest.fixture
def sent(monkeypatch):
    tasks = []
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **kwargs: tasks.append(entry.task))
    return tasks


@pytest.fixture
def beat(tmp_path, clock):
    started = []

    def start():
        app = Celery("beat", broker="memory://", set_as_current=False)
        app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": EVERY}}
        started.append(Scheduler(app, schedule_filename=str(tmp_path / "beat")))
        return started[-1]

    yield start
    started[-1].close()


def tick(scheduler):
    """As beat does until nothing more is due; the seconds that it would sleep then."""
    while not (wait := scheduler.tick()):
        pass
    return wait


def pass_by(clock, seconds):
    clock.ahead += timedelta(seconds=seconds)


def test_what_is_due_is_sent_once(beat, clock, sent):
    scheduler = beat()
    assert 0 < tick(scheduler) <= EVERY
    pass_by(clock, EVERY)
    assert 0 < tick(scheduler) <= EVERY
    assert sent == ["sweep"]


@pytest.mark.parametrize("back", [10, 7200])
def test_a_clock_set_back_delays_a_task_by_its_own_period_at_most(beat, clock, sent, back):
    scheduler = beat()
    pass_by(clock, EVERY)
    tick(scheduler)
    pass_by(clock, -back)
    assert 0 < tick(scheduler) <= EVERY
    pass_by(clock, EVERY)
    tick(scheduler)
    assert sent == ["sweep"] * 2


def test_a_clock_that_was_set_back_while_beat_was_away_stops_nothing(beat, clock, sent):
    pass_by(clock, 7200)
    before = beat()
    pass_by(clock, EVERY)
    tick(before)
    before.close()
    pass_by(clock, -7200)
    scheduler = beat()
    assert 0 < tick(scheduler) <= EVERY
    pass_by(clock, EVERY)
    tick(scheduler)
    assert sent == ["sweep"] * 2


def test_a_connection_that_failed_is_not_used_again(beat, clock, monkeypatch):
    used = []

    def fail(self, *args, **kwargs):
        used.append(self.connection.connection)  # what the transport has opened
        raise OSError("Server unexpectedly closed connection")

    monkeypatch.setattr(Producer, "publish", fail)
    scheduler = beat()
    for _ in range(2):
        pass_by(clock, EVERY)
        tick(scheduler)
    assert len(used) == 2 and used[0] is not used[1]


def test_a_worker_half_a_minute_ahead_of_beat_drops_nothing():
    ahead = timezone.now() + timedelta(seconds=30)
    for entry in site.conf.beat_schedule.values():
        assert timezone.now() + timedelta(seconds=entry["options"]["expires"]) > ahead, entry["task"]


def test_the_site_has_this_schedule():
    assert site.conf.beat_scheduler == "config.beat:Scheduler"
