"""What the page of the agreement report shows: tiles, figures with their intervals in words and drawn, and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shadow.agreement import Confusion, Figure, PeopleTable, PositiveAgreement, Rate
from shadow.charts import interval_bar, percent, reach
from shadow.reports import CONFIDENCE, AgreementReport, Group

PERCENT = "\u00a0%"
# name in Confusion: (as it is called, its counts in words, what to say without a denominator)
FIGURES = {
    "miss_rate": (
        gettext_lazy("Miss rate"),
        gettext_lazy("{k:,} of {n:,} scratched parts missed"),
        gettext_lazy("not defined: no scratched part yet"),
    ),
    "false_alarm_rate": (
        gettext_lazy("False-alarm rate"),
        gettext_lazy("{k:,} of {n:,} good parts called scratched"),
        gettext_lazy("not defined: no good part yet"),
    ),
    "escape_rate": (
        gettext_lazy("Escape rate"),
        gettext_lazy("{k:,} of {n:,} parts that the model calls ok are scratched"),
        gettext_lazy("not defined: no part called ok yet"),
    ),
    "overkill_rate": (
        gettext_lazy("Overkill rate"),
        gettext_lazy("{k:,} of {n:,} parts that the model calls scratched are good"),
        gettext_lazy("not defined: none called scratched"),
    ),
    "agreement": (
        gettext_lazy("Agreement"),
        gettext_lazy("{k:,} of {n:,} parts answered alike"),
        gettext_lazy("not defined: no part yet"),
    ),
    "positive_agreement": (
        gettext_lazy("Positive agreement"),
        gettext_lazy("{both:,} of {either:,} parts called scratched by either are so by both"),
        gettext_lazy("not defined: none called scratched"),
    ),
    "kappa": (
        gettext_lazy("Kappa"),
        gettext_lazy("agreement beyond chance on {n:,} parts"),
        gettext_lazy("not defined: only one class seen"),
    ),
}
IN_ROWS = ("miss_rate", "false_alarm_rate", "agreement")


@dataclass(frozen=True)
class Shown:
    """One figure as it is read: its counts in words, value and interval in words, and drawn. Undefined: the reason."""

    name: str
    counts: str
    defined: bool
    value: float | None
    low: float
    high: float
    words: str
    between: str
    n: int
    bar: SafeString
    either: int | None = None

    @property
    def sentence(self) -> str:
        """As a sentence carries it: '12 of 413 scratched parts missed, 1.7 to 5.0 %'."""
        return f"{self.counts}, {self.between}" if self.defined else self.words

    @property
    def parts(self) -> int:
        """The parts that the interval rests on; n of positive agreement counts calls, of which a part may have two."""
        return self.either if self.either is not None else self.n


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


def shown(name: str, counts: Confusion | PeopleTable, *, bottom: float = 0.0, top: float = 1.0) -> Shown:
    """A figure of a table of counts, its interval drawn on a scale from `bottom` to `top`."""
    figure: Figure = getattr(counts, name)
    title, words, undefined = FIGURES[name]
    low, high = figure.interval(CONFIDENCE)
    if figure.value is None:
        bar = interval_bar(None, low, high)
        return Shown(str(title), "", False, None, low, high, str(undefined), "", figure.n, bar)
    if name == "kappa":
        value, between = f"{figure.value:.2f}", _between(f"{low:.2f}", f"{high:.2f}")
        bottom = min(bottom, -1.0 if low < 0 else 0.0)
    else:
        value, between = percent(figure.value), _between(percent(low).rstrip(PERCENT), percent(high))
    bar = interval_bar(figure.value, low, high, bottom=bottom, top=top)
    named = _counts_of(figure)
    said = words.format(n=figure.n, **named)
    return Shown(str(title), said, True, figure.value, low, high, value, between, figure.n, bar, named.get("either"))


def _counts_of(figure: Figure) -> dict[str, int]:
    """The counts besides n that a figure's words name."""
    if isinstance(figure, PositiveAgreement):
        return {"both": figure.both, "either": figure.either}
    return {"k": figure.k} if isinstance(figure, Rate) else {}


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
    scales = {name: scale_of([getattr(group.confusion, name) for group in groups], name) for name in IN_ROWS}
    return [Row(group, tuple(shown(name, group.confusion, **scales[name]) for name in IN_ROWS)) for group in groups]


def scale_of(figures: Sequence[Figure], name: str) -> dict[str, float]:
    """Ends of a scale that holds all intervals: from 0, for agreement, which is high, up to 100 %, for kappa to 1."""
    ends = [figure.interval(CONFIDENCE) for figure in figures if figure.value is not None]
    if name == "kappa":
        return {"bottom": -1.0 if any(low < 0 for low, _high in ends) else 0.0, "top": 1.0}
    if name.endswith("agreement"):
        return {"bottom": 1 - reach(max((1 - low for low, _high in ends), default=1.0)), "top": 1.0}
    return {"bottom": 0.0, "top": reach(max((high for _low, high in ends), default=1.0))}


# Why a pair is not counted, as (in a sentence after its number, in full).
EXCLUDED = {
    "unsure": (gettext_lazy("unsure"), gettext_lazy("every verdict on the part is unsure")),
    "null": (
        gettext_lazy("without a score"),
        gettext_lazy("the model gave no answer: the photo was blank or it failed"),
    ),
    "unjudged": (gettext_lazy("not yet judged"), gettext_lazy("the model has answered, no person yet")),
    "blind": (gettext_lazy("judged blind"), gettext_lazy("another kind of evidence, in a report of its own")),
    "assisted": (
        gettext_lazy("judged otherwise than blind"),
        gettext_lazy("another kind of evidence, in a report of its own"),
    ),
    "retrospective": (
        gettext_lazy("imported or scored afterwards"),
        gettext_lazy("another kind of evidence, in a report of its own"),
    ),
    "seeded": (
        gettext_lazy("shown again to measure the inspectors"),
        gettext_lazy("photos of other parts, which would count twice"),
    ),
}


class Left(NamedTuple):
    """Pairs that are left out for one reason."""

    name: str
    words: str
    why: str
    n: int


def left_out(report: AgreementReport) -> list[Left]:
    """What is not counted and why; reasons that leave nothing out are not named."""
    return [Left(name, str(EXCLUDED[name][0]), str(EXCLUDED[name][1]), n) for name, n in report.excluded.items() if n]


EVIDENCE = {
    "blind": gettext_lazy(
        "Parts drawn blind and judged by people to whom nothing of the model's answer had been served before. "
        "Only these speak for or against the model."
    ),
    "assisted": gettext_lazy(
        "These people may have known the model's answer, or the part was not drawn to be judged blind, or the answer came "
        "after the verdict. The figures tell how people and model work together; they are no evidence about the model."
    ),
    "retrospective": gettext_lazy(
        "These parts were imported, or the model scored them afterwards. The figures help to choose a model; they "
        "never certify one."
    ),
}
