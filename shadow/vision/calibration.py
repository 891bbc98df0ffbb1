"""From logits to probabilities, and the thresholds that are frozen with a version.

All of it is fitted on the calibration split alone: parts that the weights never saw and the test figures
never use.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TEMPERATURES = (0.05, 20.0)
FIRST_COVERAGE = 0.3  # the strictest threshold passes this share of good parts, so that evidence gathers
BELOW, ABOVE = 10, 4  # thresholds under and over the operating one
RESOLUTION = 6  # significant digits: what a page shows is what is compared


def negative_log_likelihood(logits: Floats, labels: Bools, temperature: float = 1.0) -> float:
    """Mean surprise, in nats, at the labels when P(scratched) = sigmoid(logit / temperature)."""
    margin = np.where(labels, logits, -logits) / temperature
    return float(np.logaddexp(0.0, -margin).mean())


def fit_temperature(logits: Floats, labels: Bools) -> float:
    """The temperature of least surprise (Guo et al., ICML 2017, arXiv:1706.04599), in `TEMPERATURES`.

    The labels are softened as in Platt (1999), (k + 1) / (k + 2) for k parts of a class, or a split that
    the model separates without error would ask for certainty. 1.0 when a class is absent: nothing can be
    learnt then.
    """
    scratched, good = int(labels.sum()), int((~labels).sum())
    if not scratched or not good:
        return 1.0
    target = np.where(labels, (scratched + 1) / (scratched + 2), 1 / (good + 2))

    def surprise(log_temperature: float) -> float:
        z = logits / np.exp(log_temperature)
        return float((np.logaddexp(0.0, z) - target * z).mean())

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(surprise, bounds=(low, high), method="bounded").x))


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
