"""The periodic look, the notices of what it finds, and the dispositions that other systems are told of."""

from celery import shared_task
from django.utils import timezone

from monitoring import delivering, feeding
from monitoring.pruning import prune
from monitoring.retraining import start_suggested_trainings
from monitoring.server import note_loads
from monitoring.watching import watch_lines


@shared_task(time_limit=120)
def watch() -> None:
    """The machine first: a look that is cut short has noted at least how it was."""
    note_loads(timezone.now())
    watch_lines()


@shared_task(time_limit=600)
def start_suggested() -> None:
    """Start the trainings that open alarms suggest, where a line's policy lets them."""
    start_suggested_trainings(now=timezone.now())


@shared_task(time_limit=60)
def deliver() -> None:
    """Wake a sender for each channel that is to be told something: a slow one keeps no other waiting."""
    for channel in delivering.due_channels(now=timezone.now()):
        deliver_to.delay(channel)
    for channel in feeding.fed_channels(now=timezone.now()):
        feed.delay(channel)


@shared_task(time_limit=60)
def deliver_to(channel: int) -> None:
    delivering.deliver_to(channel)


@shared_task(time_limit=120)
def feed(channel: int) -> None:
    feeding.feed(channel)


@shared_task(time_limit=600)
def prune_figures() -> None:
    prune(now=timezone.now())
