"""The periodic look at what is new, on every line and of every source."""

import time
from datetime import datetime

import structlog
from django.utils import timezone

from inspection.models import Line
from monitoring.collecting import collect, terms_of
from monitoring.models import Cursor
from monitoring.sources import SOURCES

log = structlog.get_logger("shadowline.monitoring")
LONGEST = 20.0  # seconds of a look on one line; the next one goes on where it stopped


def watch_lines(*, now: datetime | None = None) -> int:
    """Look at every line; the fault of one stops no other. Returns how many rows were read."""
    moment, read = now or timezone.now(), 0
    for line in Line.objects.all():
        try:
            read += watch_line(line, now=moment)
            note_look(line, now=moment)
        except Exception as error:  # whatever it is: the others must have their turn
            log.error("watching_failed", line=line.slug, error=f"{type(error).__name__}: {error}"[:300])
    return read


def look_of(line: Line) -> str:
    """The cursor that says when a look at a line was last through."""
    return f"{line.pk}/look"


def note_look(line: Line, *, now: datetime) -> None:
    """A look that found nothing new was one all the same: a page that says 'quiet' has to know that somebody watches."""
    Cursor.objects.update_or_create(name=look_of(line), defaults={"line": line, "at": now})


def watch_line(line: Line, *, now: datetime) -> int:
    """Read every source of a line until nothing is new."""
    until, read = time.monotonic() + LONGEST, 0
    for source in SOURCES.values():
        more = True
        while more and time.monotonic() < until:
            rows, more = collect(source, terms_of(line, now=now))
            read += rows
    return read
