"""How long figures, notices and the audit trail are kept: what is older goes, in small steps, so that nobody waits for it.

Where PostgreSQL keeps windows by month, a month goes when all of it is old: its windows of 10 minutes by a smaller part in
its place, the part itself when its days are old, too. Rows go one by one from what was there before the months.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import QuerySet

from inspection import months, trail_keeping
from inspection.models import FiguresRead
from monitoring.models import Bucket, Delivery, Parcel, Sending, Span, Window

AT_ONCE = 5_000  # rows of one statement


def outdated(*, now: datetime) -> dict[str, QuerySet]:
    """What is older than the settings say, by what it is. Alarms, findings and baselines are history and stay."""

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    def windows(span: Span, days: int) -> QuerySet:
        return Window.objects.filter(span=span, start__lt=months.by_rows_before(Window, before(days)))

    return {
        "windows_of_minutes": windows(Span.MINUTES, settings.KEEP_MINUTES_DAYS),
        "windows_of_days": windows(Span.DAY, settings.KEEP_DAYS_DAYS),
        "buckets": Bucket.objects.filter(start__lt=before(settings.KEEP_DAYS_DAYS)),
        "parcels": Parcel.objects.exclude(state=Sending.DUE).filter(due_at__lt=before(settings.KEEP_NOTICES_DAYS)),
        "notices": Delivery.objects.exclude(state=Delivery.State.DUE).filter(
            due_at__lt=before(settings.KEEP_NOTICES_DAYS)
        ),
        "readings": FiguresRead.objects.filter(hour__lt=before(settings.KEEP_READINGS_DAYS)),
    }


def prune(
    *, now: datetime, dry_run: bool = False, progress: Callable[[int], None] = lambda gone: None
) -> dict[str, int]:
    """Delete what is outdated; how many rows of each kind went, or with `dry_run` would go."""
    old = _old_months(now)
    if dry_run:
        gone = {name: rows.count() for name, rows in outdated(now=now).items()}
        months_gone = [_counted(part, now) for part in old if part.start]  # those of the first part are among the rows
        trail = trail_keeping.outdated(now)
    else:
        gone = {name: _delete(rows, progress) for name, rows in outdated(now=now).items()}
        months_gone = [_end(part, now) for part in old]
        trail = trail_keeping.purge(now)
    for counts in months_gone:
        gone |= {name: gone[name] + rows for name, rows in counts.items()}
    return gone | {"audit_events": trail}


def _old_months(now: datetime) -> list[months.Part]:
    """The parts of windows all of whose windows of 10 minutes are outdated."""
    return months.whole_before(Window, now - timedelta(days=settings.KEEP_MINUTES_DAYS))


def _days_too(part: months.Part, now: datetime) -> bool:
    return part.end is not None and part.end <= now - timedelta(days=settings.KEEP_DAYS_DAYS)


def _counted(part: months.Part, now: datetime) -> dict[str, int]:
    rows = Window.objects.filter(start__lt=part.end, **({"start__gte": part.start} if part.start else {}))
    counts = {"windows_of_minutes": rows.filter(span=Span.MINUTES).count()}
    return counts | ({"windows_of_days": rows.filter(span=Span.DAY).count()} if _days_too(part, now) else {})


def _end(part: months.Part, now: datetime) -> dict[str, int]:
    """Let a month go that is old: its windows of 10 minutes, or all of it. How many rows went; none while it is locked."""
    counts = _counted(part, now)
    if _days_too(part, now):
        done = months.briefly(partial(months.drop, part))
    else:
        done = counts["windows_of_minutes"] and months.briefly(
            partial(months.thin, Window._meta.db_table, part, f"span <> '{Span.MINUTES}'")
        )
    return counts if done else {}


def _delete(rows: QuerySet, progress: Callable[[int], None]) -> int:
    gone = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:AT_ONCE]):
        gone += rows.model._default_manager.filter(pk__in=keys).delete()[0]
        progress(len(keys))
    return gone
