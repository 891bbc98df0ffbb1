"""How long the watch over audits takes to see escapes rise: the mean of seeded runs of its detector. Pure."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from automation.evidence import EscapeDetector

RUNS = 1_000  # the mean is then known to some 2 %
SEED = 20_251
WARM = 40  # audited escapes at the rate before, in which the sums find their level
MOST = 4_000  # escapes of one run; no rise that is worth a name takes so many

Floats = NDArray[np.float64]


@lru_cache(maxsize=256)
def mean_delay(alpha: float, rate: float, before: float, every: float = 20_000) -> float:
    """Mean number of audited passes from a rise of the escape rate to the alarm of `EscapeDetector(alpha, every)`.

    Parameters
    ----------
    alpha : float
        The detector's limit, in (0, 1).
    rate, before : float
        Escape rate after the rise, in (0, 1], and before it, in [0, 1).
    every : float
        Audits per false alarm, as the detector has it.

    Returns
    -------
    float
        The mean over 1,000 seeded runs. A run that gives a false alarm before the rise starts again there. Where the
        rate never raises an alarm, or a parameter is not in its range: inf.

    Notes
    -----
    The sums are carried from escape to escape, since good audits in a row multiply them alike: m of them turn S into
    r**m S + r + ... + r**m. So a run costs its escapes, a few dozen, and not its thousands of audits. The alarm is
    looked for at escapes alone; while `alpha` is above 1e-4 no good audit brings one.

    Examples
    --------
    A rise from 0.2 to 1.4 % at a limit of 0.5 %: 780 audits.

    >>> 740 < mean_delay(0.005, 0.014, 0.002) < 820
    True
    """
    if not (0 < alpha < 1 and 0 < rate <= 1 and 0 <= before < 1):
        return float("inf")
    good, bad = (_ratios(alpha, escaped) for escaped in (False, True))
    draw = np.random.default_rng(SEED)
    sums = np.zeros((RUNS, good.size))
    if before:
        for _ in range(WARM):
            sums = _next_escape(sums, good, bad, draw.geometric(before, RUNS) - 1)
            sums[sums.mean(axis=1) >= every] = 0.0
        sums = _after(sums, good, draw.geometric(before, RUNS) - 1)  # the rise comes at any moment between two escapes
    audits, running = np.zeros(RUNS), np.ones(RUNS, dtype=bool)
    for _ in range(MOST):
        gaps = draw.geometric(rate, RUNS)
        audits += np.where(running, gaps, 0)
        sums = _next_escape(sums, good, bad, gaps - 1)
        running &= sums.mean(axis=1) < every
        if not running.any():
            return float(audits.mean())
    return float("inf")


def _ratios(alpha: float, escaped: bool) -> Floats:
    """The detector's likelihood ratios of one audit: what its sums are after a first one."""
    detector = EscapeDetector(alpha)
    detector.update(escaped)
    return np.array(detector.sums)


def _after(sums: Floats, good: Floats, audits: NDArray[np.int64]) -> Floats:
    """The sums after so many good audits in a row."""
    power = good ** audits[:, None]
    return power * sums + good * (1 - power) / (1 - good)


def _next_escape(sums: Floats, good: Floats, bad: Floats, audits: NDArray[np.int64]) -> Floats:
    return (1 + _after(sums, good, audits)) * bad
