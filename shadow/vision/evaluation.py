"""How good a model's scores are against what people judged: ranking, errors at a threshold, calibration.

Every function is total: a figure that is not defined on its input is None, never 0 and never NaN. A score
of None is a part without an answer: it lowers the coverage and enters nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
BINS = 10


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
