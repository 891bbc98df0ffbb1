"""Beat's schedule, which goes on when the wall clock is set back and when a broker was killed."""

from typing import Any

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Celery's own notes when it has sent each task and counts from there: after a clock that was two hours ahead is set
    right it would send none for two hours, not even started anew, for the notes are on the disk.

    It also keeps one connection for good, and without retries a RabbitMQ that was killed would never hear of it again.
    """

    producer = None  # each sending takes one of the pool's, which replaces a connection that has failed

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; the seconds until the next look."""
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            self._heap = None  # which is sorted by moments of the clock as it was
        return super().tick(*args, **kwargs)
