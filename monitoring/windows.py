"""Windows of figures: sums per 10 minutes and per day, added to by one statement."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from monitoring.models import Span, Window

MINUTES = timedelta(minutes=10)
AT_ONCE = 500  # rows of a statement


class Place(NamedTuple):
    """One window of one stream."""

    stream: int
    span: str
    start: datetime


@dataclass
class Tally:
    """What some values come to."""

    n: int = 0
    missing: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float | None = None
    high: float | None = None

    def add(self, value: float | None) -> None:
        """Count a value; one that is not finite is missing."""
        if value is None or not math.isfinite(value):
            self.missing += 1
            return
        self.n += 1
        self.total += value
        self.squares += value * value
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)


def starts(moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Where the 10 minutes (of UTC) and the day (of the line's clock) begin that a moment lies in."""
    moment = moment.astimezone(UTC)
    minutes = moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0)
    return minutes, datetime.combine(moment.astimezone(zone).date(), time(), zone).astimezone(UTC)


def tallied(values: Iterable[tuple[int, datetime, float | None]], zone: ZoneInfo) -> dict[Place, Tally]:
    """The windows that (stream, moment, value) come to, of both spans."""
    found: dict[Place, Tally] = {}
    known: dict[datetime, tuple[datetime, datetime]] = {}
    for stream, moment, value in values:
        if moment not in known:
            known[moment] = starts(moment, zone)
        minutes, day = known[moment]
        for place in (Place(stream, Span.MINUTES.value, minutes), Place(stream, Span.DAY.value, day)):
            tally = found.get(place)
            if tally is None:
                tally = found[place] = Tally()
            tally.add(value)
    return found


# Adds in the database, so that several writers of a server's figures lose nothing.
ADD = """
INSERT INTO monitoring_window AS old (stream_id, span, start, n, missing, total, squares, low, high) VALUES {rows}
ON CONFLICT (stream_id, span, start) DO UPDATE SET
  n = old.n + excluded.n, missing = old.missing + excluded.missing,
  total = old.total + excluded.total, squares = old.squares + excluded.squares,
  low = CASE WHEN old.low IS NULL OR excluded.low < old.low THEN excluded.low ELSE old.low END,
  high = CASE WHEN old.high IS NULL OR excluded.high > old.high THEN excluded.high ELSE old.high END
"""


def add(tallies: Mapping[Place, Tally]) -> None:
    """Add to the windows; call it in the transaction that notes what was read."""
    rows = [
        [place.stream, place.span, place.start, t.n, t.missing, t.total, t.squares, t.low, t.high]
        for place, t in sorted(tallies.items())  # in one order, or two writers could wait for each other
    ]
    write(ADD, rows, typed={7: "float8", 8: "float8"})  # PostgreSQL takes a column of NULLs for text


def write(statement: str, rows: Sequence[Sequence[Any]], *, typed: Mapping[int, str] | None = None) -> None:
    """Run a statement that takes `{rows}` of values, some hundreds at once; `typed` columns are cast on PostgreSQL."""
    casts = typed if typed and connection.vendor == "postgresql" else {}
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        for start in range(0, len(rows), AT_ONCE):
            chunk = rows[start : start + AT_ONCE]
            places = [f"%s::{casts[column]}" if column in casts else "%s" for column in range(len(chunk[0]))]
            row = f"({', '.join(places)})"
            values = [adapt(value) if isinstance(value, datetime) else value for each in chunk for value in each]
            cursor.execute(statement.format(rows=", ".join([row] * len(chunk))), values)


def add_values(values: Iterable[tuple[int, datetime, float | None]], zone: ZoneInfo) -> None:
    """Add single values (stream, moment, value) to their windows of both spans."""
    add(tallied(values, zone))


def mean_of(windows: Iterable[Window]) -> float | None:
    """The mean over several windows; None: nothing is known."""
    n, total = 0, 0.0
    for window in windows:
        n, total = n + window.n, total + window.total
    return total / n if n else None
