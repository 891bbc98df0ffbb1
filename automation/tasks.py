"""Celery's side of scoring: wake-ups without payload; the rows say what the work is."""

from celery import shared_task
from django.utils import timezone

from automation import actions
from shadow import jobs


@shared_task(time_limit=300)
def score_waiting_parts() -> None:
    """Score and route batches until nothing waits. A lost or doubled wake-up changes nothing."""
    while actions.score_and_settle():
        pass


@shared_task(time_limit=60)
def sweep() -> None:
    """Find again what a lost message missed, and lower lines whose machine decides while a critical alarm is open."""
    now = timezone.now()
    actions.apply_fallbacks(now=now)
    actions.settle_missing(now=now)
    jobs.make_missing_jobs(now=now)
    for _ in range(min(8, -(-jobs.to_do(now=now) // jobs.BATCH))):
        score_waiting_parts.delay()
