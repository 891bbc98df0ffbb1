"""The pictures of the line's page, as SVG made on the server: the flow of a day and the bound that falls to its limit.

A chart only draws; the page prints the same figures as text beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from automation.evidence import upper_bound
from automation.gates import Facts, percent
from automation.reports import Flow

BAND = 1000.0  # units along the band
WIDTH, HEIGHT = 640, 220  # units of the bound's view box, about pixels on the page
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 30
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
        ("unrouted", "without an answer of the model", flow.without_answer),
    )
    return [Stretch(kind, words, n, n / flow.total if flow.total else 0.0) for kind, words, n in counts]


def flow_band(flow: Flow) -> SafeString:
    """The band, and under the machine's part of it a thinner one for what of it is audited."""
    pieces, x = [], 0.0
    for stretch in stretches(flow):
        width = BAND * stretch.share
        if width:
            pieces.append((f"flow-{stretch.kind}", f"{x:.1f}", f"{width:.1f}", f"{stretch.count:,} {stretch.words}"))
        x += width
    people = BAND * flow.decisions["person"] / flow.total if flow.total else 0.0
    audited = BAND * flow.audited / flow.total if flow.total else 0.0
    return format_html(
        '<svg class="flow" viewBox="0 0 1000 56" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<defs><pattern id="machine-hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="flow-hatch-ground" width="8" height="8"/><rect class="flow-hatch" width="3" height="8"/></pattern></defs>'
        '{}<rect class="flow-audited" x="{}" y="46" width="{}" height="10"><title>{} audited</title></rect></svg>',
        ", ".join(f"{stretch.count:,} {stretch.words}" for stretch in stretches(flow)),
        format_html_join("", '<rect class="{}" x="{}" y="0" width="{}" height="40"><title>{}</title></rect>', pieces),
        f"{people:.1f}", f"{audited:.1f}", f"{flow.audited:,}",
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
    escapes = [n for n, found in enumerate(passed, 1) if found]
    spaced = {round(len(passed) * step / LOOKS) for step in range(1, LOOKS + 1)} - {0}
    looks, k = [], 0
    for n, found in enumerate(passed, 1):
        k += found
        if n in spaced or found:
            looks.append(Look(n, k, upper_bound(n, k, delta), bool(found) and n in escapes))
    return looks


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
    _, limit_y = place(0, limit)
    rungs = [share for share in (1.0, 0.1, 0.01, 0.001) if share >= lowest]
    return format_html(
        '<svg class="bound" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<path class="bound-limit" d="M{} {}H{}"/><text class="bound-limit-text" x="{}" y="{}">limit {}</text>'
        '<path class="bound-line" d="M{}"/>{}{}</svg>',
        WIDTH, HEIGHT,
        f"After {last.n:,} judged parts with {last.k} escapes the bound is {percent(last.bound)}; the limit is {percent(limit)}.",
        _axes(rungs, parts, place), LEFT, f"{limit_y:.1f}", WIDTH - RIGHT, WIDTH - RIGHT, f"{limit_y - 5:.1f}", percent(limit),
        " L".join(f"{x:.1f} {y:.1f}" for x, y in points),
        format_html_join("", '<circle class="bound-dot" cx="{}" cy="{}" r="2.5"><title>{}</title></circle>', _marks(looks, place, escape=False)),
        format_html_join("", '<path class="bound-escape" d="M{} {}m0 -7 7 7-7 7-7-7z"><title>{}</title></path>', _marks(looks, place, escape=True)),
    )  # fmt: skip


def _axes(rungs: Sequence[float], parts: int, place) -> SafeString:
    levels = ((LEFT, f"{place(0, share)[1]:.1f}", WIDTH - RIGHT, LEFT - 8, f"{place(0, share)[1] + 4:.1f}", percent(share)) for share in rungs)
    ends = ((LEFT, HEIGHT - 8, "start", "0"), (WIDTH - RIGHT, HEIGHT - 8, "end", f"{parts:,} parts passed and judged"))
    return format_html(
        "{}{}",
        format_html_join("", '<path class="bound-rung" d="M{} {}H{}"/><text class="bound-text" text-anchor="end" x="{}" y="{}">{}</text>', levels),
        format_html_join("", '<text class="bound-text" x="{}" y="{}" text-anchor="{}">{}</text>', ends),
    )


def _marks(looks: Sequence[Look], place, *, escape: bool) -> list[tuple[str, str, str]]:
    return [
        (*(f"{value:.1f}" for value in place(look.n, look.bound)), f"{look.n:,} parts, {look.k} escapes: at most {percent(look.bound)}")
        for look in looks
        if look.escape is escape
    ]
