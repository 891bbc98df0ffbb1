"""How long figures and notices are kept: what is older goes, in small steps, so that nobody waits for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from inspection.models import FiguresRead
from monitoring.models import Bucket, Delivery, Span, Window

AT_ONCE = 5_000  # rows of one statement


def outdated(*, now: datetime) -> dict[str, QuerySet]:
    """What is older than the settings say, by what it is. Alarms, findings and baselines are history and stay."""

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    return {
        "windows_of_minutes": Window.objects.filter(span=Span.MINUTES, start__lt=before(settings.KEEP_MINUTES_DAYS)),
        "windows_of_days": Window.objects.filter(span=Span.DAY, start__lt=before(settings.KEEP_DAYS_DAYS)),
        "buckets": Bucket.objects.filter(start__lt=before(settings.KEEP_DAYS_DAYS)),
        "notices": Delivery.objects.exclude(state=Delivery.State.DUE).filter(
            due_at__lt=before(settings.KEEP_NOTICES_DAYS)
        ),
        "readings": FiguresRead.objects.filter(hour__lt=before(settings.KEEP_READINGS_DAYS)),
    }


def prune(
    *, now: datetime, dry_run: bool = False, progress: Callable[[int], None] = lambda gone: None
) -> dict[str, int]:
    """Delete what is outdated; how many rows of each kind went, or with `dry_run` would go."""
    if dry_run:
        return {name: rows.count() for name, rows in outdated(now=now).items()}
    return {name: _delete(rows, progress) for name, rows in outdated(now=now).items()}


def _delete(rows: QuerySet, progress: Callable[[int], None]) -> int:
    gone = 0
    while keys := list(rows.order_by().values_list("pk", flat=True)[:AT_ONCE]):
        gone += rows.model._default_manager.filter(pk__in=keys).delete()[0]
        progress(len(keys))
    return gone
