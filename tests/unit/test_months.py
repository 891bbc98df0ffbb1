"""PostgreSQL keeps the trail and the windows in a part a month; what is asked of them is the same as of one table."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from config import health
from inspection import append_only, months, seals, trail_keeping
from inspection.models import AuditEvent, AuditSeal
from inspection.tasks import make_months
from monitoring import pruning, windows
from monitoring.models import Span, Stream, Window

TRAIL, WINDOWS = "inspection_auditevent", "monitoring_window"
NOW = timezone.now()


@pytest.fixture
def by_month(db):
    if not months.parts(TRAIL):
        pytest.skip("tables are in parts on PostgreSQL with its migrations")


def place_of(model, pk) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {model._meta.db_table} WHERE id = %s", [pk])
        return cursor.fetchone()[0]


def event(at: datetime, line: str = "line-a") -> AuditEvent:
    return AuditEvent.objects.create(by="x", action="x", line=line, at=at)


def make(table: str, month: datetime) -> list[str]:
    """A month of the past, cut out of the first part so that there is one: tests write into it."""
    column = months.tables()[table]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {table}_before")
        cursor.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {table}_before FOR VALUES FROM (MINVALUE) TO ('{month.isoformat()}')"
        )
    made, end = [], months.month_of(NOW, 1)
    while month < end:
        made += months.make_part(table, column, month)
        month = months.month_of(month, 1)
    return made


def test_months_are_of_utc():
    moment = datetime(2026, 12, 31, 23, 30, tzinfo=ZoneInfo("America/New_York"))
    assert months.month_of(moment) == datetime(2027, 1, 1, tzinfo=UTC)
    assert months.month_of(moment, -1) == datetime(2026, 12, 1, tzinfo=UTC)
    assert months.month_of(moment, 12) == datetime(2028, 1, 1, tzinfo=UTC)
    assert months.name_of("t", months.month_of(moment)) == "t_y2027m01"


@pytest.mark.django_db
def test_elsewhere_there_are_no_parts_and_nothing_is_missing():
    if not months.parts(TRAIL):
        assert (months.make_months(now=NOW), months.missing_months(NOW)) == ([], [])


def test_the_next_months_are_made_once(by_month):
    later = NOW + timedelta(days=365)
    assert months.missing_months(NOW) == []
    assert len(months.missing_months(later)) == 4
    assert len(months.make_months(now=later)) == 2 * (months.AHEAD + 1)
    assert (months.make_months(now=later), months.missing_months(later)) == ([], [])
    assert append_only.missing_triggers() == []
    make_months()


def test_not_ready_without_the_next_month(by_month, monkeypatch):
    assert health.parts_of_tables() == "ok"
    monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(days=365))
    assert "run manage.py make_months" in health.parts_of_tables()


def test_a_row_of_a_month_that_is_not_there_is_kept_and_moves_into_it(by_month):
    later = months.month_of(NOW, 12)
    row = event(later)
    assert place_of(AuditEvent, row.pk) == f"{TRAIL}_rest"
    months.make_months(now=later)
    assert place_of(AuditEvent, row.pk) == months.name_of(TRAIL, later)
    assert AuditEvent.objects.get(pk=row.pk).at == later
    told = AuditEvent.objects.get(action="rows_moved_to_their_month")
    assert (told.data["rows"], told.data["month"]) == (1, months.name_of(TRAIL, later))


@pytest.mark.parametrize("what", ["UPDATE {} SET by = 'y'", "DELETE FROM {}", "TRUNCATE {}"])
def test_no_part_lets_history_go(by_month, what):
    event(later := months.month_of(NOW, 2))
    for place in (TRAIL, months.name_of(TRAIL, later)):
        with pytest.raises(DatabaseError, match="is append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(what.format(place))


def test_a_trigger_that_one_part_lacks_is_told(by_month):
    part = months.name_of(TRAIL, months.month_of(NOW, 2))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {TRAIL}_refuses_truncate ON {part}")
        cursor.execute(f"ALTER TABLE {part} DISABLE TRIGGER {TRAIL}_refuses_update")
    verbs = ("truncate", "update")
    assert append_only.missing_triggers() == [f"{TRAIL}_refuses_{verb} of {part}" for verb in verbs]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {part} ENABLE TRIGGER {TRAIL}_refuses_update")
    append_only.install_triggers()
    assert append_only.missing_triggers() == []


def test_a_period_is_looked_for_in_its_own_months(by_month, line):
    stream = Stream.objects.create(key="x", line=line, figure="f")
    start, end = months.month_of(NOW, 2), months.month_of(NOW, 3)
    plan = Window.objects.filter(stream=stream, span="minutes", start__gte=start, start__lt=end).explain()
    assert months.name_of(WINDOWS, start) in plan
    assert f"{WINDOWS}_before" not in plan
    assert f"{WINDOWS}_rest" in plan or months.name_of(WINDOWS, end) not in plan


def test_a_window_is_added_to_across_the_turn_of_a_month(line):
    stream = Stream.objects.create(key="x", line=line, figure="f")
    turn = months.month_of(NOW, 1)
    values = [(stream.pk, turn + timedelta(minutes=late), 2.0) for late in (-1, 0, 1)]
    for _ in range(2):
        windows.add_values(values, ZoneInfo("UTC"))
    found = Window.objects.order_by("span", "start").values_list("span", "n", "total")
    assert list(found) == [("day", 2, 4.0), ("day", 4, 8.0), ("minutes", 2, 4.0), ("minutes", 4, 8.0)]


def test_an_old_month_keeps_its_days_and_goes_with_them(by_month, line, settings):
    stream = Stream.objects.create(key="x", line=line, figure="f")
    old = months.month_of(NOW, -4)
    make(WINDOWS, months.month_of(NOW, -5))
    for span, at in ((Span.MINUTES, old), (Span.DAY, old), (Span.MINUTES, months.month_of(NOW))):
        Window.objects.create(stream=stream, span=span, start=at, n=1)
    connection.check_constraints()  # checks that wait for the commit would hold a month back
    expected = {
        "windows_of_minutes": 1,
        "windows_of_days": 0,
        "buckets": 0,
        "notices": 0,
        "parcels": 0,
        "readings": 0,
        "audit_events": 0,
    }
    assert pruning.prune(now=NOW, dry_run=True) == expected
    assert pruning.prune(now=NOW) == expected
    assert sorted(Window.objects.values_list("span", flat=True)) == ["day", "minutes"]
    windows.add_values([(stream.pk, old, 2.0)], ZoneInfo("UTC"))  # the smaller part has its key
    connection.check_constraints()
    settings.KEEP_DAYS_DAYS = settings.KEEP_MINUTES_DAYS = 60
    assert pruning.prune(now=NOW)["windows_of_days"] == 1
    assert months.name_of(WINDOWS, old) not in {part.name for part in months.parts(WINDOWS)}
    assert Window.objects.count() == 1


@pytest.fixture
def trail(db, settings):
    """Sealed events of two lines, some of them more than two years old."""
    if months.parts(TRAIL):
        make(TRAIL, months.month_of(NOW, -26))
    ages = (-25, -25, -24, -3, 0)
    for line in ("line-a", ""):
        for age in ages:
            event(months.month_of(NOW, age), line)
    seals.seal_trail()
    settings.KEEP_AUDIT_DAYS = 700


def test_old_months_of_the_trail_go_and_the_chain_holds(trail):
    before = seals.heads()
    assert trail_keeping.outdated(NOW) == 6
    assert trail_keeping.purge(NOW) == 6
    assert (trail_keeping.purge(NOW), AuditSeal.objects.count()) == (0, 10)
    told = AuditEvent.objects.get(action="history_purged")
    assert (told.by, told.data["links"]) == ("retention", {"line-a": [3, 3], "": [3, 3]})
    report = seals.verify_trail(before.items())
    assert (report.broken, report.purged, report.sealed) == ([], 6, 10)


def test_a_second_purge_adds_to_the_first(trail, settings):
    trail_keeping.purge(NOW)
    seals.seal_trail()
    settings.KEEP_AUDIT_DAYS = 365
    event(months.month_of(NOW, -20))
    assert trail_keeping.purge(NOW) == 1
    report = seals.verify_trail()
    assert (report.broken, report.purged) == ([], 7)


def test_an_event_that_went_any_other_way_is_found(trail):
    trail_keeping.purge(NOW)
    with append_only.open_door():
        AuditEvent.objects.filter(line="line-a").order_by("pk").first().delete()
    assert len(seals.verify_trail().broken) == 1


def test_one_that_went_before_the_purge_is_found(trail):
    with append_only.open_door():
        AuditEvent.objects.filter(line="line-a").order_by("pk").first().delete()
    trail_keeping.purge(NOW)
    assert "2 events were purged by retention, and 3 are missing" in seals.verify_trail().broken[0]


@pytest.mark.django_db
def test_the_trail_stays_by_itself():
    event(datetime(2001, 1, 1, tzinfo=UTC))
    assert (trail_keeping.outdated(NOW), trail_keeping.purge(NOW)) == (0, 0)
