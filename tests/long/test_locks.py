"""Locks: whoever locks several parts takes them by their keys, so that two who lock the same parts never wait for each other."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from automation.actions import propose_change, set_halt
from inspection import actions
from inspection.models import Inspection, Line
from monitoring.actions import add_finding, close_alarm
from monitoring.models import Stream

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks the whole database")

HOLD = timedelta(hours=1)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def decides(line, version, set_level):
    """Line A at partial and a line of its own beside it, whose parts have the lower keys."""
    other = Line.objects.create(slug="line-0", name="Line 0")
    set_level(line, "partial", version, pass_below=0.1, reject_from=0.5)
    return other, line


def held_parts(lines) -> list[int]:
    """Held parts that stand in the queue, and lie on the disk, in the reverse order of their keys."""
    now = timezone.now()
    fields = {"captured_at": now, "hold_until": now + HOLD, "state": "held"}
    parts = Inspection.objects.bulk_create(
        Inspection(line=lines[n >= 3], serial=f"D{n}", received_at=now - timedelta(seconds=n), **fields)
        for n in range(6)
    )
    keys = [part.pk for part in parts]
    for key in reversed(keys):
        Inspection.objects.filter(pk=key).update(lot="x")
    return keys


def wait_for_a_waiter() -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction goes on seeing what it saw first
            cursor.execute(WAITING)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)


def settle_slowly(first: int, second: int, locked: threading.Event) -> str:
    """Lock two parts by their keys, as `lock_all` does row by row, with another waiting in between."""
    with transaction.atomic():
        actions.lock_all([first])
        locked.set()
        wait_for_a_waiter()
        actions.lock_all([second])
    return "settled"


def after(locked: threading.Event, act):
    locked.wait(10)
    return act()


def halt_line(lines, ada):
    set_halt(line=lines[1], on=True, by=ada, reason="smoke")


def halt_factory(lines, ada):
    set_halt(line=None, on=True, by=ada, reason="smoke")


def lower(lines, ada):
    propose_change(line=lines[1], by=ada, level="assist", reason="smoke")


def end_long_holds(lines, ada):
    actions.end_long_holds(line=lines[1], now=timezone.now() - HOLD)


@pytest.mark.parametrize("act", [halt_line, halt_factory, lower, end_long_holds])
def test_who_ends_holds_and_who_settles_wait_in_one_order(at_once, decides, ada, act):
    keys, locked = held_parts(decides), threading.Event()
    first, second = keys[3], keys[5]
    done = at_once(lambda: settle_slowly(first, second, locked), lambda: after(locked, lambda: act(decides, ada)))
    assert done == ["settled", None]
    assert not Inspection.objects.filter(line=decides[1], hold_until__gt=timezone.now()).exists()


def test_a_halted_factory_locks_the_parts_of_all_lines_in_one_order(at_once, decides, ada):
    """A batch that is settled holds parts of several lines."""
    lines = list(reversed(decides))  # the line with the higher key has the parts with the lower keys
    keys, locked = held_parts(lines), threading.Event()
    done = at_once(
        lambda: settle_slowly(keys[0], keys[5], locked), lambda: after(locked, lambda: halt_factory(lines, ada))
    )
    assert done == ["settled", None]


# ---- an alarm


@pytest.fixture
def found(line):
    """Files a finding of the light of the line, as a look does."""
    stream = Stream.objects.create(key="x", line=line, figure="quality.brightness")

    def file(severity="warning"):
        now = timezone.now()
        return add_finding(
            line=line, station=None, stream=stream, detector="mean", severity=severity, part=None, before=100.0,
            after=111.0, moved_at=now, now=now,
        )  # fmt: skip

    return file


def find_slowly(line, found, locked: threading.Event) -> str:
    """A look that has locked its line, and files a finding once another waits."""
    with transaction.atomic():
        Line.objects.select_for_update().get(pk=line.pk)
        locked.set()
        wait_for_a_waiter()
        found("alarm")
    return "found"


@pytest.mark.parametrize(
    "act",
    [
        lambda alarm, sam: close_alarm(alarm=alarm, by=sam, comment="new lamp", cause="new_normal"),
        lambda alarm, sam: close_alarm(alarm=alarm, by=sam, comment="glare", cause="false_alarm", adapt="rarer"),
    ],
    ids=["learn anew", "ask for more evidence"],
)
def test_who_looks_and_who_closes_an_alarm_lock_the_line_before_the_alarm(at_once, line, found, sam, act):
    alarm, locked = found(), threading.Event()
    done = at_once(lambda: find_slowly(line, found, locked), lambda: after(locked, lambda: act(alarm, sam).alarm_id))
    assert done == ["found", alarm.pk]
    assert alarm.findings.count() == 2
