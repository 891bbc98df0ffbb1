"""Charts as SVG made on the server: no script, no inline style, colours by class, every value readable as text beside.

A chart only draws; the page that shows it prints the same numbers in a table.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 400, 180  # units of the view box, about pixels on the page
LEFT, RIGHT, TOP, BOTTOM = 56, 10, 18, 26  # room for the axes, and above for the shapes of marks
LADDER = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # heights that an axis of shares may have


class Point(NamedTuple):
    """A figure at a place on the axis: `x` in any unit, shares in 0..1; value None is a gap."""

    x: float
    label: str
    value: float | None
    low: float
    high: float
    words: str


class Mark(NamedTuple):
    """Something that happened at a place on the axis: `kind` is release, level, alarm or, of several kinds, several."""

    x: float
    kind: str
    times: int
    words: str


class Frame(NamedTuple):
    """What the view box shows: from `left` to `right` along x, from `bottom` to `top` along y."""

    left: float
    right: float
    bottom: float
    top: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.left) / (self.right - self.left) if self.right > self.left else 0.5
        up = (min(max(y, self.bottom), self.top) - self.bottom) / (self.top - self.bottom)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def percent(share: float | None) -> str:
    """A share as people read it: one decimal, two below 0.1 %. None: 'not defined'."""
    if share is None:
        return _("not defined")
    value = 100 * share
    digits = 0 if value in (0, 100) else 2 if abs(value) < 0.1 else 1
    return f"{value:.{digits}f}\u00a0%"


def reach(share: float) -> float:
    """The lowest rung of the ladder that holds a share in 0..1."""
    return next((rung for rung in LADDER if rung >= share), 1.0)


def trend(title: str, points: Sequence[Point], *, from_top: bool = False, marks: Sequence[Mark] = ()) -> SafeString:
    """A line of shares with their interval as a band, and what happened meanwhile. `from_top`: the axis hangs from 100 %."""
    known = [point for point in points if point.value is not None]
    if not known:
        return mark_safe("")
    frame = _frame(known, from_top)
    frame = frame._replace(
        left=min([frame.left, *(mark.x for mark in marks)]), right=max([frame.right, *(mark.x for mark in marks)])
    )
    lines = format_html_join("", '<path class="chart-line" d="{}"/>', ((_path(run, frame),) for run in _runs(points)))
    bands = format_html_join(
        "", '<polygon class="chart-band" points="{}"/>', ((_band(run, frame),) for run in _runs(points))
    )
    happened = mark_safe("".join(_happened(mark, frame) for mark in marks))  # noqa: S308 - each was escaped
    return _svg(title, _shares_axis(frame), _ends(known, frame), happened, bands, lines, _dots(known, frame))


# The shapes of what happened, around (0, 0): a square, a step, a triangle, a plus.
SHAPES = {
    "release": "M-4 -4H4V4H-4Z",
    "level": "M-5 5V1H-1V-3H5V5Z",
    "alarm": "M0 -5.5L5.5 4.5H-5.5Z",
    "several": "M-1.5 -5.5H1.5V-1.5H5.5V1.5H1.5V5.5H-1.5V1.5H-5.5V-1.5H-1.5Z",
}


def _happened(mark: Mark, frame: Frame) -> SafeString:
    """A thin line with a shape on top, and how many where they are more than one."""
    x = frame.at(mark.x, 0)[0]
    count = ""
    if mark.times > 1:
        anchor, place = ("end", x - 8) if x > WIDTH - RIGHT - 24 else ("start", x + 8)
        count = format_html(
            '<text class="chart-text" x="{}" y="13" text-anchor="{}">{}</text>', f"{place:.1f}", anchor, mark.times
        )
    return format_html(
        '<path class="chart-event" d="M{0} {1}V{2}"/><path class="chart-shape {3}" transform="translate({0} 8)" d="{4}">'
        "<title>{5}</title></path>{6}",
        f"{x:.1f}", TOP - 3, HEIGHT - BOTTOM, mark.kind, SHAPES[mark.kind], mark.words, count,
    )  # fmt: skip


def shape(kind: str) -> SafeString:
    """The shape of a mark by itself, beside its words."""
    return format_html(
        '<svg class="shape-key" viewBox="-8 -8 16 16" aria-hidden="true"><path class="chart-shape {}" d="{}"/></svg>',
        kind, SHAPES[kind],
    )  # fmt: skip


def _frame(known: Sequence[Point], from_top: bool) -> Frame:
    """Axes on which the values fill the chart; an interval that is far wider is cut at the edge."""
    left, right = known[0].x, known[-1].x
    if from_top:
        deepest = max(*(1 - (point.value or 0) for point in known), median(1 - point.low for point in known))
        return Frame(left, right, 1 - reach(deepest), 1.0)
    highest = max(*(point.value or 0 for point in known), median(point.high for point in known))
    return Frame(left, right, 0.0, reach(highest))


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches without a gap."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.value is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _path(run: Sequence[Point], frame: Frame) -> str:
    return "M" + " L".join(_pair(frame.at(point.x, point.value or 0)) for point in run)


def _band(run: Sequence[Point], frame: Frame) -> str:
    if len(run) == 1:  # a single day has no length: its interval is drawn as a thin post
        x = run[0].x
        (px, top), (_x, bottom) = frame.at(x, run[0].high), frame.at(x, run[0].low)
        corners = [(px - 3, top), (px + 3, top), (px + 3, bottom), (px - 3, bottom)]
    else:
        above = [frame.at(point.x, point.high) for point in run]
        below = [frame.at(point.x, point.low) for point in reversed(run)]
        corners = above + below
    return " ".join(_pair(corner) for corner in corners)


def _pair(place: tuple[float, float]) -> str:
    return f"{place[0]:.1f},{place[1]:.1f}"


def _dots(known: Sequence[Point], frame: Frame) -> SafeString:
    places = [(*frame.at(point.x, point.value or 0), point.label, point.words) for point in known]
    return format_html_join(
        "", '<circle class="chart-dot" cx="{}" cy="{}" r="3"><title>{}: {}</title></circle>',
        ((f"{x:.1f}", f"{y:.1f}", label, words) for x, y, label, words in places),
    )  # fmt: skip


def _shares_axis(frame: Frame) -> SafeString:
    heights = [frame.bottom, (frame.bottom + frame.top) / 2, frame.top]
    return _axis([(frame.at(0, height)[1], percent(height).replace(".0", "")) for height in heights])


def _axis(rows: Sequence[tuple[float, str]]) -> SafeString:
    return format_html_join(
        "",
        '<path class="chart-rule" d="M{} {}H{}"/><text class="chart-text" x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT, f"{y:.1f}", WIDTH - RIGHT, LEFT - 6, f"{y + 4:.1f}", words) for y, words in rows),
    )  # fmt: skip


def _ends(known: Sequence[Point], frame: Frame) -> SafeString:
    """The first and the last label under the axis; a single one stands in the middle under its dot."""
    places = [(known[0], "start"), (known[-1], "end")] if len(known) > 1 else [(known[0], "middle")]
    return format_html_join(
        "", '<text class="chart-text" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((f"{frame.at(point.x, 0)[0]:.1f}", HEIGHT - 8, anchor, point.label) for point, anchor in places),
    )  # fmt: skip


def _svg(title: str, *parts: SafeString) -> SafeString:
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        WIDTH, HEIGHT, title, mark_safe("".join(parts)),  # noqa: S308 - each part was escaped where it was made
    )  # fmt: skip


def curves(title: str, series: Mapping[str, Sequence[float | None]], *, best: int | None = None) -> SafeString:
    """Lines over epochs 1, 2, ..., at most three; `best` marks the epoch whose weights were kept."""
    values = [value for line in series.values() for value in line if value is not None and math.isfinite(value)]
    longest = max((len(line) for line in series.values()), default=0)
    if not values or longest < 2:
        return mark_safe("")
    high = max(values)
    frame = Frame(1, longest, 0.0 if min(values) >= 0 else min(values), high if high > 0 else 1.0)
    lines = []
    for number, line in enumerate(series.values()):
        places = [frame.at(x, y) for x, y in enumerate(line, 1) if y is not None and math.isfinite(y)]
        lines.append((number + 1, "M" + " L".join(_pair(place) for place in places)))
    drawn = format_html_join("", '<path class="chart-line series-{}" d="{}"/>', lines)
    heights = [frame.bottom, (frame.bottom + frame.top) / 2, frame.top]
    axis = _axis([(frame.at(1, height)[1], f"{height:.3g}") for height in heights])
    return _svg(title, axis, _epochs(frame, longest, best), drawn)


def _epochs(frame: Frame, longest: int, best: int | None) -> SafeString:
    labels = [
        (f"{frame.at(x, 0)[0]:.1f}", HEIGHT - 8, anchor, _("epoch {number}").format(number=x))
        for x, anchor in ((1, "start"), (longest, "end"))
    ]
    words = format_html_join("", '<text class="chart-text" x="{}" y="{}" text-anchor="{}">{}</text>', labels)
    if best is None or not 1 <= best <= longest:
        return words
    x = f"{frame.at(best, 0)[0]:.1f}"
    line = '<path class="chart-mark" d="M{} {}V{}"><title>{}</title></path>'
    return words + format_html(line, x, TOP, HEIGHT - BOTTOM, _("kept: epoch {number}").format(number=best))


INTERVAL = '<svg class="interval" viewBox="0 0 120 12" aria-hidden="true"><path class="interval-ground" d="M0 6H120"/>'


def interval_bar(value: float | None, low: float, high: float, *, bottom: float = 0.0, top: float = 1.0) -> SafeString:
    """An interval on a line from `bottom` to `top`, with a tick at the value. Beside it stand the words."""
    if value is None or top <= bottom:
        return mark_safe(f"{INTERVAL}</svg>")  # noqa: S308 - a constant

    def across(share: float) -> float:
        return round(120 * (min(max(share, bottom), top) - bottom) / (top - bottom), 1)

    start, end, tick = across(low), across(high), min(across(value), 118.0)
    return format_html(
        INTERVAL + '<rect class="interval-band" x="{}" y="3" width="{}" height="6"/>'
        '<rect class="interval-tick" x="{}" y="0" width="2" height="12"/></svg>',
        start, max(end - start, 1), tick,
    )  # fmt: skip
