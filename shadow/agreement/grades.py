"""AIAG's limits of an attribute study: a grade by the point value, and the grade that the exact bound leaves of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from shadow.agreement.rates import Rate

Grade = Literal["acceptable", "marginal", "unacceptable", "not defined", "too many unsure"]
GradedFigure = Literal["effectiveness", "always_right", "miss_rate", "false_alarm_rate"]

# AIAG, Measurement Systems Analysis, 4th edition, chapter III C: (acceptable, marginal), anything beyond is
# unacceptable.
EFFECTIVENESS_AT_LEAST = (0.90, 0.80)
MISS_RATE_AT_MOST = (0.02, 0.05)
FALSE_ALARM_RATE_AT_MOST = (0.05, 0.10)

LIMITS: dict[GradedFigure, tuple[float, float]] = {
    "effectiveness": EFFECTIVENESS_AT_LEAST,
    "always_right": EFFECTIVENESS_AT_LEAST,
    "miss_rate": MISS_RATE_AT_MOST,
    "false_alarm_rate": FALSE_ALARM_RATE_AT_MOST,
}
# Unsure answers are in no rate, so that whoever leaves the hard parts unsure would be graded by the easy ones.
UNSURE_AT_MOST = 0.05
MORE_IS_BETTER = frozenset({"effectiveness", "always_right"})
# The worst first: an unknown miss rate cannot make a bad effectiveness better, nor a good one enough.
_WORST_FIRST: tuple[Grade, ...] = ("unacceptable", "too many unsure", "not defined", "marginal", "acceptable")


@dataclass(frozen=True)
class Graded:
    """A figure against its limits: `grade` by its value, `grade_of_bound` by its exact one-sided bound.

    The bound is the lower one where more is better, else the upper one. No miss in 48 scratched parts is "acceptable",
    and its bound of 6.05 % "unacceptable".
    """

    figure: GradedFigure
    rate: Rate
    grade: Grade
    bound: float
    grade_of_bound: Grade

    @property
    def bound_says_less(self) -> bool:
        """The grade rests on too few parts to be proven."""
        return _WORST_FIRST.index(self.grade_of_bound) < _WORST_FIRST.index(self.grade)


def graded(figure: GradedFigure, rate: Rate, confidence: float) -> Graded:
    """Grade a figure; without trials neither grade is defined."""
    if rate.value is None:
        return Graded(figure, rate, "not defined", 0.0 if figure in MORE_IS_BETTER else 1.0, "not defined")
    bound = rate.lower(confidence) if figure in MORE_IS_BETTER else rate.upper(confidence)
    return Graded(figure, rate, _grade(figure, rate.value), bound, _grade(figure, bound))


def hedged(unsure: Rate) -> bool:
    """Whether more than 5 % of the answers were unsure; no answers: no."""
    return unsure.value is not None and unsure.value > UNSURE_AT_MOST


def held_back(one: Graded, unsure: Rate) -> Graded:
    """The figure without a good grade if too many answers were unsure; an unacceptable one stays that."""
    if not hedged(unsure):
        return one
    return replace(
        one, grade=worst([one.grade, "too many unsure"]), grade_of_bound=worst([one.grade_of_bound, "too many unsure"])
    )


def _grade(figure: GradedFigure, value: float) -> Grade:
    sign = -1 if figure in MORE_IS_BETTER else 1
    acceptable, marginal = (sign * value <= sign * limit for limit in LIMITS[figure])
    if acceptable:
        return "acceptable"
    return "marginal" if marginal else "unacceptable"


def worst(grades: Iterable[Grade]) -> Grade:
    """The verdict over several grades: any unacceptable one, else one that unsure answers forbid, else any that is not
    defined, else the worst.

    >>> worst(["acceptable", "not defined", "marginal"]), worst([])
    ('not defined', 'not defined')
    """
    return min(grades, key=_WORST_FIRST.index, default="not defined")


def needed_without_one(limit: float, confidence: float) -> int | None:
    """Fewest trials whose exact upper bound is at most `limit` when the event never happened.

    Parameters
    ----------
    limit, confidence : float
        In (0, 1), else None.

    Examples
    --------
    >>> needed_without_one(0.02, 0.95)
    149
    """
    if not (0 < limit < 1 and 0 < confidence < 1):
        return None
    return math.ceil(math.log1p(-confidence) / math.log1p(-limit))
