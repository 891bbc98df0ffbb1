"""The pictures of the line's page, as SVG made on the server: the flow of a day and the bound that falls to its limit.

A chart only draws; the page prints the same figures as text beside it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from automation.evidence import upper_bound
from automation.gates import Facts, percent
from automation.reports import Flow

BAND = 1000.0  # units along the band
WIDTH, HEIGHT = 420, 210  # units of the bound's view box, about pixels on the page
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 10, 28
LOOKS = 40  # dots along the running bound, besides one at each escape


@dataclass(frozen=True)
class Stretch:
    """One piece of the band: `kind` names its colour and pattern, `share` is of all parts."""

    kind: str
    words: str
    count: int
    share: float


def stretches(flow: Flow) -> list[Stretch]:
    """The pieces of the band from left to right; together they are all parts of the day."""
    counts = (
        ("people", "to people", flow.decisions["person"]),
        ("pass", "passed by machine", flow.decisions["pass"]),
        ("reject", "rejected by machine", flow.decisions["reject"]),
        ("unrouted", "to people without an answer of the model", flow.without_answer),
    )
    return [Stretch(kind, words, n, n / flow.total if flow.total else 0.0) for kind, words, n in counts]


def flow_band(flow: Flow) -> SafeString:
    """The band, and under the machine's part of it a thinner one for what of it is audited."""
    pieces, x = [], 0.0
    for stretch in stretches(flow):
        width = BAND * stretch.share
        if width:
            # The hatch by attribute, which CSS overrules: from a style sheet its address would not find this page.
            words = f"{stretch.count:,} {stretch.words}"
            pieces.append((f"flow-{stretch.kind}", "url(#machine-hatch)", f"{x:.1f}", f"{width:.1f}", words))
        x += width
    band = '<rect class="{}" fill="{}" x="{}" y="0" width="{}" height="40"><title>{}</title></rect>'
    people = BAND * flow.decisions["person"] / flow.total if flow.total else 0.0
    audited = BAND * flow.audited / flow.total if flow.total else 0.0
    return format_html(
        '<svg class="flow" viewBox="0 0 1000 56" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<defs><pattern id="machine-hatch" width="8" height="8" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="flow-hatch-ground" width="8" height="8"/>'
        '<rect class="flow-hatch" width="3" height="8"/></pattern></defs>'
        '{}<rect class="flow-audited" x="{}" y="46" width="{}" height="10"><title>{} audited</title></rect></svg>',
        ", ".join(f"{stretch.count:,} {stretch.words}" for stretch in stretches(flow)),
        format_html_join("", band, pieces), f"{people:.1f}", f"{audited:.1f}", f"{flow.audited:,}",
    )  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What was proven after `n` judged parts that the version passes, `k` of them scratched."""

    n: int
    k: int
    bound: float
    escape: bool = False


def running_bound(facts: Facts, pass_below: float, delta: float) -> list[Look]:
    """The time-uniform bound along the judged parts, in arrival order; empty before the first one."""
    passed = [
        found
        for score, found in zip(facts.scores, facts.scratched, strict=True)
        if score is not None and score < pass_below and found is not None
    ]
    spaced = {round(len(passed) * step / LOOKS) for step in range(1, LOOKS + 1)} - {0}
    looks, k = [], 0
    for n, found in enumerate(passed, 1):
        k += found
        if n in spaced or found:
            looks.append(Look(n, k, upper_bound(n, k, delta), escape=found))
    return looks


Place = Callable[[float, float], tuple[float, float]]


def bound_chart(looks: Sequence[Look], limit: float, more: int | None = None) -> SafeString:
    """The bound as a falling line over the limit, on a logarithmic axis; `more`: parts still needed, drawn as room."""
    if not looks:
        return format_html("")
    last = looks[-1]
    parts = last.n + (more or 0)
    lowest = min(limit, *(look.bound for look in looks)) / 2

    def place(n: float, share: float) -> tuple[float, float]:
        depth = math.log(1 / max(share, lowest)) / math.log(1 / lowest)
        return LEFT + n / parts * (WIDTH - LEFT - RIGHT), TOP + depth * (HEIGHT - TOP - BOTTOM)

    points = [place(0, 1.0), *(place(look.n, look.bound) for look in looks)]
    reached = f"After {last.n:,} judged parts with {last.k} escapes the bound is {percent(last.bound)}"
    return format_html(
        '<svg class="bound" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}'
        '<path class="bound-line" d="M{}"/>{}</svg>',
        WIDTH, HEIGHT, f"{reached}; the limit is {percent(limit)}.", _axes(parts, lowest, place), _limit(limit, place),
        " L".join(f"{x:.1f} {y:.1f}" for x, y in points), _marks(looks, place),
    )  # fmt: skip


def _axes(parts: int, lowest: float, place: Place) -> SafeString:
    right = WIDTH - RIGHT
    heights = [(place(0, share)[1], percent(share)) for share in (1.0, 0.1, 0.01, 0.001) if share >= lowest]
    rungs = format_html_join(
        "",
        '<path class="bound-rung" d="M{} {}H{}"/><text class="bound-text" text-anchor="end" x="{}" y="{}">{}</text>',
        ((LEFT, f"{y:.1f}", right, LEFT - 8, f"{y + 4:.1f}", words) for y, words in heights),
    )  # fmt: skip
    ends = format_html_join(
        "", '<text class="bound-text" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((LEFT, HEIGHT - 8, "start", "0"), (right, HEIGHT - 8, "end", f"{parts:,} parts passed and judged")),
    )  # fmt: skip
    return format_html("{}{}", rungs, ends)


def _limit(limit: float, place: Place) -> SafeString:
    y, right = place(0, limit)[1], WIDTH - RIGHT
    return format_html(
        '<path class="bound-limit" d="M{} {}H{}"/><text class="bound-limit-text" x="{}" y="{}">limit {}</text>',
        LEFT, f"{y:.1f}", right, right, f"{y + 14:.1f}", percent(limit),
    )  # fmt: skip


def _marks(looks: Sequence[Look], place: Place) -> SafeString:
    """A dot for each look, a diamond for each escape, with their words on hover."""
    rows: dict[bool, list[tuple[str, str, str]]] = {False: [], True: []}
    for look in looks:
        x, y = place(look.n, look.bound)
        words = f"{look.n:,} parts, {look.k} escapes: at most {percent(look.bound)}"
        rows[look.escape].append((f"{x:.1f}", f"{y:.1f}", words))
    dot = '<circle class="bound-dot" cx="{}" cy="{}" r="2.5"><title>{}</title></circle>'
    diamond = '<path class="bound-escape" d="M{} {}m0 -7 7 7-7 7-7-7z"><title>{}</title></path>'
    return format_html("{}{}", format_html_join("", dot, rows[False]), format_html_join("", diamond, rows[True]))
