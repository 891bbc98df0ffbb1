"""The course of a figure as SVG made on the server: its line, the band of what is usual, and where it moved.

As in `shadow.charts` there is no script and no inline style; colours come by class, and the page prints the same numbers
beside. A page has sixty of them, so the paths are plain strings of numbers; only words are escaped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from monitoring.dashboards import Moved, Point, Trace
from monitoring.figures import Kind

ROOM = 0.08  # of the height, above and below what is drawn


@dataclass(frozen=True)
class Frame:
    """A box of `width` by `height` with room for axes, from `since` to `until` and from `low` to `high`."""

    since: float
    until: float
    low: float
    high: float
    width: float
    height: float
    left: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    right: float = 0.0

    def x(self, at: datetime) -> float:
        across = (at.timestamp() - self.since) / ((self.until - self.since) or 1)
        return self.left + min(max(across, 0.0), 1.0) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        up = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return self.height - self.bottom - up * (self.height - self.top - self.bottom)

    def path(self, points: Sequence[Point]) -> str:
        """The same for many points at once, of which a page has nine thousand."""
        across = (self.width - self.left - self.right) / ((self.until - self.since) or 1)
        up = (self.height - self.top - self.bottom) / ((self.high - self.low) or 1)
        left, foot = self.left - self.since * across, self.height - self.bottom + self.low * up
        places = [f"{left + point.at.timestamp() * across:.1f} {foot - point.value * up:.1f}" for point in points]
        return " ".join(places)


@dataclass(frozen=True)
class Ticks:
    """What stands at the axes: moments with their words, and how a value is written."""

    moments: Sequence[tuple[datetime, str]]
    write: Callable[[float], str]


def spark(trace: Trace, since: datetime, until: datetime, words: str) -> SafeString:
    """A small chart without axes: what it says stands beside it and, for whoever does not see it, in its label."""
    frame = _frame(trace, since, until, width=240, height=56, left=3, right=5, top=9, bottom=3)
    drawn = _drawn(trace, frame)
    return format_html('<svg class="spark" viewBox="0 0 240 56" role="img" aria-label="{}">{}</svg>', words, drawn)


def chart(trace: Trace, since: datetime, until: datetime, words: str, ticks: Ticks) -> SafeString:
    """The same with axes, as wide as a page."""
    frame = _frame(trace, since, until, width=1120, height=280, left=70, right=14, top=18, bottom=30)
    drawn = _rules(frame, ticks) + _drawn(trace, frame)
    return format_html(
        '<svg class="spark large" viewBox="0 0 1120 280" role="img" aria-label="{}">{}</svg>', words, drawn
    )


def reach(trace: Trace) -> tuple[float, float]:
    """From where to where the values lie, the usual band and a load's limit included."""
    values = [point.value for point in trace.points]
    values += [edge for band in trace.usual for edge in (band.low, band.high)]
    if trace.figure.kind == Kind.LOAD:
        values += [0.0, trace.limit or (100.0 if trace.figure.unit == "%" else 0.0)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = ROOM * (high - low) or abs(high) * ROOM or 1.0
    least = 0.0 if low >= 0 else low - room
    return max(low - room, least), high + room


def _frame(trace: Trace, since: datetime, until: datetime, **box: float) -> Frame:
    low, high = reach(trace)
    return Frame(since.timestamp(), until.timestamp(), low, high, **box)


def _drawn(trace: Trace, frame: Frame) -> SafeString:
    bands = "".join(_band(band.low, band.high, band.mean, band.learned_from, frame) for band in trace.usual)
    limit = _limit(trace, frame)
    moved = _moved(trace.moved, frame) if trace.moved and trace.points else ""
    return mark_safe(bands + limit + _lines(trace, frame) + moved)  # noqa: S308 - nothing but numbers


def _band(low: float, high: float, mean: float, start: datetime, frame: Frame) -> str:
    """From when it was learned on: before, nobody knew it."""
    left, right = frame.x(start), frame.width - frame.right
    top, bottom = frame.y(high), frame.y(low)
    return (
        f'<rect class="spark-band" x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 1):.1f}"'
        f' height="{max(bottom - top, 1):.1f}"/>'
        f'<path class="spark-usual" d="M{left:.1f} {frame.y(mean):.1f}H{right:.1f}"/>'
    )


def _limit(trace: Trace, frame: Frame) -> str:
    limit = trace.limit
    if limit is None:
        return ""
    return f'<path class="spark-limit" d="M{frame.left:.1f} {frame.y(limit):.1f}H{frame.width - frame.right:.1f}"/>'


def _lines(trace: Trace, frame: Frame) -> str:
    """Unbroken runs as lines, a window alone as a dot; what came after a move is thicker, and the last point is a dot."""
    parts = []
    since = trace.moved.at if trace.moved else None
    for run in runs(trace):
        before = run if since is None else [point for point in run if point.at < since]
        after = run[len(before) :]
        if before and after:
            after = [before[-1], *after]
        parts += [_run(before, "spark-line", frame), _run(after, "spark-line moved", frame)]
    if trace.points:
        last = trace.points[-1]
        kind = "spark-dot moved" if since else "spark-dot"
        parts.append(f'<circle class="{kind}" cx="{frame.x(last.at):.1f}" cy="{frame.y(last.value):.1f}" r="3"/>')
    return "".join(parts)


def runs(trace: Trace) -> list[list[Point]]:
    """Stretches without a gap."""
    found: list[list[Point]] = []
    last, gap = None, trace.gap
    for point in trace.points:
        if last is not None and point.at - last <= gap:
            found[-1].append(point)
        else:
            found.append([point])
        last = point.at
    return found


def _run(run: Sequence[Point], kind: str, frame: Frame) -> str:
    if not run:
        return ""
    if len(run) == 1:
        x, y, ground = frame.x(run[0].at), frame.y(run[0].value), kind.replace("spark-line", "spark-dot")
        return f'<circle class="{ground}" cx="{x:.1f}" cy="{y:.1f}" r="1.5"/>'
    return f'<path class="{kind}" d="M{frame.path(run)}"/>'


def _moved(moved: Moved, frame: Frame) -> str:
    """A dashed line with a triangle on top, where it is taken to have begun."""
    x = min(max(frame.x(moved.at), frame.left + 5), frame.width - frame.right - 5)
    return (
        f'<path class="spark-event" d="M{x:.1f} {frame.top - 2:.1f}V{frame.height - frame.bottom:.1f}"/>'
        f'<path class="spark-mark" d="M{x - 5:.1f} {frame.top - 1:.1f}L{x:.1f} {frame.top - 9:.1f}L{x + 5:.1f} {frame.top - 1:.1f}Z"/>'
    )


def _rules(frame: Frame, ticks: Ticks) -> SafeString:
    right, foot = frame.width - frame.right, frame.height - frame.bottom
    heights = [frame.low + share * (frame.high - frame.low) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    across = format_html_join(
        "",
        '<path class="spark-rule" d="M{} {}H{}"/><text class="spark-text" text-anchor="end" x="{}" y="{}">{}</text>',
        (
            (f"{frame.left:.0f}", f"{frame.y(value):.1f}", f"{right:.0f}", f"{frame.left - 8:.0f}",
             f"{frame.y(value) + 4:.1f}", ticks.write(value))
            for value in heights
        ),
    )  # fmt: skip
    up = format_html_join(
        "", '<text class="spark-text" text-anchor="middle" x="{}" y="{}">{}</text>',
        ((f"{frame.x(at):.1f}", f"{foot + 20:.0f}", words) for at, words in ticks.moments),
    )  # fmt: skip
    return across + up
