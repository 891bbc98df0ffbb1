"""The shadow's periodic work."""

from celery import shared_task

from inspection.models import Line
from shadow import rollups


@shared_task(time_limit=600)
def count_pairs() -> None:
    """Count what has changed since the last time, so that reports are quick to read."""
    rollups.follow_calendars(Line.objects.all(), at_once=None)
    rollups.catch_up()
