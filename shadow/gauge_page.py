"""What the pages of the inspectors show: figures with counts, drawn intervals and grades, and kappas crosswise."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shadow.agreement import AttributeStudy, InspectorPair, InspectorStudy, Kappa, Rate
from shadow.agreement.grades import MORE_IS_BETTER, Grade, GradedFigure, graded, hedged, held_back, worst
from shadow.charts import interval_bar, percent, reach
from shadow.gauge_report import GaugeReport

CONFIDENCE = 0.95  # of a bound on one side; a drawn interval ends at both, so it holds 90 %
BOTH_ENDS = 2 * CONFIDENCE - 1
NONE_UNSURE = Rate(0, 0)

GRADES: dict[Grade, Promise] = {
    "acceptable": gettext_lazy("acceptable"),
    "marginal": gettext_lazy("marginal"),
    "unacceptable": gettext_lazy("unacceptable"),
    "not defined": gettext_lazy("not known"),
    "too many unsure": gettext_lazy("too many unsure answers to grade"),
}
# figure: (as it is called, what it is of)
FIGURES = {
    "within": (gettext_lazy("Within"), gettext_lazy("of parts seen again, always answered alike")),
    "always_right": (gettext_lazy("Always right"), gettext_lazy("of parts, every answer right")),
    "effectiveness": (gettext_lazy("Effectiveness"), gettext_lazy("of answers, right")),
    "miss_rate": (gettext_lazy("Misses"), gettext_lazy("of scratched parts, called ok")),
    "false_alarm_rate": (gettext_lazy("False alarms"), gettext_lazy("of good parts, called scratched")),
    "kappa": (gettext_lazy("Kappa"), gettext_lazy("agreement with the truth beyond chance")),
}
RATES: tuple[str, ...] = ("within", "always_right", "effectiveness", "miss_rate", "false_alarm_rate")
GRADED: frozenset[str] = frozenset({"always_right", "effectiveness", "miss_rate", "false_alarm_rate"})


@dataclass(frozen=True)
class Cell:
    """A figure as it is read: words, counts, its interval drawn, what the bound still allows, and its grade if it has
    one. Undefined: only `words`."""

    name: str
    meaning: str
    value: float | None
    words: str
    counts: str = ""
    bound: str = ""
    bar: str = ""
    grade: Grade | None = None
    grade_words: str = ""
    less: str = ""  # the grade of the bound in words, where it is worse


@dataclass(frozen=True)
class Row:
    """One inspector, or the team: sure and unsure answers to parts of known truth, figures, the verdict by the values and
    the one that the bounds leave."""

    name: str
    own: bool
    answers: int
    unsure: int
    cells: tuple[Cell, ...]
    verdict: Grade
    verdict_words: str
    proven: Grade
    proven_words: str


# ---- Cells


def rate_cell(
    name: str, rate: Rate, scale: tuple[float, float] = (0.0, 1.0), unsure: Rate = NONE_UNSURE
) -> Cell:  # fmt: skip
    """A rate with its exact bounds; the bound that matters is the worse one. Too many `unsure` take a good grade away."""
    title, meaning = (str(words) for words in FIGURES[name])
    if rate.value is None:
        return Cell(title, meaning, None, "-")
    low, high = rate.exact(BOTH_ENDS)
    rises = name not in ("miss_rate", "false_alarm_rate")
    words = "\u2265\u00a0{share}" if rises else "\u2264\u00a0{share}"
    cell = Cell(
        title, meaning, rate.value, percent(rate.value), _("{k:,} of {n:,}").format(k=rate.k, n=rate.n),
        words.format(share=percent(low if rises else high)),
        interval_bar(rate.value, low, high, bottom=scale[0], top=scale[1]),
    )  # fmt: skip
    return _with_grade(cell, name, rate, unsure) if name in GRADED else cell


def _with_grade(cell: Cell, name: str, rate: Rate, unsure: Rate) -> Cell:
    figure: GradedFigure = name  # type: ignore[assignment]
    one = held_back(graded(figure, rate, CONFIDENCE), unsure)
    less = str(GRADES[one.grade_of_bound]) if one.bound_says_less else ""
    return replace(cell, grade=one.grade, grade_words=str(GRADES[one.grade]), less=less)


def kappa_cell(kappa: Kappa, name: str = "kappa", unsure: Rate = NONE_UNSURE) -> Cell:
    title, meaning = (str(words) for words in FIGURES[name])
    if kappa.value is None:
        return Cell(title, meaning, None, "-")
    low, high = kappa.interval(BOTH_ENDS)
    grade: Grade = "too many unsure" if hedged(unsure) else "acceptable" if kappa.good else "marginal"
    words = str(GRADES[grade]) if hedged(unsure) else _("good") if kappa.good else _("below 0.75")
    bar = interval_bar(kappa.value, low, high, bottom=min(0.0, low))
    return Cell(
        title, meaning, kappa.value, f"{kappa.value:.2f}", _("n {n:,}").format(n=kappa.n),
        f"\u2265\u00a0{low:.2f}", bar, grade, words,
    )  # fmt: skip


def scales(rates: Iterable[tuple[str, Rate]]) -> dict[str, tuple[float, float]]:
    """One scale for each figure, so that intervals compare down a table; a far wider interval is cut at the edge."""
    found: dict[str, list[Rate]] = {name: [] for name in RATES}
    for name, rate in rates:
        if rate.value is not None:
            found[name].append(rate)
    return {name: scale_of(name, known) for name, known in found.items()}


def scale_of(name: str, rates: Sequence[Rate]) -> tuple[float, float]:
    if not rates:
        return 0.0, 1.0
    values = [rate.k / rate.n for rate in rates]
    if name in MORE_IS_BETTER or name == "within":
        lows = [rate.exact(BOTH_ENDS)[0] for rate in rates]
        return 1 - reach(max(*(1 - value for value in values), 1 - median(lows))), 1.0
    highs = [rate.exact(BOTH_ENDS)[1] for rate in rates]
    return 0.0, reach(max(*values, median(highs)))


# ---- The attribute study


def inspector_rows(report: GaugeReport) -> list[Row]:
    """The inspectors who answered to a known truth or twice to one part, by name, and no order of merit."""
    measured = [one for one in report.study.inspectors if one.unsure.n or one.within.n]
    shared = scales((name, _rate(one, name)) for one in measured for name in RATES)
    own = report.called.get(report.reader.pk)
    return [_row(one, shared, own=one.inspector == own) for one in measured]


def _rate(one: InspectorStudy, name: str) -> Rate:
    return one.against_reference if name == "always_right" else getattr(one, name)


def _row(one: InspectorStudy, shared: dict[str, tuple[float, float]], *, own: bool) -> Row:
    cells = [rate_cell(name, _rate(one, name), shared[name], one.unsure) for name in RATES]
    verdict, proven = one.verdict, one.proven(CONFIDENCE)
    return Row(
        one.inspector, own, one.confusion.n, one.unsure.k, (*cells, kappa_cell(one.kappa, unsure=one.unsure)), verdict, str(GRADES[verdict]), proven,
        str(GRADES[proven]),
    )  # fmt: skip


def team_row(study: AttributeStudy) -> Row:
    """All answers of all inspectors as one."""
    table, unsure = study.confusion, study.unsure_of_known
    rates: dict[GradedFigure, Rate] = {
        "effectiveness": table.agreement, "miss_rate": table.miss_rate, "false_alarm_rate": table.false_alarm_rate,
    }  # fmt: skip
    within = Rate(sum(one.within.k for one in study.inspectors), sum(one.within.n for one in study.inspectors))
    shared = scales([*rates.items(), ("within", within), ("always_right", study.against_reference)])
    # The more people answer to a part, the seldomer all are right: no limit is meant for that.
    right = replace(rate_cell("always_right", study.against_reference, shared["always_right"]), grade=None)
    cells = (
        rate_cell("within", within, shared["within"]),
        right,
        *(rate_cell(name, rate, shared[name], unsure) for name, rate in rates.items()),
    )
    known = [held_back(graded(name, rate, CONFIDENCE), unsure) for name, rate in rates.items()]
    verdict, proven = worst(one.grade for one in known), worst(one.grade_of_bound for one in known)
    return Row(
        _("Everybody"), False, table.n, unsure.k, (*cells, kappa_cell(table.kappa, unsure=unsure)), verdict, str(GRADES[verdict]), proven,
        str(GRADES[proven]),
    )  # fmt: skip


@dataclass(frozen=True)
class Between:
    """The inspectors beside each other: parts on which all answers are alike, Fleiss' kappa, and every two of them."""

    alike: Cell
    fleiss: Cell
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def between(study: AttributeStudy) -> Between | None:
    """None while no two inspectors have a part in common."""
    if not study.between.n:
        return None
    alike = replace(rate_cell("within", study.between), name=_("All alike"), meaning=_("of parts seen by two or more"))
    fleiss = replace(
        kappa_cell(study.fleiss_between), name=_("Fleiss' kappa"), meaning=_("all inspectors, beyond chance")
    )
    pairs = {(pair.one, pair.other): pair for pair in study.pairs}
    names = tuple(one.inspector for one in study.inspectors if any(one.inspector in both for both in pairs))
    rows = [(name, tuple(_crossed(pairs, name, other) for other in names)) for name in names]
    return Between(alike, fleiss, names, tuple(rows))


def _crossed(pairs: dict[tuple[str, str], InspectorPair], one: str, other: str) -> Cell | None:
    pair = pairs.get((one, other)) or pairs.get((other, one))
    return kappa_cell(pair.kappa) if pair else None


# ---- Sentences


def sentence(report: GaugeReport) -> str:
    """What inspectors find, first; then what they call scratched that is not."""
    line, found = report.wanted.line.name, report.sensitivity
    alarms = report.study.confusion.false_alarm_rate
    if not report.study.confusion.n:
        return _("Nobody has judged a part of known truth on {line} yet.").format(line=line)
    if found.value is None:
        words = _(
            "No scratched part of known truth was judged on {line} yet; of good ones {share} were called scratched."
        )
        return words.format(line=line, share=counted(alarms))
    words = _("Inspectors of {line} find {share} of the seeded scratched parts")
    if report.wanted.study:
        words = _("In this study, inspectors of {line} find {share} of the scratched parts")
    first = words.format(line=line, share=counted(found))
    if alarms.value is None:
        return _("{misses}. No good part was shown yet.").format(misses=first)
    second = _("they call {share} of the good ones scratched").format(share=counted(alarms))
    return _("{misses}; {alarms}.").format(misses=first, alarms=second)


def counted(rate: Rate) -> str:
    counts = _("{k:,} of {n:,}").format(k=rate.k, n=rate.n).replace(" ", "\u00a0")
    return f"{percent(rate.value)} ({counts})"


def one_look(report: GaugeReport) -> str:
    """The exact bound of what they find, named as what it is."""
    found = report.sensitivity
    if found.value is None:
        return ""
    # xgettext:no-python-format
    words = _("At least {share} with 95 % confidence, for one planned look (Clopper-Pearson).")
    return words.format(share=percent(found.lower(CONFIDENCE)))
