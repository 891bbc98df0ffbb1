"""Figures and notices are kept as long as the settings say."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from monitoring import pruning
from monitoring.actions import open_alarm, write_channel
from monitoring.models import Alarm, Bucket, Channel, Delivery, Stream, Window
from monitoring.tasks import prune_figures

NOW = timezone.now()


@pytest.fixture
def windows(line):
    stream = Stream.objects.create(key="x", line=line, figure="quality.brightness")
    ages = {"minutes": (1, 29, 31, 400), "day": (31, 400, 1820, 1830)}
    for span, days in ages.items():
        for age in days:
            Window.objects.create(stream=stream, span=span, start=NOW - timedelta(days=age), n=1)
    for age in (1820, 1830):
        Bucket.objects.create(stream=stream, start=NOW - timedelta(days=age), upto=0.5, n=1, seconds=0.1)


@pytest.fixture
def notices(line, ada):
    write_channel(channel=Channel(name="c", kind="email", target="a@example.com"), by=ada)
    for number, (state, age) in enumerate((("sent", 400), ("sent", 10), ("due", 400), ("given_up", 400))):
        open_alarm(line=line, rule=f"r{number}", severity="alarm", message="x")
        Delivery.objects.filter(pk=Delivery.objects.last().pk).update(state=state, due_at=NOW - timedelta(days=age))


def left():
    return sorted((window.span, (NOW - window.start).days) for window in Window.objects.all())


def test_what_is_older_goes_and_alarms_stay(windows, notices, monkeypatch):
    monkeypatch.setattr(pruning, "AT_ONCE", 1)
    assert pruning.prune(now=NOW) == {
        "windows_of_minutes": 2,
        "windows_of_days": 1,
        "buckets": 1,
        "parcels": 0,
        "notices": 2,
        "readings": 0,
        "audit_events": 0,
    }
    assert left() == [("day", 31), ("day", 400), ("day", 1820), ("minutes", 1), ("minutes", 29)]
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["due", "sent"]
    assert Alarm.objects.count() == 4
    assert pruning.prune(now=NOW) == {
        "windows_of_minutes": 0,
        "windows_of_days": 0,
        "buckets": 0,
        "parcels": 0,
        "notices": 0,
        "readings": 0,
        "audit_events": 0,
    }


def test_the_command_counts_before_it_deletes(windows, capsys, settings):
    settings.KEEP_MINUTES_DAYS = 10
    call_command("prune", "--dry-run", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "windows_of_minutes": 3,
        "windows_of_days": 1,
        "buckets": 1,
        "parcels": 0,
        "notices": 0,
        "readings": 0,
        "audit_events": 0,
        "dry_run": True,
    }
    assert Window.objects.count() == 8
    call_command("prune")
    assert "windows of minutes: 3" in capsys.readouterr().out
    assert Window.objects.count() == 4


def test_beat_prunes_too(windows):
    prune_figures()
    assert Window.objects.count() == 5
