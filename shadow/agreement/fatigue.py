"""Misses by the hour of the shift, of a group and never of a person: an hour that could point at somebody is withheld."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

from scipy.special import ndtr

from shadow.agreement.rates import Rate

FEWEST_PEOPLE = 3
FEWEST_PARTS = 20

Withheld = Literal["too few people", "too few parts"]


@dataclass(frozen=True)
class Hour:
    """An hour of the shift, 0 the first: misses of the scratched references shown in it, or why they are withheld."""

    hour: int
    misses: Rate | None
    withheld: Withheld | None = None

    @property
    def value(self) -> float | None:
        return self.misses.value if self.misses else None


def misses_by_hour(
    rows: Iterable[tuple[float, bool | None, bool | None, Hashable]], fewest_people: int = FEWEST_PEOPLE
) -> list[Hour]:
    """Pool a group's misses by hour of the shift.

    Parameters
    ----------
    rows : iterable of (hour_of_shift, scratched_reference, answer, inspector)
        Hours since the shift began, broken off to the whole hour; one that is not finite raises ValueError. Only a
        sure answer to a part known to be scratched counts, and "ok" is then a miss: a reference that is not scratched
        or not known, and an unsure answer, count for nothing, nor does their inspector.
    fewest_people : int
        An hour with fewer inspectors is withheld, then one with fewer than 20 scratched references.

    Returns
    -------
    list of Hour
        By rising hour, one for each hour in which anything was shown. `misses` has Wilson's `interval`, which takes
        the answers for independent. No rows: no hours.
    """
    people: dict[int, set[Hashable]] = defaultdict(set)
    answers: dict[int, list[bool]] = defaultdict(list)
    for hour_of_shift, is_scratched, answer, inspector in rows:
        hour = _whole(hour_of_shift)
        answers[hour]  # an hour in which nothing counts is withheld, not missing
        if is_scratched and answer is not None:
            answers[hour].append(answer)
            people[hour].add(inspector)
    return [_hour(hour, answers[hour], len(people[hour]), fewest_people) for hour in sorted(answers)]


def _whole(hour_of_shift: float) -> int:
    if not math.isfinite(hour_of_shift):
        raise ValueError(f"An hour of the shift is a number, not {hour_of_shift}.")
    return math.floor(hour_of_shift)


def _hour(hour: int, answers: list[bool], people: int, fewest_people: int) -> Hour:
    if people < fewest_people:
        return Hour(hour, None, "too few people")
    if len(answers) < FEWEST_PARTS:
        return Hour(hour, None, "too few parts")
    return Hour(hour, Rate(answers.count(False), len(answers)))


@dataclass(frozen=True)
class Trend:
    """Cochran and Armitage's test: `z` above 0 is a rate that rises, `p_value` is two-sided."""

    z: float
    p_value: float


def trend(hours: Iterable[Hour]) -> Trend | None:
    """Whether misses rise or fall with the hour, by the hours that are shown; None where they cannot say."""
    return cochran_armitage((hour.hour, hour.misses) for hour in hours if hour.misses)


def cochran_armitage(groups: Iterable[tuple[float, Rate]]) -> Trend | None:
    """Test for a linear trend of a rate over scored groups.

    Parameters
    ----------
    groups : iterable of (score, Rate)
        Disjoint groups, in any order; groups of one score are one group.

    Returns
    -------
    Trend or None
        None with fewer than two scores that have trials, or when all or none of the trials are events. The p value is
        the normal one: with only a few events it is too small.

    References
    ----------
    Armitage (1955), Biometrics 11, 375-386; Cochran (1954), Biometrics 10, 417-451.

    Examples
    --------
    >>> doses = [(0, Rate(6, 32)), (1, Rate(7, 33)), (2, Rate(9, 32)), (3, Rate(14, 32)), (4, Rate(23, 32))]
    >>> round(cochran_armitage(doses).z, 4)  # SAS/STAT, PROC FREQ, "Clinical Trial for Treatment of Pain"
    4.7918
    """
    groups = list(groups)
    n, k = sum(rate.n for _, rate in groups), sum(rate.k for _, rate in groups)
    if not 0 < k < n:
        return None
    mean = sum(score * rate.n for score, rate in groups) / n
    spread = sum(rate.n * (score - mean) ** 2 for score, rate in groups)
    if not spread:
        return None
    z = sum(rate.k * (score - mean) for score, rate in groups) / math.sqrt(k / n * (n - k) / n * spread)
    return Trend(z, float(2 * ndtr(-abs(z))))
