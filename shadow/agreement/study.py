"""The attribute study: inspectors against themselves, against each other and against the reference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import NamedTuple

from shadow.agreement.grades import Grade, Graded, graded, held_back, worst
from shadow.agreement.kappas import Kappa, fleiss
from shadow.agreement.rates import PositiveAgreement, Rate
from shadow.agreement.tables import Confusion

CONFIDENCE = 0.95  # of the bounds that a grade is held against


class Trial(NamedTuple):
    """One answer in a study: True is scratched, None is unsure (answer) or not known (reference).

    `round` is the pass through the parts in which it was given, if rounds were kept.
    """

    inspector: str
    part: str
    answer: bool | None
    reference: bool | None = None
    round: int | None = None


@dataclass(frozen=True)
class InspectorStudy:
    """One inspector: parts always answered alike (`within`), always right, and every sure answer in a table.

    `unsure` counts the unsure answers to parts of known truth, of all answers to such; above 5 % no figure and no verdict
    is graded better than "too many unsure". `kappa_within` is Fleiss' kappa of the inspector's own answers to the parts that were answered more than once.
    """

    inspector: str
    within: Rate
    against_reference: Rate
    confusion: Confusion
    kappa_within: Kappa
    unsure: Rate

    @property
    def effectiveness(self) -> Rate:
        """Right answers of all answers. AIAG's own table counts a part only if all its answers are right: that is
        `against_reference`, and it is graded too."""
        return self.confusion.agreement

    @property
    def miss_rate(self) -> Rate:
        return self.confusion.miss_rate

    @property
    def false_alarm_rate(self) -> Rate:
        return self.confusion.false_alarm_rate

    @property
    def kappa(self) -> Kappa:
        """Agreement with the reference."""
        return self.confusion.kappa

    def graded(self, confidence: float = CONFIDENCE) -> tuple[Graded, ...]:
        """Effectiveness by answer and by part, misses and false alarms against AIAG's limits.

        The bounds take the answers of a repeated part for independent ones.
        """
        found = (
            graded("effectiveness", self.effectiveness, confidence),
            graded("always_right", self.against_reference, confidence),
            graded("miss_rate", self.miss_rate, confidence),
            graded("false_alarm_rate", self.false_alarm_rate, confidence),
        )
        return tuple(held_back(one, self.unsure) for one in found)

    @property
    def grades(self) -> dict[str, Grade]:
        """A grade per figure by its point value; show the bounds (`graded`) beside it.

        No miss in 48 scratched parts is "acceptable" and still allows 6.05 %; 2 % with 95 % confidence takes
        149.
        """
        return {one.figure: one.grade for one in self.graded() if one.figure != "always_right"}

    @property
    def verdict(self) -> Grade:
        """The worst of the grades, by the point values."""
        return worst(one.grade for one in self.graded())

    def proven(self, confidence: float = CONFIDENCE) -> Grade:
        """The verdict that the bounds leave."""
        return worst(one.grade_of_bound for one in self.graded(confidence))


@dataclass(frozen=True)
class InspectorPair:
    """Two inspectors on the same parts: `one` stands in the rows of the table, where a person does, `other` in its
    columns, where the model does."""

    one: str
    other: str
    table: Confusion

    @property
    def agreement(self) -> Rate:
        return self.table.agreement

    @property
    def kappa(self) -> Kappa:
        """Cohen's kappa. Its interval takes the rounds of a part for independent, so it is rather too narrow."""
        return self.table.kappa

    @property
    def positive_agreement(self) -> PositiveAgreement:
        return self.table.positive_agreement


@dataclass(frozen=True)
class AttributeStudy:
    """Inspectors side by side: `between` are parts on which all answers of all inspectors are alike."""

    inspectors: tuple[InspectorStudy, ...]
    pairs: tuple[InspectorPair, ...]
    between: Rate
    against_reference: Rate
    fleiss_between: Kappa
    unsure: int

    @property
    def kappa_between(self) -> float | None:
        return self.fleiss_between.value

    @property
    def confusion(self) -> Confusion:
        """All inspectors' answers against the reference."""
        return reduce(Confusion.__add__, (one.confusion for one in self.inspectors), Confusion())

    @property
    def unsure_of_known(self) -> Rate:
        """Unsure answers of all answers to parts of known truth."""
        rates = [one.unsure for one in self.inspectors]
        return Rate(sum(rate.k for rate in rates), sum(rate.n for rate in rates))

    @property
    def verdict(self) -> Grade:
        """The worst verdict of an inspector, by the point values; without inspectors not defined."""
        return worst(one.verdict for one in self.inspectors)

    def proven(self, confidence: float = CONFIDENCE) -> Grade:
        """The verdict that the bounds leave."""
        return worst(one.proven(confidence) for one in self.inspectors)


def attribute_study(trials: Iterable[Trial]) -> AttributeStudy:
    """Attribute agreement of inspectors with themselves, each other and the reference.

    Parameters
    ----------
    trials : iterable of Trial
        Any number of answers per inspector and part. Unsure answers are counted in `unsure`, of everybody and of
        each inspector, and enter no rate; a part without a reference enters `within`, `between` and the pairs only.

    Returns
    -------
    AttributeStudy
        `within` counts parts that the inspector answered at least twice, `between` parts answered by at least
        two inspectors. A pair's table sets each answer of the one beside the other's answer to the same part in the
        same round; without rounds, the first beside the first, and so on. Pairs without a part in common are left
        out. No trials: no inspectors and rates without a value.

    References
    ----------
    AIAG, Measurement Systems Analysis, 4th edition, chapter III C (attribute measurement systems study).
    """
    every = [Trial(*trial) for trial in trials]
    sure = [trial for trial in every if trial.answer is not None]
    own: dict[str, list[Trial]] = {name: [] for name in sorted({trial.inspector for trial in every})}
    for trial in every:
        own[trial.inspector].append(trial)
    by_part = _by_part(sure)
    shared = [answers for answers in by_part.values() if len({trial.inspector for trial in answers}) >= 2]
    return AttributeStudy(
        inspectors=tuple(_one_inspector(name, answers) for name, answers in own.items()),
        pairs=tuple(_pairs(every)),
        between=Rate(sum(_alike(answers) for answers in shared), len(shared)),
        against_reference=_always_right(by_part.values()),
        fleiss_between=fleiss([_ok_and_scratched(answers) for answers in shared]),
        unsure=len(every) - len(sure),
    )


def _by_part(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    parts: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        parts[trial.part].append(trial)
    return parts


def _one_inspector(name: str, given: Sequence[Trial]) -> InspectorStudy:
    trials = [trial for trial in given if trial.answer is not None]
    by_part = _by_part(trials)
    repeated = [answers for answers in by_part.values() if len(answers) >= 2]
    known = [(trial.reference, trial.answer) for trial in trials if trial.reference is not None]
    return InspectorStudy(
        inspector=name,
        within=Rate(sum(_alike(answers) for answers in repeated), len(repeated)),
        against_reference=_always_right(by_part.values()),
        confusion=_table(known),
        kappa_within=fleiss([_ok_and_scratched(answers) for answers in repeated]),
        unsure=_unsure(given),
    )


def _unsure(trials: Iterable[Trial]) -> Rate:
    known = [trial.answer for trial in trials if trial.reference is not None]
    return Rate(known.count(None), len(known))


def _pairs(trials: Iterable[Trial]) -> Iterable[InspectorPair]:
    given: dict[str, dict[tuple[str, int], bool | None]] = defaultdict(dict)
    seen: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        turn = seen[trial.inspector, trial.part] if trial.round is None else trial.round
        given[trial.inspector][trial.part, turn] = trial.answer
        seen[trial.inspector, trial.part] += 1
    for one, other in combinations(sorted(given), 2):
        table = _side_by_side(given[one], given[other])
        if table.n:
            yield InspectorPair(one, other, table)


def _side_by_side(
    one: Mapping[tuple[str, int], bool | None], other: Mapping[tuple[str, int], bool | None]
) -> Confusion:
    both = [(one[turn], other[turn]) for turn in one.keys() & other.keys()]
    return _table(pair for pair in both if None not in pair)


def _table(rows_and_columns: Iterable[tuple[bool | None, bool | None]]) -> Confusion:
    cells = Counter((bool(row), bool(column)) for row, column in rows_and_columns)
    return Confusion(cells[False, False], cells[False, True], cells[True, False], cells[True, True])


def _alike(answers: Sequence[Trial]) -> bool:
    return len({trial.answer for trial in answers}) == 1


def _always_right(parts: Iterable[Sequence[Trial]]) -> Rate:
    known = [answers for answers in parts if all(trial.reference is not None for trial in answers)]
    return Rate(sum(all(t.answer == t.reference for t in answers) for answers in known), len(known))


def _ok_and_scratched(answers: Sequence[Trial]) -> tuple[int, int]:
    scratched = sum(bool(trial.answer) for trial in answers)
    return len(answers) - scratched, scratched
