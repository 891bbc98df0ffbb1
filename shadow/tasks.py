"""The shadow's periodic work, and the worker that trains."""

from celery import shared_task
from celery.worker import state as worker
from django.utils import timezone

from inspection.models import Line
from shadow import rollups, runs
from shadow.schedules import start_due_trainings

LONGEST = 24 * 3600  # seconds of a worker's time for the trainings that wait


@shared_task(time_limit=600)
def count_pairs() -> None:
    """Count what has changed since the last time, so that reports are quick to read."""
    rollups.follow_calendars(Line.objects.all(), at_once=None)
    rollups.catch_up()


# Acknowledged before it trains: a message that is handed out again after its visibility timeout would find the run held.
@shared_task(acks_late=False, time_limit=LONGEST)
def train_waiting() -> None:
    """Carry out the trainings that wait, one after the other. Lost or doubled: harmless."""
    while not _must_stop() and (run := runs.take_run(now=timezone.now())):
        runs.carry_out(run, must_stop=_must_stop)


def _must_stop() -> bool:
    """Whether the worker was asked to end: the training then waits for the next one."""
    return worker.should_stop not in (None, False) or worker.should_terminate not in (None, False)


@shared_task(time_limit=60)
def look_for_trainings() -> None:
    """Find again what a lost wake-up or a dead worker left."""
    if runs.is_any_waiting(now=timezone.now()):
        # The next look sends another: they must not pile up behind a training. A minute of it is for clocks that differ.
        train_waiting.apply_async(expires=70)


@shared_task(time_limit=600)
def start_trainings_due() -> None:
    """Start the trainings that a line's policy asks for."""
    start_due_trainings(now=timezone.now())
