"""How unlike the photos of its training a photo is: a Mahalanobis distance on the network's own features.

Lee, Lee, Lee and Shin, NeurIPS 2018, arXiv:1807.03888, with one Gaussian for all photos: what is asked is
whether the photo belongs to this station at all, not to which class.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEADING = 8  # principal coordinates that the watch is given of each photo
QUANTILE = 0.995  # of the calibration photos lie within the limit
LEAST_SHARE = 0.1  # of the training is a kind of photo taken to be
ROOM = 1.25  # the limit above that quantile: phones that were never seen are a little farther than those that were


def is_out_of_distribution(novelty: float | None) -> bool:
    """Whether photos are unlike those of the version's training; None (an earlier system's answer) says nothing."""
    return novelty is not None and not novelty < 1


@dataclass(frozen=True)
class Novelty:
    """Where the training photos lie among the features."""

    mean: Floats  # (F,)
    whiten: Floats  # (F, F); distance = |(x - mean) @ whiten|
    limit: float  # distance from which a photo counts as out of distribution

    def of(self, features: NDArray[np.floating]) -> Floats:
        """Distances of features (n, F) as multiples of the limit: from 1 on, out of distribution."""
        distance: Floats = np.linalg.norm((features - self.mean) @ self.whiten, axis=1) / self.limit
        return distance

    def coordinates(self, features: NDArray[np.floating]) -> Floats:
        """The `LEADING` principal coordinates in which the training photos differ most, each with sd 1: (n, LEADING)."""
        leading: Floats = (features - self.mean) @ self.whiten[:, -LEADING:]  # `fit` orders them, the widest last
        return leading


def fit(
    features: NDArray[np.floating], apart: NDArray[np.floating], kinds: Sequence[Hashable] | None = None
) -> Novelty:
    """Fit to features (n, F) of training photos; the limit comes from features (m, F) of photos kept apart.

    The covariance is shrunk toward its diagonal by F / (F + n), n the effective number of photos, so that few do not
    make it singular. Without photos kept apart the limit is that of the training photos themselves. `kinds` (n,) tells
    photos of different cameras: one that the training has few of weighs at least `LEAST_SHARE`, or it would be strange.
    """
    count, size = features.shape
    weights = _weights(kinds if kinds is not None else [0] * count)  # (n,), in all 1
    mean = weights @ features.astype(np.float64)
    spread = np.cov(features, rowvar=False, dtype=np.float64, aweights=weights) if count > 1 else np.zeros((size, size))
    part = size / (size + 1 / float((weights**2).sum()))
    floor = 1e-4 * float(np.trace(spread)) / size + 1e-8
    shrunk = (1 - part) * spread + part * np.diag(np.diag(spread)) + floor * np.eye(size)
    values, vectors = np.linalg.eigh(shrunk)
    loose = Novelty(mean, vectors / np.sqrt(values), 1.0)
    distances = loose.of(apart if len(apart) else features)
    limit = ROOM * float(np.quantile(distances, QUANTILE)) if len(distances) else 1.0
    return Novelty(loose.mean, loose.whiten, max(limit, 1e-6))


def _weights(kinds: Sequence[Hashable]) -> Floats:
    counts = Counter(kinds)
    shares = {kind: max(LEAST_SHARE, count / len(kinds)) for kind, count in counts.items()}
    return np.array([shares[kind] / counts[kind] for kind in kinds]) / sum(shares.values())
