"""How times are spread: counts by bounds per stream and day, from which Prometheus reckons quantiles."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from monitoring.figures import Figure
from monitoring.windows import starts, write

# Seconds, each two to three times the one before: between two a quantile is a straight line's guess. Whoever changes them
# keeps old days right: a count stays below every bound that is not below its own.
BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, math.inf,
)  # fmt: skip
SECONDS = {"ms": 0.001, "s": 1.0}  # of a unit


class Slot(NamedTuple):
    """One bucket of one stream's day: values up to `upto` seconds, and above the bound before it."""

    stream: int
    start: datetime
    upto: float


def counted(values: Iterable[tuple[int, Figure, datetime, float | None]], zone: ZoneInfo) -> dict[Slot, list[float]]:
    """How many values and seconds (stream, figure, moment, value) come to; what is no time, or unknown, is left out."""
    found: dict[Slot, list[float]] = {}
    days: dict[datetime, datetime] = {}
    for stream, figure, moment, value in values:
        if value is None or not math.isfinite(value):
            continue
        if moment not in days:
            days[moment] = starts(moment, zone)[1]
        seconds = value * SECONDS[figure.unit]
        sums = found.setdefault(Slot(stream, days[moment], BOUNDS[bisect_left(BOUNDS, seconds)]), [0, 0.0])
        sums[0] += 1
        sums[1] += seconds
    return found


ADD = """
INSERT INTO monitoring_bucket AS old (stream_id, start, upto, n, seconds) VALUES {rows}
ON CONFLICT (stream_id, start, upto) DO UPDATE SET n = old.n + excluded.n, seconds = old.seconds + excluded.seconds
"""


def add(counts: Mapping[Slot, Iterable[float]]) -> None:
    """Add to the buckets; call it in the transaction that notes what was read."""
    write(ADD, [[*slot, *sums] for slot, sums in sorted(counts.items())])


def cumulative(counts: Mapping[float, float]) -> list[tuple[float, float]]:
    """Of counts by their bounds: how many values lie at or below each of today's, as a histogram tells it."""
    return [(bound, sum(n for upto, n in counts.items() if upto <= bound)) for bound in BOUNDS]
