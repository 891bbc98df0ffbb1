"""The charts of an evaluation as SVG: reliability, curves of shares, and scores of good against scratched parts.

As in `shadow.charts` there is no script and no inline style, and the page prints the same numbers in a table.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shadow.agreement import Rate
from shadow.charts import percent, reach

WIDTH, HEIGHT = 300, 210  # units of the view box, about pixels on the page
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 10, 42  # room for the axes and what they mean
CONFIDENCE = 0.95  # of the posts
WORDS = {
    "ok": gettext_lazy("ok from {low:.4g} to {high:.4g}: {n:,}"),
    "scratched": gettext_lazy("scratched from {low:.4g} to {high:.4g}: {n:,}"),
}
BIGGEST = 6  # radius of the dot of the fullest bar


class Bar(NamedTuple):
    """Parts of about one score: what the model says of them, and what people said."""

    low: float
    high: float
    n: int
    mean_score: float
    scratched: float

    @property
    def interval(self) -> tuple[float, float]:
        return Rate(round(self.n * self.scratched), self.n).interval(CONFIDENCE)


class Place(NamedTuple):
    """A point on a curve that is worth a name."""

    x: float
    y: float
    words: str


def reliability(bars: Sequence[Bar]) -> SafeString:
    """Share scratched over mean score, a dot as large as its parts are many, its interval a post; honest is diagonal."""
    if not bars:
        return mark_safe("")
    (x1, y1), (x2, y2) = _at(0, 0), _at(1, 1)
    diagonal = format_html('<path class="plot-diagonal" d="M{} {}L{} {}"/>', x1, y1, x2, y2)
    fullest = max(bar.n for bar in bars)
    posts = format_html_join("", '<path class="plot-post" d="M{} {}V{}"/>', (
        (*_at(bar.mean_score, bar.interval[0]), _at(0, bar.interval[1])[1]) for bar in bars
    ))  # fmt: skip
    dots = format_html_join("", '<circle class="chart-dot" cx="{}" cy="{}" r="{}"><title>{}</title></circle>', (
        (*_at(bar.mean_score, bar.scratched), round(2 + (BIGGEST - 2) * (bar.n / fullest) ** 0.5, 1),
         _("score {score:.3g}: {share} scratched of {n:,}").format(
             score=bar.mean_score, share=percent(bar.scratched), n=bar.n
         ))
        for bar in bars
    ))  # fmt: skip
    axes = _axes(("0", "0.5", "1"), _("mean score"), _("share scratched"), 1.0)
    return _svg(_("Reliability: share scratched over mean score"), axes, diagonal, posts, dots)


def curve(
    title: str,
    points: Sequence[tuple[float, float]],
    x: str,
    y: str,
    marks: Sequence[Place],
    band: Sequence[tuple[float, float, float]] = (),
) -> SafeString:
    """A line of shares over shares, with named points as rings; its height is the lowest rung that holds it.

    `band`: the interval as (x, low, high) along the line; what reaches above the chart is cut.
    """
    if not points:
        return mark_safe("")
    top = reach(max(*(height for _across, height in points), median([high for _across, _low, high in band] or [0.0])))
    line = "M" + " L".join("{},{}".format(*_at(across, up, top)) for across, up in points)
    drawn = format_html('<path class="chart-line" d="{}"/>', line)
    edge = [_at(across, high, top) for across, _low, high in band]
    edge += [_at(across, low, top) for across, low, _high in reversed(band)]
    area = format_html('<polygon class="chart-band" points="{}"/>', " ".join(f"{px},{py}" for px, py in edge))
    rings = format_html_join("", '<circle class="plot-ring" cx="{}" cy="{}" r="4.5"><title>{}</title></circle>', (
        (*_at(mark.x, mark.y, top), mark.words) for mark in marks
    ))  # fmt: skip
    return _svg(
        title, _axes(("0\u00a0%", "50\u00a0%", "100\u00a0%"), x, y, top), area if band else mark_safe(""), drawn, rings
    )


def scores(edges: Sequence[float], ok: Sequence[int], scratched: Sequence[int], threshold: float) -> SafeString:
    """Good parts as bars upwards and scratched ones downwards, each as shares of its own kind; a line at the threshold."""
    shares = [[n / max(1, sum(counts)) for n in counts] for counts in (ok, scratched)]
    highest = max((share for side in shares for share in side), default=0.0)
    if not highest:
        return mark_safe("")
    top = math.ceil(10 * highest) / 10
    middle, half = _at(0, 0.5)[1], (HEIGHT - TOP - BOTTOM) / 2
    bars = [
        _bar(name, edges[i], edges[i + 1], middle, half * share / top, up, counts[i])
        for name, counts, side, up in (("ok", ok, shares[0], True), ("scratched", scratched, shares[1], False))
        for i, share in enumerate(side)
        if share
    ]
    x = _at(threshold, 0)[0]
    line = format_html(
        '<path class="chart-mark" d="M{} {}V{}"><title>{}</title></path>',
        x, TOP, HEIGHT - BOTTOM, _("operating threshold {threshold:.4g}").format(threshold=threshold),
    )  # fmt: skip
    names = format_html(
        '<text class="chart-text" x="{0}" y="{1}" text-anchor="end">{3}</text>'
        '<text class="chart-text" x="{0}" y="{2}" text-anchor="end">{4}</text>',
        WIDTH - RIGHT - 2, TOP + 13, HEIGHT - BOTTOM - 6, _("ok, n {n:,}").format(n=sum(ok)),
        _("scratched, n {n:,}").format(n=sum(scratched)),
    )  # fmt: skip
    heights = [(TOP, top), (middle, 0.0), (HEIGHT - BOTTOM, top)]
    axes = _frame(heights, ("0", "0.5", "1"), _("score"), _("share of its kind"))
    return _svg(_("Scores of good and of scratched parts"), axes, mark_safe("".join(bars)), line, names)  # noqa: S308 - each escaped


def _bar(name: str, low: float, high: float, middle: float, length: float, up: bool, n: int) -> SafeString:
    (left, _), (right, _) = _at(low, 0), _at(high, 0)
    length = max(length, 2.0)  # a single part on the wrong side is what one looks for
    return format_html(
        '<rect class="plot-{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
        name, left + 0.5, round(middle - length if up else middle, 1), round(right - left - 1, 1), round(length, 1),
        WORDS[name].format(low=low, high=high, n=n),
    )  # fmt: skip


def _at(x: float, y: float, top: float = 1.0) -> tuple[float, float]:
    """Where a point of 0..1 by 0..top lies."""
    across, up = min(max(x, 0.0), 1.0), min(max(y / top, 0.0), 1.0)
    return round(LEFT + across * (WIDTH - LEFT - RIGHT), 1), round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1)


def _axes(ticks: Sequence[str], x: str, y: str, top: float) -> SafeString:
    return _frame([(_at(0, height)[1], top * height) for height in (0.0, 0.5, 1.0)], ticks, x, y)


def _frame(heights: Sequence[tuple[float, float]], ticks: Sequence[str], x: str, y: str) -> SafeString:
    rules = format_html_join("", (
        '<path class="chart-rule" d="M{0} {1}H{2}"/><text class="chart-text" x="{3}" y="{4}" text-anchor="end">{5}</text>'
    ), ((LEFT, up, WIDTH - RIGHT, LEFT - 6, round(up + 4, 1), percent(share).replace(".0", "")) for up, share in heights))  # fmt: skip
    places = [(_at(share, 0)[0], anchor) for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))]
    words = format_html_join(
        "", '<text class="chart-text" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((across, HEIGHT - BOTTOM + 16, anchor, tick) for (across, anchor), tick in zip(places, ticks, strict=True)),
    )  # fmt: skip
    middle = round((TOP + HEIGHT - BOTTOM) / 2, 1)
    return rules + words + format_html(
        '<text class="chart-text" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="chart-text" x="12" y="{}" text-anchor="middle" transform="rotate(-90 12 {})">{}</text>',
        _at(0.5, 0)[0], HEIGHT - 6, x, middle, middle, y,
    )  # fmt: skip


def _svg(title: str, *parts: SafeString) -> SafeString:
    return format_html(
        '<svg class="chart plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        WIDTH, HEIGHT, title, mark_safe("".join(parts)),  # noqa: S308 - each part was escaped where it was made
    )  # fmt: skip
