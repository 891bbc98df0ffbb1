"""The pictures of the line's page, as SVG made on the server: how parts flow, and the bound that falls to its limit.

A chart only draws; the page prints the same figures as text beside it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.gates import percent
from automation.looks import Look

WIDTH, HEIGHT = 560, 250  # units of the bound's view box, about pixels on the page
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 46
ROW, THICK, ACROSS = 44.0, 34.0, 200.0  # units of the flow: a row of its table, the whole stream, and its length
FEW = 60  # escapes that are diamonds; more of them are strokes


@dataclass(frozen=True)
class Stretch:
    """One branch of the flow: `kind` names its colour and pattern, `share` is of all parts; of them `audited`."""

    kind: str
    words: str
    count: int
    share: float
    audited: int | None = None  # None: nothing of it is audited


def flow_picture(stretches: Sequence[Stretch]) -> SafeString:
    """The stream of parts as it splits: each branch as thick as its share, at the height of its row in the table beside.

    What is audited lies darker along the end of its branch.
    """
    height, top = ROW * len(stretches), (ROW * len(stretches) - THICK) / 2
    branches, audits = [], []
    for row, stretch in enumerate(stretches):
        thick = THICK * stretch.share
        if not stretch.count:
            continue
        shown = max(1.5, thick)
        end = ROW * (row + 0.5) - shown / 2
        # The hatch by attribute, which CSS overrules: from a style sheet its address would not find this page.
        branches.append((f"flow-{stretch.kind}", "url(#machine-hatch)", _branch(top, end, shown), stretch.words))
        if stretch.audited:
            audited = max(1.5, shown * stretch.audited / stretch.count)
            audits.append((f"{ACROSS - 26:.1f}", f"{end + shown - audited:.1f}", f"{audited:.1f}"))
        top += thick
    return format_html(
        '<svg class="flow" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<defs><pattern id="machine-hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="flow-hatch-ground" width="6" height="6"/>'
        '<rect class="flow-hatch" width="2.5" height="6"/></pattern></defs>{}{}</svg>',
        f"{ACROSS:g}", f"{height:g}",
        format_html_join("", '<path class="{}" fill="{}" d="{}"><title>{}</title></path>', branches),
        format_html_join("", '<rect class="flow-audited" x="{}" y="{}" width="26" height="{}"/>', audits),
    )  # fmt: skip


def _branch(start: float, end: float, thick: float) -> str:
    """A band that leaves the stream at one height and runs level at another."""
    bend = ACROSS * 0.45
    curve = "M0 {a:.1f}C{m:.1f} {a:.1f} {m:.1f} {b:.1f} {x:.1f} {b:.1f}H{w:.1f}V{d:.1f}H{x:.1f}C{m:.1f} {d:.1f} {m:.1f} {c:.1f} 0 {c:.1f}Z"
    return curve.format(
        a=start, b=end, c=start + thick, d=end + thick, m=bend, x=ACROSS * 0.85, w=ACROSS
    )  # fmt: skip


Place = Callable[[float, float], tuple[float, float]]


def bound_chart(looks: Sequence[Look], limit: float, more: int | None = None) -> SafeString:
    """The bound as a falling line over the limit, both axes logarithmic: there it falls as a straight line for the first
    ten parts and for a million. `more`: parts that are still needed if none escapes; the way there is dashed."""
    if not looks:
        return SafeString("")
    last = looks[-1]
    parts = max(10, last.n + (more or 0))
    lowest = min(limit, *(look.bound for look in looks)) / 2

    def place(n: float, share: float) -> tuple[float, float]:
        depth = math.log(1 / max(share, lowest)) / math.log(1 / lowest)
        along = math.log(max(n, 1)) / math.log(parts)
        return LEFT + along * (WIDTH - LEFT - RIGHT), TOP + depth * (HEIGHT - TOP - BOTTOM)

    line = " L".join("{:.1f} {:.1f}".format(*place(look.n, look.bound)) for look in looks)
    said = ngettext(
        "After {n} judged part with {k} escapes the bound is {bound}; the limit is {limit}.",
        "After {n} judged parts with {k} escapes the bound is {bound}; the limit is {limit}.",
        last.n,
    ).format(n=f"{last.n:,}", k=f"{last.k:,}", bound=percent(last.bound), limit=percent(limit))
    return format_html(
        '<svg class="bound" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}<path class="bound-line" d="M{}"/>{}</svg>',
        WIDTH, HEIGHT, said, _axes(parts, lowest, place), _limit(limit, place), _ahead(last, limit, more, place),
        line, _marks(looks, place),
    )  # fmt: skip


def _powers(least: float, most: float) -> Iterator[float]:
    """The powers of ten between two numbers, both included."""
    for power in range(math.ceil(math.log10(least) - 1e-9), math.floor(math.log10(most) + 1e-9) + 1):
        yield 10.0**power


def _axes(parts: int, lowest: float, place: Place) -> SafeString:
    right, foot = WIDTH - RIGHT, HEIGHT - BOTTOM
    rungs = format_html_join(
        "",
        '<path class="bound-rung" d="M{} {}H{}"/><text class="bound-text" text-anchor="end" x="{}" y="{}">{}</text>',
        (
            (LEFT, f"{place(1, share)[1]:.1f}", right, LEFT - 8, f"{place(1, share)[1] + 4:.1f}", percent(share))
            for share in _powers(lowest, 1.0)
        ),
    )  # fmt: skip
    places = [(place(n, 1.0)[0], n) for n in _powers(1, parts)]
    ticks = format_html_join(
        "",
        '<path class="bound-rung" d="M{} {}V{}"/><text class="bound-text" text-anchor="middle" x="{}" y="{}">{}</text>',
        ((f"{x:.1f}", TOP, foot, f"{x:.1f}", foot + 18, f"{n:,.0f}") for x, n in places),
    )  # fmt: skip
    name = format_html(
        '<text class="bound-text" text-anchor="end" x="{}" y="{}">{}</text>', right, HEIGHT - 8,
        _("parts passed and judged"),
    )  # fmt: skip
    return format_html("{}{}{}", rungs, ticks, name)


def _limit(limit: float, place: Place) -> SafeString:
    y, right = place(1, limit)[1], WIDTH - RIGHT
    return format_html(
        '<path class="bound-limit" d="M{} {}H{}"/><text class="bound-limit-text" x="{}" y="{}">{}</text>',
        LEFT, f"{y:.1f}", right, LEFT + 6, f"{y - 5:.1f}", _("limit {share}").format(share=percent(limit)),
    )  # fmt: skip


def _ahead(last: Look, limit: float, more: int | None, place: Place) -> SafeString:
    """The way that is left, and where it ends."""
    if not more:
        return SafeString("")
    (x, y), (end, foot) = place(last.n, last.bound), place(last.n + more, limit)
    return format_html(
        '<path class="bound-ahead" d="M{} {}L{} {}"/><circle class="bound-goal" cx="{}" cy="{}" r="5"/>'
        '<text class="bound-text" text-anchor="end" x="{}" y="{}">{}</text>',
        f"{x:.1f}", f"{y:.1f}", f"{end:.1f}", f"{foot:.1f}", f"{end:.1f}", f"{foot:.1f}", f"{end + 6:.1f}",
        f"{foot + 20:.1f}", f"{last.n + more:,}",
    )  # fmt: skip


def _marks(looks: Sequence[Look], place: Place) -> SafeString:
    """A dot for each look; a diamond for each that found an escape, or a stroke where they would cover the line."""
    rows: dict[bool, list[tuple[str, str, str]]] = {False: [], True: []}
    for look in looks:
        x, y = place(look.n, look.bound)
        rows[bool(look.escapes)].append((f"{x:.1f}", f"{y:.1f}", words_of(look)))
    dot = '<circle class="bound-dot" cx="{}" cy="{}" r="2.5"><title>{}</title></circle>'
    diamond = '<path class="bound-escape" d="M{} {}m0 -7 7 7-7 7-7-7z"><title>{}</title></path>'
    stroke = '<path class="bound-escape" d="M{} {}m0 -7v14"><title>{}</title></path>'
    mark = diamond if len(rows[True]) <= FEW else stroke
    return format_html("{}{}", format_html_join("", dot, rows[False]), format_html_join("", mark, rows[True]))


def words_of(look: Look) -> str:
    """One look: '1,329 parts, 1 of them scratched: at most 0.5 %'."""
    words = ngettext(
        "{n} part, {k} of them scratched: at most {share}", "{n} parts, {k} of them scratched: at most {share}", look.n
    )
    return words.format(n=f"{look.n:,}", k=f"{look.k:,}", share=percent(look.bound))
