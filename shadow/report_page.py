"""What the page of the agreement report shows: tiles, figures with their intervals drawn, trends and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shadow.agreement import Confusion, Figure
from shadow.charts import Point, interval_bar, percent, reach, trend
from shadow.reports import CONFIDENCE, AgreementReport, Group

PERCENT = "\u00a0%"
ONE_CLASS = gettext_lazy("not defined: only one class seen")
# name in Confusion: (as it is called, its denominator in words, what to say without one)
FIGURES = {
    "miss_rate": (
        gettext_lazy("Miss rate"),
        gettext_lazy("of scratched parts, called ok"),
        gettext_lazy("not defined: no scratched part yet"),
    ),
    "false_alarm_rate": (
        gettext_lazy("False-alarm rate"),
        gettext_lazy("of good parts, called scratched"),
        gettext_lazy("not defined: no good part yet"),
    ),
    "escape_rate": (
        gettext_lazy("Escape rate"),
        gettext_lazy("of parts called ok, scratched"),
        gettext_lazy("not defined: no part called ok yet"),
    ),
    "overkill_rate": (
        gettext_lazy("Overkill rate"),
        gettext_lazy("of parts called scratched, good"),
        gettext_lazy("not defined: none called scratched"),
    ),
    "agreement": (
        gettext_lazy("Agreement"),
        gettext_lazy("of all parts, answered alike"),
        gettext_lazy("not defined: no part yet"),
    ),
    "positive_agreement": (
        gettext_lazy("Positive agreement"),
        gettext_lazy("of calls of scratched, shared"),
        gettext_lazy("not defined: none called scratched"),
    ),
    "kappa": (gettext_lazy("Kappa"), gettext_lazy("agreement beyond chance"), ONE_CLASS),
}
TRENDS = ("miss_rate", "false_alarm_rate", "agreement")
IN_ROWS = ("miss_rate", "false_alarm_rate", "agreement")


@dataclass(frozen=True)
class Shown:
    """One figure as it is read: words, interval in words and drawn, count. Undefined: the reason as its words."""

    name: str
    meaning: str
    defined: bool
    value: float | None
    low: float
    high: float
    words: str
    between: str
    n: int
    bar: SafeString


@dataclass(frozen=True)
class Tile:
    """One cell of the 2x2 table: its count, what supervisors settled of it, and the link to its photos."""

    cell: str
    label: str
    count: int
    note: str
    url: str


@dataclass(frozen=True)
class Row:
    """One group of a table."""

    group: Group
    figures: tuple[Shown, ...]


@dataclass(frozen=True)
class Trend:
    """A figure over days, drawn, with the figure of the whole span beside it."""

    whole: Shown
    chart: SafeString


def shown(name: str, confusion: Confusion, *, bottom: float = 0.0, top: float = 1.0) -> Shown:
    """A figure of a table of counts, its interval drawn on a scale from `bottom` to `top`."""
    figure: Figure = getattr(confusion, name)
    title, meaning, undefined = map(str, FIGURES[name])
    low, high = figure.interval(CONFIDENCE)
    if figure.value is None:
        return Shown(title, meaning, False, None, low, high, undefined, "", figure.n, interval_bar(None, low, high))
    if name == "kappa":
        words, between = f"{figure.value:.2f}", _between(f"{low:.2f}", f"{high:.2f}")
        bottom = -1.0 if low < 0 else 0.0
    else:
        words, between = percent(figure.value), _between(percent(low).rstrip(PERCENT), percent(high))
    bar = interval_bar(figure.value, low, high, bottom=bottom, top=top)
    return Shown(title, meaning, True, figure.value, low, high, words, between, figure.n, bar)


def _between(low: str, high: str) -> str:
    return _("{low} to {high}").format(low=low, high=high)


def figures_of(report: AgreementReport) -> list[Shown]:
    """All figures of the whole, each drawn from 0 to 100 %."""
    return [shown(name, report.confusion) for name in FIGURES]


def tiles(report: AgreementReport) -> list[Tile]:
    """The 2x2 table: rows are the person's answer, columns the model's."""
    labels = {
        "both_ok": _("Both ok"), "overkill": _("Overkill"), "escape": _("Escape"), "both_scratched": _("Both scratched"),
    }  # fmt: skip
    return [
        Tile(cell, label, getattr(report.confusion, cell), _settled(report, cell), _photos_of(report, cell))
        for cell, label in labels.items()
    ]


def _settled(report: AgreementReport, cell: str) -> str:
    settled = report.adjudicated.get(cell)
    if settled is None or not getattr(report.confusion, cell):
        return ""
    counts = {
        _("person right"): settled.person,
        _("model right"): settled.model,
        _("ambiguous"): settled.ambiguous,
        _("not settled"): settled.open,
    }
    return ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)


def _photos_of(report: AgreementReport, cell: str) -> str:
    echo = {name: value for name, value in report.asked.echo().items() if value and name != "group_by"}
    query = {"kind": cell, "evidence": report.asked.evidence, "line": "", **echo}
    return f"{reverse('discrepancies')}?{urlencode(query)}"


def rows(groups: Sequence[Group]) -> list[Row]:
    """Groups with their figures; every column has one scale, so that intervals can be compared down the table."""
    scales = {name: _scale([getattr(group.confusion, name) for group in groups], name) for name in IN_ROWS}
    return [Row(group, tuple(shown(name, group.confusion, **scales[name]) for name in IN_ROWS)) for group in groups]


def _scale(figures: Sequence[Figure], name: str) -> dict[str, float]:
    ends = [figure.interval(CONFIDENCE) for figure in figures if figure.value is not None]
    if name == "agreement":
        return {"bottom": 1 - reach(max((1 - low for low, _ in ends), default=1.0)), "top": 1.0}
    return {"bottom": 0.0, "top": reach(max((high for _, high in ends), default=1.0))}


def trends(report: AgreementReport, by_day: Sequence[Row]) -> list[Trend]:
    """The figures that a supervisor watches, by day."""
    found = []
    for place, name in enumerate(TRENDS):
        points = [_point(row, row.figures[place]) for row in by_day]
        chart = trend(_("{figure} by day").format(figure=FIGURES[name][0]), points, from_top=name == "agreement")
        found.append(Trend(shown(name, report.confusion), chart))
    return found


def _point(row: Row, figure: Shown) -> Point:
    day = date.fromisoformat(row.group.key)
    words = f"{figure.words}, {figure.between} (n {figure.n:,})" if figure.defined else figure.words
    return Point(day.toordinal(), f"{day:%-d %b}", figure.value, figure.low, figure.high, words)
