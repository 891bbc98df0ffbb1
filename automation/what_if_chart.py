"""The pictures of the what-if page as SVG made on the server: escapes over coverage, a rate's bound, who gets a part.

A chart only draws; the page prints the same figures as text and in a table beside it.
"""

import math
from collections.abc import Callable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from automation.gates import percent
from automation.rerouting import Rerouted
from automation.what_if import Rate, Step

WIDTH, HEIGHT = 900, 270  # units of the view box, about pixels on the page
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 44
RUNGS = (1.0, 0.1, 0.01, 0.001, 0.0001)
COVERAGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
BAR, DEPTH = 200.0, 14  # units of a rate's bar

Place = Callable[[float, float], tuple[float, float]]


def escapes_chart(order: Sequence[Step], limit: float, chosen: float) -> SafeString:
    """Over the share of parts that each threshold passes: the escapes as they were counted, and their bound above them.

    Both axes are logarithmic, that of coverage in what is left to people, for there thresholds stand close together.
    No escape at all stands on the floor.
    """
    known = [step for step in order if step.escapes.n]
    if not known:
        return mark_safe("")
    bounds = [step.escapes.bound for step in known]
    least = min(limit, *bounds, *(step.escapes.value or 1.0 for step in known)) / 2
    most = next(rung for rung in reversed(RUNGS) if rung >= max(limit, *bounds))
    first, last = (_depth(end(step.coverage for step in known)) for end in (min, max))
    left, right = first - 0.05, max(last, first + 0.5) + 0.1

    def place(coverage: float, share: float) -> tuple[float, float]:
        across = (_depth(coverage) - left) / (right - left)
        deep = math.log(most / min(max(share, least), most)) / math.log(most / least)
        return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + deep * (HEIGHT - TOP - BOTTOM)

    line = " L".join("{:.1f} {:.1f}".format(*place(step.coverage, step.escapes.bound)) for step in known)
    ticks = [share for share in COVERAGES if left <= _depth(share) <= right]
    return format_html(
        '<svg class="chart escapes-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}'
        '<path class="escapes-line" d="M{}"/>{}{}</svg>',
        WIDTH, HEIGHT, _("Escapes over coverage; the table below has the same figures"), _axes(ticks, [rung for rung in RUNGS if 1.5 * least < rung <= most], place),
        _limit(limit, place), line,
        mark_safe("".join(_step(step, place) for step in known)),  # noqa: S308 - each was escaped
        _chosen(known, chosen, place),
    )  # fmt: skip


def _depth(coverage: float) -> float:
    """Tens of what is left: 0 at none passed, 1 at 90 %, 2 at 99 %."""
    return -math.log10(max(1 - coverage, 1e-5))


def _axes(coverages: Sequence[float], rungs: Sequence[float], place: Place) -> SafeString:
    floor = HEIGHT - BOTTOM
    heights = [*((place(0, share)[1], percent(share)) for share in rungs), (floor, "0")]
    beside = format_html_join(
        "",
        '<path class="chart-rule" d="M{} {}H{}"/><text class="chart-text" text-anchor="end" x="{}" y="{}">{}</text>',
        ((LEFT, f"{y:.1f}", WIDTH - RIGHT, LEFT - 8, f"{y + 4:.1f}", words) for y, words in heights),
    )
    under = format_html_join(
        "",
        '<path class="chart-rule" d="M{0} {1}v5"/><text class="chart-text" x="{0}" y="{2}" text-anchor="middle">{3}</text>',
        ((f"{place(share, 1)[0]:.1f}", floor, floor + 20, percent(share)) for share in coverages),
    )
    return beside + under + format_html(
        '<text class="chart-text" x="{}" y="{}" text-anchor="end">{}</text>',
        WIDTH - RIGHT, HEIGHT - 6, _("passed by the machine, of all parts"),
    )  # fmt: skip


def _limit(limit: float, place: Place) -> SafeString:
    y = place(1, limit)[1]
    words = _("limit {share}").format(share=percent(limit))
    return format_html(
        '<path class="escapes-limit" d="M{} {}H{}"/><text class="chart-text strong" text-anchor="end" x="{}" y="{}">{}</text>',
        LEFT, f"{y:.1f}", WIDTH - RIGHT, WIDTH - RIGHT - 4, f"{y - 6:.1f}", words,
    )  # fmt: skip


def _chosen(known: Sequence[Step], chosen: float, place: Place) -> SafeString:
    """A ring around the chosen point, and its threshold on the side where there is room."""
    step = next((step for step in known if step.threshold == chosen), None)
    if step is None:
        return mark_safe("")
    x, y = place(step.coverage, step.escapes.bound)
    anchor, beside = ("end", x - 14) if x > WIDTH / 2 else ("start", x + 14)
    return format_html(
        '<circle class="escapes-chosen" cx="{}" cy="{}" r="9"/>'
        '<text class="chart-text strong" x="{}" y="{}" text-anchor="{}">{}</text>',
        f"{x:.1f}", f"{y:.1f}", f"{beside:.1f}", f"{y - 14:.1f}", anchor, _("below {bar:.4g}").format(bar=chosen),
    )  # fmt: skip


def _step(step: Step, place: Place) -> SafeString:
    """What was counted as a tick, the bound as a dot: full where the threshold is certified."""
    (x, top), (_x, bottom) = place(step.coverage, step.escapes.bound), place(step.coverage, step.escapes.value or 0.0)
    certified = step.reached and step.look.verdict == "certified"
    words = _("below {threshold:g}: {coverage} passed, {k:,} of {n:,} scratched, at most {bound}")
    said = words.format(
        threshold=step.threshold, coverage=percent(step.coverage), k=step.escapes.k, n=step.escapes.n,
        bound=percent(step.escapes.bound),
    )  # fmt: skip
    return format_html(
        '<g><title>{}</title><path class="escapes-post" d="M{} {}V{}"/><path class="escapes-point" d="M{} {}h8"/>'
        '<circle class="escapes-dot{}" cx="{}" cy="{}" r="4"/></g>',
        said, f"{x:.1f}", f"{bottom:.1f}", f"{top:.1f}", f"{x - 4:.1f}", f"{bottom:.1f}",
        " certified" if certified else "", f"{x:.1f}", f"{top:.1f}",
    )  # fmt: skip


def rate_bar(rate: Rate, limit: float, one_look: float | None = None) -> SafeString:
    """A rate from what was counted to its bound, and the limit that it must stay below; of nothing, nothing.
    Beside it stand the words."""
    if not rate.n:
        return mark_safe("")
    most = min(1.0, max(2 * limit, 1.1 * rate.bound))

    def across(share: float) -> float:
        return round(BAR * min(share, most) / most, 1)

    point, bound = across(rate.value or 0.0), across(rate.bound)
    inner = (
        ""
        if one_look is None
        else format_html('<rect class="rate-one-look" x="{}" y="3" width="1.5" height="8"/>', across(one_look))
    )
    return format_html(
        '<svg class="rate-bar" viewBox="0 0 200 {}" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rate-ground" y="3" width="200" height="8"/>'
        '<rect class="rate-band{}" x="{}" y="3" width="{}" height="8"/>{}'
        '<rect class="rate-point" x="{}" y="3" width="2" height="8"/><rect class="rate-limit" x="{}" width="1.5" height="14"/></svg>',
        DEPTH, " over" if rate.bound > limit else "", point, max(round(bound - point, 1), 1.0), inner,
        min(point, BAR - 2), min(across(limit), BAR - 1.5),
    )  # fmt: skip


BAND = 1000.0  # units along the band


def routes_band(recent: Rerouted) -> SafeString:
    """Who would have got the recent parts, from left to right: the machine, people; below, what is audited of its parts."""
    if not recent.parts:
        return mark_safe("")
    words = _("{passed:,} passed, {rejected:,} rejected, {people:,} to people, {audited:,} audited")
    said = words.format(
        passed=recent.passed, rejected=recent.rejected, people=recent.people, audited=recent.audited
    )  # fmt: skip
    x, pieces = 0.0, []
    for kind, n in (("pass", recent.passed), ("reject", recent.rejected), ("people", recent.people)):
        width = BAND * n / recent.parts
        # The hatch by attribute, which CSS overrules: from a style sheet its address would not find this page.
        pieces.append((f"routes-{kind}", "url(#routes-hatch)", f"{x:.1f}", f"{width:.1f}"))
        x += width
    return format_html(
        '<svg class="routes" viewBox="0 0 1000 40" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<defs><pattern id="routes-hatch" width="8" height="8" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="routes-hatch-ground" width="8" height="8"/>'
        '<rect class="routes-hatch" width="3" height="8"/></pattern></defs>'
        '{}<rect class="routes-audited" y="34" width="{}" height="6"/></svg>',
        said, format_html_join("", '<rect class="{}" fill="{}" x="{}" width="{}" height="30"/>', pieces),
        f"{BAND * recent.audited / recent.parts:.1f}",
    )  # fmt: skip
