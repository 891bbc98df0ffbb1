"""Celery's side of scoring: wake-ups without payload; the rows say what the work is."""

from celery import shared_task
from django.utils import timezone

from automation import actions
from shadow import jobs

AT_MOST = 60  # seconds of batches in one task: well inside its limit, which would kill it in the middle of one


@shared_task(time_limit=300)
def score_waiting_parts() -> None:
    """Score and route batches until nothing waits, or the next wake-up has to go on. Lost or doubled: harmless."""
    actions.score_and_settle(seconds=AT_MOST)


@shared_task(time_limit=60)
def sweep() -> None:
    """Find again what a lost message missed, and lower lines whose machine decides while a critical alarm is open."""
    now = timezone.now()
    actions.apply_fallbacks(now=now)
    actions.settle_missing(now=now)
    jobs.make_missing_jobs(now=now)
    for _ in range(min(8, -(-jobs.to_do(now=now) // jobs.BATCH))):
        score_waiting_parts.apply_async(expires=10)  # the next sweep sends others: they must not pile up
