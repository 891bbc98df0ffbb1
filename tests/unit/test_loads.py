"""How the machines are: each look notes it in windows, per host and per line, and a load above its limit is an alarm."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inspection.models import Inspection
from monitoring import server
from monitoring.models import Alarm, AlarmAction, Finding, Stream, WatchPolicy, Window
from monitoring.tasks import watch
from shadow.models import Assignment, Prediction, ScoringJob

pytestmark = pytest.mark.django_db
NOON = timezone.now().replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def served(line, version):
    Assignment.objects.create(line=line, version=version, role="live")
    return line


def last(figure: str) -> Window:
    return Window.objects.filter(stream__figure=figure, span="minutes").last()


@pytest.fixture
def full(monkeypatch):
    """Sets how full this machine's disk is: `full(95)`."""
    return lambda percent: monkeypatch.setattr(server, "_full", lambda folder: percent)


def looks(count: int, start=NOON) -> int:
    return sum(server.note_loads(start + timedelta(seconds=30 * k)) for k in range(count))


def test_a_look_notes_this_machine_by_its_name(served, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "box-1")
    looks(2)
    keys = set(Stream.objects.filter(line=None).values_list("key", flat=True))
    assert {"-/-/-/server.memory@box-1", "-/-/-/server.processor@box-1", "-/-/-/server.disk@box-1"} <= keys
    assert last("server.memory").n == 2
    assert 0 < last("server.memory").total / 2 <= 100
    monkeypatch.setattr("socket.gethostname", lambda: "box-2")
    looks(1)
    assert Stream.objects.filter(figure="server.memory").count() == 2, "another machine has windows of its own"


def test_both_spans_are_kept(served):
    looks(1)
    spans = Window.objects.filter(stream__figure="server.disk").values_list("span", flat=True)
    assert set(spans) == {"minutes", "day"}


def test_the_age_of_the_queue_is_that_of_the_oldest_job(served, make_part, version):
    for number, minutes in enumerate((1, 7, 3)):
        part = make_part(f"P{number}")
        Inspection.objects.filter(pk=part.pk).update(received_at=NOON - timedelta(minutes=minutes))
        part.refresh_from_db()
    jobs = [
        ScoringJob.objects.create(inspection=part, version=version)
        for part in Inspection.objects.order_by("received_at")
    ]
    assert server.queue_age(served, NOON) == 7 * 60
    ScoringJob.objects.filter(pk=jobs[0].pk).update(state="done")
    assert server.queue_age(served, NOON) == 3 * 60
    ScoringJob.objects.all().update(retrospective=True)
    assert server.queue_age(served, NOON) == 0, "replays may wait"


def test_the_pace_is_the_answers_of_the_last_minute(served, make_part, version):
    for number, seconds in enumerate((10, 50, 70)):
        Prediction.objects.create(
            inspection=make_part(f"P{number}"),
            version=version,
            score=0.1,
            outcome="ok",
            at=NOON - timedelta(seconds=seconds),
        )
    assert server.throughput(served, NOON) == 2


def test_a_line_without_a_version_has_no_queue(line):
    looks(1)
    assert not Stream.objects.filter(line=line).exists()


def test_a_full_disk_is_an_alarm_of_each_line_served_once(served, full):
    full(96.0)
    assert looks(9) == 0, "a moment's peak is no alarm"
    assert looks(3, NOON + timedelta(minutes=4, seconds=30)) == 1
    [alarm] = Alarm.objects.filter(line=served)
    assert (alarm.severity, alarm.remedy) == ("alarm", "fix_server")
    finding = Finding.objects.get()
    assert (finding.detector, finding.before, finding.after) == ("limit", 90, 96)


@pytest.mark.parametrize("minutes", [1, 7, 25, 600])
def test_a_machine_that_looks_seldom_is_heard_too(served, full, minutes):
    """Others take most looks: its windows hold few, and one of them alone may be a moment's peak."""
    full(96.0)
    told = [server.note_loads(NOON + timedelta(minutes=minutes * look)) for look in range(21)]
    assert sum(told) == 1
    assert told.index(1) == {1: 9, 7: 2, 25: 1, 600: 1}[minutes]


def test_one_look_a_peak_after_usual_ones_is_no_alarm(served, full):
    full(50.0)
    looks(1)
    full(99.0)
    assert looks(1, NOON + timedelta(hours=1)) == 0
    assert looks(1, NOON + timedelta(hours=2)) == 1


def test_the_limit_is_the_lines_own(served, full, monkeypatch):
    full(96.0)
    WatchPolicy.objects.create(line=served, number=1, limits={"server.disk": 97}, reason="a small one", by="ada")
    assert looks(12) == 0
    monkeypatch.setattr(server, "queue_age", lambda line, now: 100.0)
    assert looks(12, NOON + timedelta(hours=1)) == 0, "as it comes the queue has no limit"
    WatchPolicy.objects.create(line=served, number=2, limits={"server.queue_age": 60}, reason="takt", by="ada")
    assert looks(12, NOON + timedelta(hours=2)) == 2
    assert set(Finding.objects.values_list("stream__figure", "before")) == {
        ("server.disk", 90),
        ("server.queue_age", 60),
    }


def test_below_its_limit_a_load_is_only_drawn(served, full):
    full(89.0)
    assert looks(15) == 0


def test_closed_and_still_full_is_an_alarm_again(served, full, sam):
    full(96.0)
    looks(10)
    AlarmAction.objects.create(alarm=Alarm.objects.get(), action="closed", comment="looked", by=sam)
    assert looks(1, NOON + timedelta(minutes=5)) == 1


def test_a_line_that_does_not_watch_the_disk_hears_nothing_of_it(served, full):
    full(96.0)
    WatchPolicy.objects.create(line=served, number=1, unwatched=["server.disk"], reason="a tool of its own", by="ada")
    assert looks(12) == 0


def test_a_line_may_hold_it_critical(served, full):
    full(96.0)
    WatchPolicy.objects.create(line=served, number=1, critical=["server.disk"], reason="photos first", by="ada")
    looks(10)
    assert Alarm.objects.get().severity == "critical"


@pytest.mark.parametrize(
    ("script", "load"),
    [("echo 37; echo 81", 81.0), ("echo 'N/A'", None), ("exit 9", None), ("true", None)],
)  # fmt: skip
def test_the_busiest_gpu_is_asked_by_its_own_tool(tmp_path, monkeypatch, script, load):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert server.gpu_load() == load


def test_without_a_gpu_there_is_no_figure(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server.gpu_load() is None


def test_the_periodic_look_notes_the_machine_and_that_it_looked(served):
    watch()
    assert last("server.memory").n == 1
    from monitoring.dashboards import glance

    assert glance(served, now=timezone.now()).awake
