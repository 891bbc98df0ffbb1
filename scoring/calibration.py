"""From logits to probabilities, and the thresholds that are frozen with a version.

All of it is fitted on the calibration split alone: parts that the weights never saw and the test figures
never use.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.floating[Any]]

SLOPES = (0.05, 20.0)
FIRST_COVERAGE = 0.3  # the strictest threshold passes this share of good parts, so that evidence gathers
BELOW, ABOVE = 10, 4  # thresholds under and over the operating one
RESOLUTION = 6  # significant digits: what a page shows is what is compared


@dataclass(frozen=True)
class Calibration:
    """P(scratched) = sigmoid(slope x logit + offset); the slope is above 0, so that the ranking stays."""

    slope: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (self.slope > 0 and np.isfinite([self.slope, self.offset]).all()):
            raise ValueError(f"slope {self.slope} and offset {self.offset} are no calibration")

    def probabilities(self, logits: Numbers) -> Numbers:
        return expit(self.slope * logits + self.offset)  # type: ignore[no-any-return]

    def surprise(self, logits: Floats, labels: Bools) -> Floats:
        """Negative log likelihood, in nats, of each label: (n,)."""
        z = self.slope * logits + self.offset
        return np.logaddexp(0.0, np.where(labels, -z, z))


def fit(logits: Floats, labels: Bools) -> Calibration:
    """The calibration of least surprise (Platt, 1999), its slope within `SLOPES`.

    The labels are softened as Platt has it, (k + 1) / (k + 2) for k parts of a class, or a split that the model
    separates without error would ask for certainty. The identity when a class is absent: nothing can be learnt then.
    """
    scratched, good = int(labels.sum()), int((~labels).sum())
    if not scratched or not good:
        return Calibration()
    target = np.where(labels, (scratched + 1) / (scratched + 2), 1 / (good + 2))

    def surprise(parameters: Floats) -> float:
        z = np.exp(parameters[0]) * logits + parameters[1]
        return float((np.logaddexp(0.0, z) - target * z).mean())

    low, high = np.log(SLOPES)
    found = minimize(surprise, [0.0, 0.0], method="L-BFGS-B", bounds=[(low, high), (-30.0, 30.0)])
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))


def operating_threshold(scores: Floats, labels: Bools) -> float:
    """The score from which a part is called scratched: where miss rate + false-alarm rate is least.

    Youden, Cancer 3 (1950) 32-35. Of the scores between two neighbours it takes the middle (in log odds),
    of equal minima the strictest. 0.5 when a class is absent.
    """
    if labels.all() or not labels.any():
        return 0.5
    values = np.unique(scores)  # ascending
    odds = logit(np.clip(values, 1e-9, 1 - 1e-9))
    cuts = expit((odds[1:] + odds[:-1]) / 2) if len(values) > 1 else values
    errors = [(scores[labels] < cut).mean() + (scores[~labels] >= cut).mean() for cut in cuts]
    return rounded(float(cuts[int(np.argmin(errors))]))


def threshold_order(scores: Floats, labels: Bools, operating: float) -> list[float]:
    """About 15 score thresholds, strict to loose (increasing), the operating one among them.

    A part passes when its score is below the threshold in force. The order is tested one by one until the
    first failure, so it must not start where hardly a part passes and evidence would never gather: the
    strictest passes `FIRST_COVERAGE` of the good calibration parts. From there to the operating threshold
    the steps are even in the share of good parts; above it they are even in log odds, up to the score of
    the median scratched part.
    """
    good, scratched = scores[~labels], scores[labels]
    steps: list[float] = []
    if len(good):
        covered = float((good < operating).mean())
        shares = np.linspace(min(FIRST_COVERAGE, covered), covered, BELOW, endpoint=False)
        steps += [float(v) for v in np.quantile(good, shares) if v < operating]
    if len(scratched) and (median := float(np.median(scratched))) > operating:
        low, high = logit(np.clip([operating, median], 1e-9, 1 - 1e-9))
        steps += [float(v) for v in expit(np.linspace(low, high, ABOVE + 1)[1:])]
    return sorted({rounded(value) for value in steps} | {operating})


def rounded(score: float) -> float:
    return float(f"{score:.{RESOLUTION}g}")
