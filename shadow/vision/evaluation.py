"""How good a model's scores are against what people judged: ranking, errors at a threshold, calibration, coverage.

Every function is total: a figure that is not defined on its input is None, never 0 and never NaN. A score
of None is a part without an answer: it lowers the coverage and enters nothing else.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri

from scoring.calibration import rounded
from shadow.agreement import clopper_pearson

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
T = TypeVar("T")
BINS = 10
HISTOGRAM_BINS = 20
CURVE_POINTS = 120  # of a curve that is kept: more than a chart can show


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram: scores in [low, high), their mean and the share scratched."""

    low: float
    high: float
    n: int
    mean_score: float
    scratched: float


@dataclass(frozen=True)
class CurvePoint:
    """Precision and recall of calling every part scratched whose score reaches the threshold."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True)
class RiskPoint:
    """Passing every part that scores at most the threshold: the share of all parts passed, and scratched of those."""

    coverage: float
    risk: float
    threshold: float


@dataclass(frozen=True)
class OperatingPoint:
    """Passing every part that scores below a threshold: what passes (n, of them k scratched) and the errors."""

    threshold: float
    n: int  # parts passed
    k: int  # scratched parts passed: escapes
    scratched: int  # scratched parts with a score
    good: int  # good parts with a score
    coverage: float | None  # passed, of all parts
    escape_rate: float | None  # escapes, of the passed
    miss_rate: float | None  # escapes, of the scratched
    false_alarm_rate: float | None  # not passed, of the good


@dataclass(frozen=True)
class SafeCoverage:
    """The loosest threshold of an order that held on past parts, and how many of the originals pass below it.

    Where not even the strictest held, `threshold` is None, `coverage` 0, and n, k and `bound` are those of the
    strictest: they say how far it was from holding.
    """

    limit: float
    threshold: float | None
    coverage: float | None
    bound: float | None
    n: int
    k: int
    originals: int


def figures(scores: Sequence[float | None], labels: Sequence[bool], threshold: float) -> dict[str, float | int | None]:
    """The figures of an evaluation.

    Parameters
    ----------
    scores : sequence of float in 0..1 or None
        Calibrated P(scratched); None where the model has no answer.
    labels : sequence of bool
        Whether a person found the part scratched; as long as `scores`.
    threshold : float
        A part is called scratched from this score on.

    Returns
    -------
    dict
        auroc, average_precision, miss_rate (of scratched parts, those below the threshold),
        false_alarm_rate (of good parts, those from it on), ece (expected calibration error), coverage (share
        of parts with a score) and n (all parts). All but n are None where undefined: no part with a score, or
        the class they speak of is absent.

    Raises
    ------
    ValueError
        When lengths differ or a score is not a number in 0..1.
    """
    known, truth = _checked(scores, labels)
    called = known >= threshold
    return {
        "auroc": auroc(known, truth),
        "average_precision": average_precision(known, truth),
        "miss_rate": _share(~called[truth]),
        "false_alarm_rate": _share(called[~truth]),
        "ece": expected_calibration_error(known, truth),
        "coverage": len(known) / len(scores) if len(scores) else None,
        "n": len(scores),
    }


def auroc(scores: Floats, labels: Bools) -> float | None:
    """P(a scratched part scores above a good one), ties counting half; None unless both classes are there.

    The Mann-Whitney form: Hanley and McNeil, Radiology 143 (1982), doi:10.1148/radiology.143.1.7063747.
    """
    scratched = int(labels.sum())
    good = len(labels) - scratched
    if not scratched or not good:
        return None
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of each tied group, from 1
    above = rank[group][labels].sum() - scratched * (scratched + 1) / 2
    return float(above / (scratched * good))


def auroc_interval(value: float | None, scratched: int, good: int, confidence: float) -> tuple[float, float]:
    """Newcombe's interval of an AUROC (method 5): as Wilson's of a share, it has a width at 1, too.

    All areas from which the observed one is no further than chance explains, with the variance of Hanley and McNeil at
    the area itself. Parts count as independent.

    Parameters
    ----------
    value : float in 0..1 or None
        The observed area; None where it is not defined.
    scratched, good : int >= 0
        Parts of each class.
    confidence : float
        Two-sided, in (0, 1).

    Returns
    -------
    (low, high) : tuple of float
        In [0, 1]; (0.0, 1.0) where the area is not defined.

    References
    ----------
    Newcombe, Statistics in Medicine 25 (2006), 559-573, doi:10.1002/sim.2324.

    Examples
    --------
    >>> [round(end, 3) for end in auroc_interval(1.0, 20, 40, 0.95)]
    [0.92, 1.0]
    """
    if value is None or not scratched or not good:
        return 0.0, 1.0
    z = float(ndtri((1 + confidence) / 2))
    more = (scratched + good) / 2 - 1

    def chance_explains(area: float) -> bool:
        spread = 1 + more * ((1 - area) / (2 - area) + area / (1 + area))
        return abs(value - area) <= z * math.sqrt(area * (1 - area) * spread / (scratched * good))

    def edge(outside: float) -> float:
        inside = value
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if chance_explains(middle) else (inside, middle)
        return inside

    return edge(0.0), edge(1.0)


def average_precision(scores: Floats, labels: Bools) -> float | None:
    """Precision averaged over the steps of recall, without interpolation; None without a scratched part."""
    points = pr_curve(scores, labels)
    if not points:
        return None
    recall = np.array([0.0, *(point.recall for point in points)])
    return float(np.sum(np.diff(recall) * [point.precision for point in points]))


def pr_curve(scores: Sequence[float] | Floats, labels: Sequence[bool] | Bools) -> list[CurvePoint]:
    """Precision and recall at every distinct score, highest first; empty without a scratched part."""
    known, truth = np.asarray(scores, float), np.asarray(labels, bool)
    if not truth.any():
        return []
    order = np.argsort(-known, kind="stable")
    known, truth = known[order], truth[order]
    last = np.flatnonzero(np.append(np.diff(known) != 0, True))  # the last part of each tied group
    found = np.cumsum(truth)[last]
    return [
        CurvePoint(float(known[i]), float(f / (i + 1)), float(f / truth.sum()))
        for i, f in zip(last, found, strict=True)
    ]


def reliability_bins(scores: Sequence[float] | Floats, labels: Sequence[bool] | Bools, bins: int = BINS) -> list[Bin]:
    """The filled bars of a reliability diagram over equal widths of score; a score of 1 is in the last."""
    known, truth = np.asarray(scores, float), np.asarray(labels, bool)
    index = np.minimum((known * bins).astype(int), bins - 1)
    found = []
    for i in np.unique(index):
        inside = index == i
        share = float(truth[inside].mean())
        found.append(Bin(i / bins, (i + 1) / bins, int(inside.sum()), float(known[inside].mean()), share))
    return found


def risk_coverage(scores: Sequence[float | None], labels: Sequence[bool]) -> list[RiskPoint]:
    """The risk-coverage curve: parts pass by rising score, and at each distinct score one looks at what has passed.

    Parameters
    ----------
    scores : sequence of float in 0..1 or None
        None where the model has no answer: such a part never passes, and counts in the coverage's denominator.
    labels : sequence of bool
        Whether a person found the part scratched.

    Returns
    -------
    list of RiskPoint
        Rising coverage, rising threshold; `risk` is the selective risk, scratched parts among the passed. Empty
        where no part has a score.

    References
    ----------
    El-Yaniv and Wiener (2010), On the foundations of noise-free selective classification, JMLR 11, 1605-1641.

    Examples
    --------
    >>> [(p.coverage, p.risk) for p in risk_coverage([0.1, 0.2, 0.2, None], [False, True, False, False])]
    [(0.25, 0.0), (0.75, 0.3333333333333333)]
    """
    known, truth = _checked(scores, labels)
    order = np.argsort(known, kind="stable")
    known, truth = known[order], truth[order]
    last = [i for i in range(len(known)) if i + 1 == len(known) or known[i + 1] != known[i]]
    escaped = np.cumsum(truth)
    return [RiskPoint((i + 1) / len(scores), float(escaped[i] / (i + 1)), float(known[i])) for i in last]


def operating_points(
    scores: Sequence[float | None], labels: Sequence[bool], thresholds: Sequence[float]
) -> list[OperatingPoint]:
    """What passes, and what goes wrong, at each threshold of an order; parts without a score never pass.

    Parameters
    ----------
    scores, labels
        As in `risk_coverage`.
    thresholds : sequence of float
        A part passes that scores below; the points come in this order.

    Returns
    -------
    list of OperatingPoint
        Rates are None where nothing is in their denominator.
    """
    known, truth = _checked(scores, labels)
    return [_point(known, truth, len(scores), float(threshold)) for threshold in thresholds]


def _point(known: Floats, truth: Bools, parts: int, threshold: float) -> OperatingPoint:
    passed = known < threshold
    n = int(passed.sum())
    return OperatingPoint(
        threshold=threshold, n=n, k=int(truth[passed].sum()), scratched=int(truth.sum()), good=int((~truth).sum()),
        coverage=n / parts if parts else None, escape_rate=_share(truth[passed]), miss_rate=_share(passed[truth]),
        false_alarm_rate=_share(~passed[~truth]),
    )  # fmt: skip


def safe_coverage(
    scores: Sequence[float | None],
    labels: Sequence[bool],
    groups: Sequence[str],
    thresholds: Sequence[float],
    limit: float = 0.05,
    delta: float = 0.05,
) -> SafeCoverage:
    """The share of past parts that could have passed with at most `limit` of them scratched, by one planned look.

    RETROSPECTIVE: it says how far a version might go, and never certifies a level. The photos were gathered for
    another end and may have been looked at before; a level is certified on live, blind verdicts alone
    (`automation.evidence`).

    Parameters
    ----------
    scores, labels
        As in `risk_coverage`.
    groups : sequence of str
        The original (part, phone) that each row shows. Rows of one original are no independent trials, so only its
        first row, in the order given, counts.
    thresholds : sequence of float
        The frozen order, strict to loose. Tested one by one, each at the full `delta`, until the first that fails
        (fixed sequence), so the probability of naming any threshold whose rate exceeds `limit` stays at `delta`.
    limit : float in 0..1
        The share of scratched parts among the passed, R, that is still safe.
    delta : float in 0..1
        Error probability of the one look.

    Returns
    -------
    SafeCoverage
        A threshold holds when P(Bin(n, limit) <= k) <= delta for k scratched of n passed originals, which is when
        the one-sided Clopper-Pearson upper bound is at most `limit`. No data is nothing held; `coverage` is None
        where there is no original at all.

    References
    ----------
    Clopper and Pearson (1934), Biometrika 26, 404-413. Maurer, Hothorn and Lehmacher (1995), fixed-sequence testing
    of a priori ordered hypotheses; for thresholds of a model: Angelopoulos et al., Learn then test, arXiv:2110.01052.

    Examples
    --------
    59 parts without a scratch are the fewest that hold 5 % (0.95 ** 59 <= 0.05):

    >>> safe_coverage([0.1] * 59, [False] * 59, [str(n) for n in range(59)], [0.5]).threshold
    0.5
    >>> safe_coverage([0.1] * 58, [False] * 58, [str(n) for n in range(58)], [0.5]).threshold is None
    True
    """
    if len(groups) != len(scores):
        raise ValueError(f"{len(groups)} groups for {len(scores)} scores")
    first = list({group: row for row, group in reversed(list(enumerate(groups)))}.values())
    known, truth = _checked([scores[row] for row in first], [labels[row] for row in first])
    held = None
    points = [_point(known, truth, len(first), float(threshold)) for threshold in thresholds]
    for point in points:
        if not point.n or not bdtr(point.k, point.n, limit) <= delta:
            break
        held = point
    told = held or (points[0] if points else None)
    n, k = (told.n, told.k) if told else (0, 0)
    return SafeCoverage(
        limit=limit, threshold=held.threshold if held else None,
        coverage=held.coverage if held else 0.0 if first else None,
        bound=clopper_pearson(k, n, delta)[1] if n else None, n=n, k=k, originals=len(first),
    )  # fmt: skip


def curves_of(
    scores: Sequence[float | None], labels: Sequence[bool], thresholds: Sequence[float]
) -> dict[str, list[Any] | dict[str, Any]]:
    """Everything that a model card draws, ready for JSON.

    Returns
    -------
    dict
        `pr` [[recall, precision, threshold]] and `risk_coverage` [[coverage, risk, threshold]], each of at most
        `CURVE_POINTS` points kept evenly with both ends; `reliability` [{low, high, n, mean_score, scratched}];
        `histogram` {edges, ok, scratched} with counts of good and of scratched parts by score; `operating_points`
        the fields of `OperatingPoint`. What is undefined is an empty list or None. Points of curves are rounded to
        six significant digits.
    """
    known, truth = _checked(scores, labels)
    edges = [i / HISTOGRAM_BINS for i in range(HISTOGRAM_BINS + 1)]
    risks, precise = _thinned(risk_coverage(scores, labels)), _thinned(pr_curve(known, truth))
    return {
        "pr": [[rounded(p.recall), rounded(p.precision), rounded(p.threshold)] for p in precise],
        "risk_coverage": [[rounded(p.coverage), rounded(p.risk), rounded(p.threshold)] for p in risks],
        "reliability": [asdict(b) for b in reliability_bins(known, truth)],
        "histogram": {"edges": edges, "ok": _counts(known[~truth], edges), "scratched": _counts(known[truth], edges)},
        "operating_points": [asdict(point) for point in operating_points(scores, labels, thresholds)],
    }


def _thinned(points: list[T]) -> list[T]:
    """At most `CURVE_POINTS` of the points, evenly by their place in the list, the first and the last among them."""
    places = np.linspace(0, len(points) - 1, min(len(points), CURVE_POINTS)).round().astype(int)
    return [points[i] for i in places]


def _counts(scores: Floats, edges: Sequence[float]) -> list[int]:
    """Scores in [low, high) of each bar; a score of 1 is in the last."""
    return [int(n) for n in np.histogram(scores, edges)[0]]


def expected_calibration_error(scores: Floats, labels: Bools, bins: int = BINS) -> float | None:
    """Mean distance between score and share scratched, over equal-width bins weighted by their parts.

    Naeini, Cooper and Hauskrecht, AAAI 2015. None without parts. Biased upwards on small samples.
    """
    if not len(scores):
        return None
    return sum(abs(b.mean_score - b.scratched) * b.n for b in reliability_bins(scores, labels, bins)) / len(scores)


def _checked(scores: Sequence[float | None], labels: Sequence[bool]) -> tuple[Floats, Bools]:
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores for {len(labels)} labels")
    pairs = [(score, label) for score, label in zip(scores, labels, strict=True) if score is not None]
    known = np.array([score for score, _ in pairs], dtype=float)
    if not ((known >= 0) & (known <= 1)).all():
        raise ValueError("a score is not a number in 0..1")
    return known, np.array([label for _, label in pairs], dtype=bool)


def _share(hits: Bools) -> float | None:
    return float(hits.mean()) if len(hits) else None
