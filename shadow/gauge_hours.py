"""Misses by the hour of the shift as a page shows them: a chart, its numbers, and in words whether they rise."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from shadow.agreement import Hour, Trend
from shadow.charts import Point, trend
from shadow.gauge_page import BOTH_ENDS, Cell, counted, rate_cell, scale_of
from shadow.gauge_report import FEWEST_DAYS, GaugeReport

FEW_MISSES = 10
SURE = 0.05


@dataclass(frozen=True)
class HourRow:
    """An hour of the shift; withheld ones have the reason instead of a figure."""

    label: str
    cell: Cell | None
    withheld: str


WITHHELD = {
    "too few people": gettext_lazy("withheld: fewer than 3 people"),
    "too few parts": gettext_lazy("withheld: fewer than 20 scratched parts"),
}


def hour_rows(hours: Sequence[Hour]) -> list[HourRow]:
    shared = scale_of("miss_rate", [hour.misses for hour in hours if hour.misses])
    return [
        HourRow(_ordinal(hour), rate_cell("miss_rate", hour.misses, shared) if hour.misses else None, _reason(hour))
        for hour in hours
    ]


def _ordinal(hour: Hour) -> str:
    return _("hour {number}").format(number=hour.hour + 1)


def _reason(hour: Hour) -> str:
    return str(WITHHELD[hour.withheld]) if hour.withheld else ""


def hour_chart(hours: Sequence[Hour]) -> SafeString:
    """Misses over the hours that are shown; a gap where one is withheld."""
    points = []
    for hour in hours:
        low, high = hour.misses.exact(BOTH_ENDS) if hour.misses else (0.0, 1.0)
        words = counted(hour.misses) if hour.misses else _reason(hour)
        points.append(Point(hour.hour, _ordinal(hour), hour.value, low, high, words))
    return (
        trend(_("Misses by hour of the shift"), points)
        if len([hour for hour in hours if hour.misses]) > 1
        else SafeString("")
    )


def shift_words(report: GaugeReport) -> str:
    """Whether misses rise over the shift, or why nothing is told of its hours."""
    if not report.hours_withheld:
        return trend_words(report.hours, report.trend)
    words = _(
        "Withheld: the answers come from fewer than {n} days, and so few would show the shifts of single persons."
    )
    return words.format(n=FEWEST_DAYS)


def trend_words(hours: Sequence[Hour], found: Trend | None) -> str:
    """Whether misses rise over the shift, and how far the test can be trusted."""
    shown = [hour.misses for hour in hours if hour.misses]
    if not hours:
        return _("No scratched part of known truth was judged within a shift yet.")
    if not shown:
        return _("Every hour is withheld so far: an hour is shown once 3 people have judged 20 scratched parts in it.")
    misses = sum(rate.k for rate in shown)
    if found is None:
        return _("Too little to tell whether misses rise over the shift.")
    given = {"p": f"p = {found.p_value:.2g}" if found.p_value >= 0.001 else "p < 0.001", "n": misses}
    if found.p_value >= SURE:
        words = _("No trend over the shift can be told (Cochran-Armitage, {p}).")
    elif found.z > 0:
        words = _("Misses rise over the shift (Cochran-Armitage trend, {p}).")
    else:
        words = _("Misses fall over the shift (Cochran-Armitage trend, {p}).")
    if misses < FEW_MISSES:
        few = ngettext(
            "It rests on {n} miss: a pattern seen in so few may well be chance.",
            "It rests on {n} misses: a pattern seen in so few may well be chance.",
            misses,
        )
        words = f"{words} {few}"
    return words.format(**given)
