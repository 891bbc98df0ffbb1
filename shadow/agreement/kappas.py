"""Agreement beyond chance: Cohen's kappa of two judges, Fleiss' kappa of any number, each with its variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from shadow.agreement.rates import normal_quantile

GOOD_KAPPA = 0.75


@dataclass(frozen=True)
class Kappa:
    """A kappa of n parts; `value` is None where chance alone would agree on every part."""

    value: float | None
    n: int
    variance: float

    @property
    def good(self) -> bool:
        return self.value is not None and self.value >= GOOD_KAPPA

    def interval(self, confidence: float) -> tuple[float, float]:
        """Normal interval from the asymptotic variance, cut to [-1, 1].

        Undefined kappa or an impossible confidence: (0.0, 1.0). Where no part was judged differently the
        asymptotic variance is 0 and the interval is the point 1, however few parts there are: show `n` beside
        it.
        """
        z = normal_quantile(confidence)
        if self.value is None or z is None:
            return 0.0, 1.0
        half = z * math.sqrt(self.variance)
        return max(-1.0, self.value - half), min(1.0, self.value + half)


def cohen_kappa(both_ok: int, second_alone: int, first_alone: int, both_scratched: int) -> Kappa:
    """Agreement of two judges beyond chance, (po - pe) / (1 - pe), with its asymptotic variance.

    Parameters
    ----------
    both_ok, second_alone, first_alone, both_scratched : int
        Parts, >= 0: `first_alone` are those that the first judge alone called scratched.

    Returns
    -------
    Kappa
        No parts, or every answer of both in one class: value None.

    References
    ----------
    Cohen (1960), Educational and Psychological Measurement 20, 37-46; the variance is equation 13 of Fleiss, Cohen
    and Everitt (1969), Psychological Bulletin 72, 323-327, written as a sum of squares so that a rare class loses no
    digits.

    Examples
    --------
    >>> round(cohen_kappa(985, 5, 5, 5).value, 3)
    0.495
    """
    a, b, c, d = int(both_ok), int(second_alone), int(first_alone), int(both_scratched)
    n = a + b + c + d
    # n * n * (1 - pe) in whole numbers: 0 means one class only.
    beyond_chance = (a + b) * (b + d) + (a + c) * (c + d)
    if beyond_chance == 0:
        return Kappa(None, n, 0.0)
    rest = n * (b + c) / beyond_chance  # 1 - kappa
    first, second = ((a + b) / n, (c + d) / n), ((a + c) / n, (b + d) / n)
    shares = (a / n, b / n, c / n, d / n)
    # How kappa moves with each cell, times 1 - pe.
    slopes = [(i == j) - rest * (second[i] + first[j]) for i, j in product((0, 1), repeat=2)]
    mean = sum(share * slope for share, slope in zip(shares, slopes, strict=True))
    spread = sum(share * (slope - mean) ** 2 for share, slope in zip(shares, slopes, strict=True))
    return Kappa(2 * (a * d - b * c) / beyond_chance, n, spread * n**3 / beyond_chance**2)


def fleiss_kappa(counts: ArrayLike) -> float | None:
    """The value of `fleiss`: agreement of several judges beyond chance.

    Examples
    --------
    >>> fleiss_kappa([[3, 0], [0, 3], [3, 0]])
    1.0
    """
    return fleiss(counts).value


def fleiss(counts: ArrayLike) -> Kappa:
    """Agreement of several judges beyond chance, the parts being a sample.

    Parameters
    ----------
    counts : array_like, shape (parts, classes)
        How many judges put the part in the class. Rows need not have the same sum: each part then weighs
        alike in the observed agreement. Parts with fewer than two answers say nothing and are left out, as is a
        row with a negative or no finite count.

    Returns
    -------
    Kappa
        Value in [-1, 1] and `n` parts; None without a part judged twice, or when all answers are one class. The
        variance is that of the linearised kappa over the parts; of a single part it is infinite.

    References
    ----------
    Fleiss (1971), Psychological Bulletin 76, 378-382; variance: Gwet (2008), British Journal of Mathematical and
    Statistical Psychology 61, 29-48, which it is where all parts have as many answers.
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2:
        return Kappa(None, 0, 0.0)
    table = table[np.isfinite(table).all(axis=1) & (table >= 0).all(axis=1) & (table.sum(axis=1) >= 2)]
    answers, total = table.sum(axis=1, keepdims=True), table.sum()
    if not total or table.sum(axis=0).max() == total:
        return Kappa(None, len(table), 0.0)
    # Disagreement, not agreement: a rare class loses no digits.
    differ = (table * (answers - table)).sum(axis=1) / (answers * (answers - 1))[:, 0]  # (parts,)
    shares = table.sum(axis=0) / total  # (classes,)
    chance = float(shares @ ((total - table.sum(axis=0)) / total))
    observed = float(differ.mean())
    # How kappa moves with each part.
    of_shares = (table - shares * answers) / answers.mean() @ (1 - 2 * shares)
    moves = observed / chance**2 * of_shares - (differ - observed) / chance
    parts = len(table)
    variance = float(moves @ moves) / (parts * (parts - 1)) if parts > 1 else math.inf
    return Kappa(1 - observed / chance, parts, variance)
