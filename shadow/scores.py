"""Scores counted in bins, so that histogram, risk and coverage, and reliability of millions of parts come from counts.

Nothing here knows a single score: what is exact is exact because it is asked at the edges of the bins, and because the
scores of a bin are summed in whole millionths.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

from shadow.agreement import Rate

TEN_THOUSAND = 10_000
MILLION = 1_000_000

# Steps of 0.05, and finer where thresholds stand: near 0, where parts are passed, and near 1, where they are rejected.
_STEPS = range(0, TEN_THOUSAND + 1, 500)
_FINE = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400)
_EDGES = tuple(sorted({*_STEPS, *_FINE, *(TEN_THOUSAND - edge for edge in _FINE)}))  # in ten-thousandths

EDGES = tuple(edge / TEN_THOUSAND for edge in _EDGES)
"""Edges of the bins, ascending from 0.0 to 1.0: the floats of these decimals."""

BINS = len(EDGES) - 1

# A bin of the reliability plot has this many parts, or is as wide as it may become.
ENOUGH = 20
WIDEST = 1_000  # ten-thousandths


def bin_of(score: float | None) -> int:
    """The bin that a score falls into: bin i holds EDGES[i] <= score < EDGES[i + 1], the last one 1.0 too.

    No score, NaN, or one outside [0, 1] raises ValueError.

    >>> [bin_of(score) for score in (0.0, 0.0001, 0.05, 1.0)] == [0, 1, EDGES.index(0.05), BINS - 1]
    True
    """
    if score is None or not 0 <= score <= 1:
        raise ValueError(f"A score is a number from 0 to 1, not {score}.")
    return min(bisect_right(EDGES, score), BINS) - 1


@dataclass(frozen=True)
class ScoreCounts:
    """Parts by bin of their score and by what the person called them. Counts of disjoint parts can be added.

    Parameters
    ----------
    ok, scratched : tuple of int, one entry per bin
        Parts that the person called ok and scratched, >= 0.
    micro : tuple of int, one entry per bin
        The sum of all scores in the bin, in whole millionths.

    Raises
    ------
    ValueError
        Another number of bins, or a negative count.
    """

    ok: tuple[int, ...]
    scratched: tuple[int, ...]
    micro: tuple[int, ...]

    def __post_init__(self) -> None:
        for counts in (self.ok, self.scratched, self.micro):
            if len(counts) != BINS or min(counts) < 0:
                raise ValueError(f"Scores are counted in {BINS} bins, each 0 or more.")

    @classmethod
    def from_bins(cls, bins: Mapping[int, tuple[int, int, int]]) -> ScoreCounts:
        """From {bin: (ok, scratched, micro)}; bins left out are empty, an unknown bin raises ValueError."""
        if not bins.keys() <= set(range(BINS)):
            raise ValueError(f"Bins are numbered from 0 to {BINS - 1}.")
        rows = [bins.get(place, (0, 0, 0)) for place in range(BINS)]
        return cls(tuple(row[0] for row in rows), tuple(row[1] for row in rows), tuple(row[2] for row in rows))

    @classmethod
    def of(cls, scores_and_outcomes: Iterable[tuple[float, bool]]) -> ScoreCounts:
        """Count pairs of a score and whether the person called the part scratched."""
        ok, scratched, micro = [0] * BINS, [0] * BINS, [0] * BINS
        for score, is_scratched in scores_and_outcomes:
            place = bin_of(score)
            (scratched if is_scratched else ok)[place] += 1
            micro[place] += round(score * MILLION)
        return cls(tuple(ok), tuple(scratched), tuple(micro))

    def __add__(self, other: ScoreCounts) -> ScoreCounts:
        return ScoreCounts(
            tuple(map(int.__add__, self.ok, other.ok)),
            tuple(map(int.__add__, self.scratched, other.scratched)),
            tuple(map(int.__add__, self.micro, other.micro)),
        )

    def __sub__(self, other: ScoreCounts) -> ScoreCounts:
        """Take away parts that were counted; more than there are raises ValueError."""
        return ScoreCounts(
            tuple(map(int.__sub__, self.ok, other.ok)),
            tuple(map(int.__sub__, self.scratched, other.scratched)),
            tuple(map(int.__sub__, self.micro, other.micro)),
        )

    @property
    def n(self) -> int:
        """Parts."""
        return sum(self.ok) + sum(self.scratched)


EMPTY = ScoreCounts.from_bins({})


@dataclass(frozen=True)
class Bar:
    """Parts with low <= score < high, by what the person called them; the last bar holds 1.0 too."""

    low: float
    high: float
    ok: int
    scratched: int


def histogram(counts: ScoreCounts) -> list[Bar]:
    """The parts in 20 bars, each 0.05 wide; without parts all of them are empty."""
    bars = []
    for low, high in pairwise(_STEPS):
        within = slice(_EDGES.index(low), _EDGES.index(high))
        ok, scratched = sum(counts.ok[within]), sum(counts.scratched[within])
        bars.append(Bar(low / TEN_THOUSAND, high / TEN_THOUSAND, ok, scratched))
    return bars


@dataclass(frozen=True)
class RiskPoint:
    """What passing every score below `threshold` means.

    `coverage`: passed of all parts. `risk`: scratched of the passed. `miss`: passed of the scratched. At the threshold
    1.0 every part passes, a score of 1.0 too.
    """

    threshold: float
    coverage: Rate
    risk: Rate
    miss: Rate


def risk_coverage(counts: ScoreCounts) -> list[RiskPoint]:
    """Risk against coverage with a threshold at each edge above 0, exact there.

    Parameters
    ----------
    counts : ScoreCounts
        Parts with a score and a person's answer.

    Returns
    -------
    list of RiskPoint
        By rising threshold; a point that passes the same parts as the one before is left out. No parts: no points.
        Nothing passed yet: a coverage of 0 and a risk without a value. No scratched part: `miss` without a value.

    References
    ----------
    El-Yaniv and Wiener (2010), On the foundations of noise-free selective classification, JMLR 11, 1605-1641.
    """
    if not counts.n:
        return []
    points: list[RiskPoint] = []
    ok_below, scratched_below = accumulate(counts.ok), accumulate(counts.scratched)
    for threshold, ok, scratched in zip(EDGES[1:], ok_below, scratched_below, strict=True):
        coverage = Rate(ok + scratched, counts.n)
        if not points or coverage != points[-1].coverage:
            miss = Rate(scratched, sum(counts.scratched))
            points.append(RiskPoint(threshold, coverage, Rate(scratched, ok + scratched), miss))
    return points


@dataclass(frozen=True)
class CalibrationBin:
    """Parts with low <= score < high (1.0 too where high is 1): their mean score, and how many are scratched."""

    low: float
    high: float
    n: int
    mean_score: float
    scratched: Rate


def reliability(counts: ScoreCounts) -> list[CalibrationBin]:
    """Mean score against the share scratched, in bins wide enough to say something.

    Neighbouring bins are merged from 0 upwards. A merged bin is closed when it holds 20 parts or more, or when the
    next one would make it wider than 0.1; then the next begins. So a bin of fewer than 20 parts is one that could not
    grow, or the last. Bins without parts have no mean and are left out.

    Parameters
    ----------
    counts : ScoreCounts
        Parts with a score and a person's answer.

    Returns
    -------
    list of CalibrationBin
        By rising score. No parts: no bins. One class: shares of 0 or of 1.

    References
    ----------
    Murphy and Winkler (1977), Applied Statistics 26, 41-47.
    """
    bins = []
    for first, end in _merged(counts):
        ok, scratched = sum(counts.ok[first:end]), sum(counts.scratched[first:end])
        if n := ok + scratched:
            mean = sum(counts.micro[first:end]) / (MILLION * n)
            bins.append(CalibrationBin(EDGES[first], EDGES[end], n, mean, Rate(scratched, n)))
    return bins


def _merged(counts: ScoreCounts) -> Iterator[tuple[int, int]]:
    """Runs of bins that are merged, as (first, end) with end left out."""
    first = parts = 0
    for place in range(BINS):
        parts += counts.ok[place] + counts.scratched[place]
        last = place + 1 == BINS
        if last or parts >= ENOUGH or _EDGES[place + 2] - _EDGES[first] > WIDEST:
            yield first, place + 1
            first, parts = place + 1, 0


def expected_calibration_error(counts: ScoreCounts) -> float | None:
    """How far the mean score is from the share scratched, averaged over the bins of `reliability` by their parts.

    Returns
    -------
    float or None
        In [0, 1]; None without parts.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI.
    """
    if not counts.n:
        return None
    return sum(abs(group.mean_score * group.n - group.scratched.k) for group in reliability(counts)) / counts.n
