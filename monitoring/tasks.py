"""The periodic look."""

from celery import shared_task

from monitoring.watching import watch_lines


@shared_task(time_limit=120)
def watch() -> None:
    watch_lines()
