"""How a figure went on after it moved: at once or slowly, and how fast per day."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from monitoring.detection import scalar_of
from monitoring.detectors import Shape, rate_of_change
from monitoring.models import Finding, Span, Stream, Window
from monitoring.sources import Point, points_of

BEFORE, AFTER = 1_000, 5_000  # parts that are fitted


@dataclass(frozen=True)
class Course:
    """`shape` is `unknown` until 1,000 parts after the change; the slope per day lies between `low` and `high`.

    An interval that is not finite says that nothing is known of the slope yet.
    """

    shape: Shape
    slope_per_day: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


def course_of(what: Finding | Stream, since: datetime | None = None, *, now: datetime) -> Course:
    """The course of a finding, or of a stream since a moment, from its parts' values."""
    stream = what if isinstance(what, Stream) else what.stream
    moved_at = since or (now if isinstance(what, Stream) else what.moved_at)
    return course(points_of(stream, _reach_back(stream, moved_at), now=now, most=2 * BEFORE + AFTER), moved_at)


def _reach_back(stream: Stream, moved_at: datetime) -> datetime:
    """From when on there are enough parts before the change, by the windows; a day where they are pruned."""
    n = 0
    windows = Window.objects.filter(stream=stream, span=Span.MINUTES, start__lt=moved_at).order_by("-start")
    for start, count in windows.values_list("start", "n")[:2_000]:
        n += count
        if n >= BEFORE:
            return start
    return moved_at - timedelta(days=1)


def course(points: list[Point], moved_at: datetime) -> Course:
    """The course of these points, of which those from `moved_at` on are after the change."""
    before = [point for point in points if point.at < moved_at][-BEFORE:]
    after = list(islice((point for point in points if point.at >= moved_at), AFTER))
    series = [(point.at, scalar_of(point.value)) for point in [*before, *after]]
    return Course(*rate_of_change(series, alarm=len(before)))
