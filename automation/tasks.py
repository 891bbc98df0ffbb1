"""Celery's side of scoring: wake-ups without payload; the rows say what the work is."""

from collections.abc import Callable
from datetime import datetime

from celery import shared_task
from django.utils import timezone

from automation import actions
from automation.apart import apart
from automation.draw_keys import note_draw_key
from inspection import actions as floor
from inspection.models import Line
from shadow import jobs

AT_MOST = 60  # seconds of batches in one task: well inside its limit, which would kill it in the middle of one


@shared_task(time_limit=300)
def score_waiting_parts() -> None:
    """Score and route batches until nothing waits, or the next wake-up has to go on. Lost or doubled: harmless."""
    actions.score_and_settle(seconds=AT_MOST)


def release_holds(*, now: datetime) -> None:
    """End the holds and leases that a clock set back has made long."""
    lines = Line.objects.all()
    apart(lambda line: floor.end_long_holds(line=line, now=now), lines, doing="releasing")
    apart(lambda line: floor.end_long_leases(line=line, now=now), lines, doing="releasing")
    jobs.end_long_leases(now=now)


def end_waiting(*, now: datetime) -> None:
    """Go on without the answers that an earlier system has not sent in time, by the clock: see below."""
    actions.end_waiting(now=timezone.now())


def settle_missing(*, now: datetime) -> None:
    """Settle what was missed, by the clock and not by the sweep's: what stands before it may take longer than a hold."""
    actions.settle_missing()


# A detector's alarm lowers its line in the same sweep, and a ramp goes on only on a line that was not lowered.
SWEEP: tuple[Callable[..., object], ...] = (
    actions.watch_escapes,
    actions.apply_fallbacks,
    actions.advance_ramps,
    release_holds,
    settle_missing,
    jobs.make_missing_jobs,
    end_waiting,
    note_draw_key,
)


@shared_task(time_limit=60)
def sweep() -> None:
    """Watch the audits, lower lines with a critical alarm, let ramps go on, and find again what a lost message missed."""
    now = timezone.now()
    apart(lambda step: step(now=now), SWEEP, doing="sweeping")
    for _ in range(min(8, -(-jobs.to_do(now=now) // jobs.BATCH))):
        # The next sweep sends others: they must not pile up. A minute of it is for clocks that differ.
        score_waiting_parts.apply_async(expires=70)
