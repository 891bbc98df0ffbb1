"""Detectors of change, each with one number to set: one false alarm per `every` parts.

A detector is a small dataclass whose fields are its whole state: `update(value)` takes one part and answers
True on an alarm, after which it starts afresh; `to_json()` and `from_json(state)` give the same future. None,
NaN and infinity are counted in `missing` and never enter a sum. With m detectors on one line give each
`every` = N * m.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import fdtrc, gammainccinv, gammaincinv, stdtrit

Floats = NDArray[np.float64]
Shape = Literal["unknown", "sudden", "gradual"]

SHIFTS = (-2.0, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 2.0)  # in sd of a batch mean
ODDS = (1 / 4, 1 / 2, 2 / 3, 1.5, 2.0, 3.0, 5.0, 10.0)
SPREAD_WEIGHT = 0.05  # EWMA of about the last 20 parts
SPREAD_CAP = 9.0  # z * z counts at most 3 sd: a single outlier is the instant rule's business
SPREAD_TAIL = 2.4  # solved for this weight and cap, see spread_limits
WINDOW = 500  # parts between two window tests
INSTANT_SD = 6.0
SHAPE_PARTS = 1_000  # parts after an alarm before step and ramp can be told apart
BLOCKS = 50  # means of blocks, not parts, are fitted: neighbours correlate


def shiryaev_roberts(sums: Sequence[float], ratios: Sequence[float]) -> list[float]:
    """One step of the sums S <- (1 + S) * ratio, one likelihood ratio per alternative; no sums yet are zeros.

    Without a change the mean of S grows by 1 a step, so the first time that it reaches c comes after c steps
    or more on average (Pollak 1987, Annals of Statistics 15, 749-779).
    """
    return [(1 + total) * ratio for total, ratio in zip(sums or [0.0] * len(ratios), ratios, strict=True)]


def _standardised(value: float, mean: float, sd: float) -> float:
    """(value - mean) / sd within +-100; sd = 0 makes any departure 100 sd, and no baseline makes it 0."""
    departure = float(value) - mean
    if departure == 0 or not (math.isfinite(mean) and sd >= 0):
        return 0.0
    return max(-100.0, min(100.0, departure / sd)) if sd > 0 else math.copysign(100.0, departure)


@dataclass
class ShiryaevRoberts:
    """Change of a mean: a Shiryaev-Roberts sum over shifts of the mean of a batch, up and down.

    Parameters
    ----------
    mean, sd : float
        Frozen baseline of >= 1,000 parts; `sd` = sqrt(batch) x the sd of its *batch means*, which takes
        correlation between neighbours in. sd = 0: any departure is an alarm. Not finite, or sd < 0: never an
        alarm.
    every : float
        Mean parts to a false alarm, at least; not a number: never an alarm.
    batch : int
        Parts per mean, 20, or 50 to 100 where neighbours correlate; less than 1 counts as 1.
    doubt : float
        How far the baseline's mean may be off, in sd of a batch mean, 0 or more: a true mean anywhere within it is no
        change. Each ratio is then of mean + doubt + shift against mean + doubt (below, the mirror), whose expectation
        is at most 1 for every mean that is nearer, so that the stated run holds for all of them.
    """

    mean: float
    sd: float
    every: float
    batch: int = 20
    doubt: float = 0.0
    sums: list[float] = field(default_factory=list)
    total: float = 0.0
    count: int = 0
    missing: int = 0

    def update(self, value: float | None) -> bool:
        if value is None or not math.isfinite(value):
            self.missing += 1
            return False
        self.total += _standardised(value, self.mean, self.sd)
        self.count += 1
        return self.count >= self.batch and self._close_batch()

    def _close_batch(self) -> bool:
        z = self.total / math.sqrt(self.count)
        # 100 is far past any threshold and keeps the sums finite, hence storable.
        ratios = [math.exp(min(100.0, shift * z - abs(shift) * self.doubt - shift * shift / 2)) for shift in SHIFTS]
        self.sums = shiryaev_roberts(self.sums, ratios)
        self.total, self.count = 0.0, 0
        alarm = sum(self.sums) / len(self.sums) >= self.every / max(1, self.batch)
        if alarm:
            self.reset()
        return alarm

    def reset(self) -> None:
        self.sums, self.total, self.count = [], 0.0, 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> ShiryaevRoberts:
        return cls(**state)


@dataclass
class EwmaSpread:
    """Change of a spread: an exponentially weighted mean of z squared, between two limits.

    Parameters
    ----------
    mean, sd : float
        Frozen baseline of single parts, taken as normal and independent: feed every 20th part where
        neighbours correlate. sd = 0: any departure is an alarm. Not finite, or sd < 0: never an alarm.
    every : float
        Mean parts to a false alarm, up to 1e9 (also taken for what is larger or not a number).
    doubt : float
        How far the baseline's sd may be off, as a share of it, 0 or more; both limits give way to it.

    Notes
    -----
    Roberts (1959), Technometrics 1, 239-250. The limits are solved from the run length of the chain of Brook
    and Evans (1972), Biometrika 59, 539-549.
    """

    mean: float
    sd: float
    every: float
    doubt: float = 0.0
    spread: float = 1.0
    missing: int = 0

    def update(self, value: float | None) -> bool:
        if value is None or not math.isfinite(value):
            self.missing += 1
            return False
        if not (math.isfinite(self.mean) and self.sd >= 0):
            return False
        z = _standardised(value, self.mean, self.sd)
        self.spread += SPREAD_WEIGHT * (min(SPREAD_CAP, z * z) - self.spread)
        low, high = spread_limits(self.every)
        room = (1 + self.doubt) ** 2
        # A constant baseline has no spread to lose.
        alarm = z != 0 if self.sd == 0 else not low / room <= self.spread <= high * room
        if alarm:
            self.reset()
        return alarm

    def reset(self) -> None:
        self.spread = 1.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> EwmaSpread:
        return cls(**state)


@lru_cache(maxsize=64)
def spread_limits(every: float) -> tuple[float, float]:
    """Limits of `EwmaSpread` between which a normal z stays for `every` parts on average, or up to 1.5 times as long.

    Each is a tail of SPREAD_TAIL / every, at most 0.49, of the chi-square law with the EWMA's variance. The run length
    of the chain of Brook and Evans (1972, Biometrika 59, 539-549), times that tail, lies between 2.4 and 3.6 for every
    = 100 to 100 million parts and rises beyond. An `every` that is not a number has no limits: (0.0, inf).
    """
    if math.isnan(every):
        return 0.0, math.inf
    degrees = (2 - SPREAD_WEIGHT) / SPREAD_WEIGHT
    tail = min(0.49, SPREAD_TAIL / every) if every > 0 else 0.49
    return 2 * float(gammaincinv(degrees / 2, tail)) / degrees, chi_square_above(tail, degrees) / degrees


def chi_square_above(level: float, degrees: float) -> float:
    """What chi-square of so many degrees of freedom exceeds with the chance `level`."""
    return 2 * float(gammainccinv(degrees / 2, level))


@dataclass
class BernoulliSR:
    """Change of a rate, up or down: a Shiryaev-Roberts sum over odds of 1/4 to 10 times the baseline's.

    Parameters
    ----------
    rate : float
        Frozen baseline, in [0, 1]; nearer to 0 or 1 than 1 / every counts as 1 / every away. Not a number:
        never an alarm.
    every : float
        Mean labels to a false alarm, at least; not a number: never an alarm.
    low, high : float or None
        Between which the baseline's true rate may lie; None: it is `rate`. A rise is then measured from `high` and a
        fall from `low`, and the stated run holds for every rate between them.
    """

    rate: float
    every: float
    low: float | None = None
    high: float | None = None
    sums: list[float] = field(default_factory=list)
    missing: int = 0

    def update(self, value: float | bool | None) -> bool:
        """Take one label; anything but 0 is the event."""
        if value is None or not math.isfinite(value):
            self.missing += 1
            return False
        if math.isnan(self.rate) or not math.isfinite(self.every):
            return False
        self.sums = shiryaev_roberts(self.sums, self._ratios()[bool(value)])
        alarm = sum(self.sums) / len(self.sums) >= self.every
        if alarm:
            self.reset()
        return alarm

    def _ratios(self) -> tuple[list[float], list[float]]:
        low, high = self.rate if self.low is None else self.low, self.rate if self.high is None else self.high
        return _label_ratios(low, high, self.every)

    def reset(self) -> None:
        self.sums = []

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> BernoulliSR:
        return cls(**state)


@lru_cache(maxsize=1024)
def _label_ratios(low: float, high: float, every: float) -> tuple[list[float], list[float]]:
    """Likelihood ratios per odds factor of no event and of an event: falls from `low`, rises from `high`."""
    floor = 1 / max(2.0, every)
    rates = [min(max(low if factor < 1 else high, floor), 1 - floor) for factor in ODDS]
    unlike = [1 / (1 - rate + factor * rate) for factor, rate in zip(ODDS, rates, strict=True)]  # (1 - q) / (1 - rate)
    return unlike, [factor * ratio for factor, ratio in zip(ODDS, unlike, strict=True)]


@dataclass
class TwoOfThree:
    """An alarm when two of the last three windows reject; one that could not be tested (None) is skipped."""

    recent: list[bool] = field(default_factory=list)
    missing: int = 0

    def update(self, rejected: bool | None) -> bool:
        if rejected is None:
            self.missing += 1
            return False
        self.recent = [*self.recent[-2:], bool(rejected)]
        alarm = sum(self.recent) >= 2
        if alarm:
            self.reset()
        return alarm

    def reset(self) -> None:
        self.recent = []

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> TwoOfThree:
        return cls(**state)


def window_level(every: float, window: int = WINDOW) -> float:
    """Level of a window test with which `TwoOfThree` raises one false alarm per `every` parts.

    With independent windows that reject with probability p the mean run is (1 + 2p - p^2) / (p^2 (2 - p))
    windows, solved here for p in (0, 1]; an `every` of two windows or less gives 1.0, and one that is no
    number, or beyond 1e15 windows, the level of 1e15.
    """
    windows = every / max(1, window)
    windows = windows if windows < 1e15 else 1e15
    if windows <= 2:
        return 1.0
    return float(brentq(lambda p: (1 + 2 * p - p * p) / (p * p * (2 - p)) - windows, 1e-9, 1.0, xtol=1e-15))


@dataclass(frozen=True)
class Drift:
    """A window against the baseline; `farthest` are indices of features (KS) or of its parts (T^2)."""

    rejected: bool
    p_value: float
    statistics: tuple[float, ...]
    farthest: tuple[int, ...]


def _rows(sample: ArrayLike) -> Floats:
    rows = np.asarray(sample, dtype=float)  # None becomes NaN
    return rows.reshape(-1, 1) if rows.ndim < 2 else rows


def _same_features(baseline: ArrayLike, window: ArrayLike) -> tuple[Floats, Floats]:
    before, now = _rows(baseline), _rows(window)
    if not (len(before) and len(now)):
        return np.empty((0, 0)), np.empty((0, 0))
    if before.shape[1] != now.shape[1]:
        raise ValueError(f"The baseline has {before.shape[1]} features and the window {now.shape[1]}.")
    return before, now


def ks_drift(baseline: ArrayLike, window: ArrayLike, level: float) -> Drift:
    """Two-sample Kolmogorov-Smirnov test per feature, with Bonferroni.

    Parameters
    ----------
    baseline, window : array_like, shape (parts, features)
        None, NaN and infinity are left out, per feature; a feature without a value on either side has p = 1.
        Different numbers of features raise ValueError, unless a side has no parts.
    level : float
        Of the whole test, from `window_level`.

    Returns
    -------
    Drift
        `p_value` is the smallest of the features, times their number, at most 1; `statistics` the distances
        D. No features or no parts: not rejected, p = 1.
    """
    before, now = _same_features(baseline, window)
    tests = [_ks(old, new) for old, new in zip(before.T, now.T, strict=True)]
    distances = tuple(distance for distance, _ in tests)
    p_value = min([1.0, *(len(tests) * p for _, p in tests)])
    farthest = sorted(range(len(tests)), key=lambda feature: -distances[feature])
    return Drift(p_value < level, p_value, distances, tuple(farthest))


def _ks(old: Floats, new: Floats) -> tuple[float, float]:
    old, new = old[np.isfinite(old)], new[np.isfinite(new)]
    if not (old.size and new.size):
        return 0.0, 1.0
    from scipy.stats import ks_2samp  # half a second to import: the web would wait for it too, and never asks

    test = ks_2samp(old, new, method="asymp")
    return float(test.statistic), float(test.pvalue)


def hotelling_t2(baseline: ArrayLike, window: ArrayLike, level: float) -> Drift:
    """Hotelling's two-sample T^2 on the means of the model's own features.

    Parameters
    ----------
    baseline, window : array_like, shape (parts, features)
        Parts with None, NaN or infinity are left out. Different numbers of features raise ValueError.
    level : float
        From `window_level`.

    Returns
    -------
    Drift
        `statistics` holds T^2 alone; `farthest` orders the window's complete parts by their Mahalanobis
        distance to the baseline. Features that are sums of others are counted once, constant ones not at all
        (the KS test sees those). Too few parts, or no spread at all: not rejected, T^2 = 0, p = 1.

    References
    ----------
    Hotelling (1931), Annals of Mathematical Statistics 2, 360-378.
    """
    before, now = _same_features(baseline, window)
    complete = np.flatnonzero(np.isfinite(now).all(axis=1))
    before, now = before[np.isfinite(before).all(axis=1)], now[complete]
    n, m = len(before), len(now)
    if n < 2 or m < 2 or before.shape[1] == 0:
        return Drift(False, 1.0, (0.0,), ())
    before, now = _whitened(before, now)  # (parts, rank)
    farthest = tuple(complete[np.argsort(-np.sum(now**2, axis=1), kind="stable")].tolist())
    rank = now.shape[1]
    free = n + m - 1 - rank
    if rank == 0 or free < 1:
        return Drift(False, 1.0, (0.0,), farthest)
    t2 = float(np.sum((now.mean(axis=0)) ** 2)) * n * m / (n + m)
    p_value = float(fdtrc(rank, free, t2 * free / (rank * (n + m - 2))))
    return Drift(p_value < level, p_value, (t2,), farthest)


def _whitened(before: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Both samples around the baseline's mean, turned and scaled to a pooled covariance of 1."""
    size = np.maximum(np.abs(before).max(axis=0), np.abs(now).max(axis=0))
    size[size == 0] = 1.0
    before, now = before / size, now / size
    centre = before.mean(axis=0)
    before, now = before - centre, now - centre
    around = now - now.mean(axis=0)
    pooled = (before.T @ before + around.T @ around) / (len(before) + len(now) - 2)  # (features, features)
    sd = np.sqrt(np.diag(pooled))
    varying = sd > 1e-12  # of the largest value: below that a constant feature is rounding error
    before, now, sd = before[:, varying], now[:, varying], sd[varying]
    weights, axes = np.linalg.eigh(pooled[np.ix_(varying, varying)] / np.outer(sd, sd))
    free = weights > 1e-10  # the rest are sums of other features
    turn = axes[:, free] / np.sqrt(weights[free]) / sd[:, None]
    return before @ turn, now @ turn


def instant_reasons(
    features: Mapping[str, float | None] | None,
    baseline: Mapping[str, tuple[float, float]],
    *,
    decoded: bool = True,
    blank: bool = False,
) -> list[str]:
    """Why this one photo is an alarm of its own; an empty list means that it is not.

    Parameters
    ----------
    features : mapping of name to value, or None
        None: there is no photo. A feature whose value is None or NaN is missing.
    baseline : mapping of name to (mean, sd)
        A feature without a baseline is not judged.
    decoded, blank : bool
        Whether the photo could be read, and whether nothing is on it.
    """
    if features is None:
        return ["missing"]
    if not decoded:
        return ["undecodable"]
    reasons = ["blank"] if blank else []
    for name, value in features.items():
        if value is None or not math.isfinite(value):
            reasons.append(f"{name} is missing")
        elif name in baseline and abs(_standardised(value, *baseline[name])) > INSTANT_SD:
            reasons.append(f"{name} is more than {INSTANT_SD:g} sd from its baseline")
    return reasons


def rate_of_change(
    series: Iterable[tuple[float | datetime, float | None]], alarm: int = 0, confidence: float = 0.95
) -> tuple[Shape, float, float, float]:
    """Whether a change was a step or a ramp, and how fast it goes on.

    Parameters
    ----------
    series : iterable of (time, value)
        In order of time; time in days or as datetime. None, NaN and infinite values are left out. Let it
        begin well before the alarm where those parts are at hand: a step that is seen is told from a ramp
        more surely.
    alarm : int
        Position in `series` of the part at which the alarm was raised; by default all parts come after it.
    confidence : float
        Of the interval, in (0, 1).

    Returns
    -------
    (shape, slope_per_day, low, high)
        `shape` is `unknown` until 1,000 parts after the alarm. Then the better of two least-squares fits (to
        the means of up to 50 blocks, since neighbours correlate): `gradual` when a ramp from its best
        starting point leaves less error than a step at its best place and its slope excludes 0, else
        `sudden`. The slope is that of the ramp; beside a step, of what else goes on; while unknown, of a
        straight line. Fewer than three blocks, no passage of time, or an impossible confidence: 0.0 with -inf
        and inf.
    """
    rows = [(place, _days(time), value) for place, (time, value) in enumerate(series) if value is not None]
    rows = [row for row in rows if math.isfinite(row[2])]
    after = sum(place >= alarm for place, _, _ in rows)
    x, y, per_day = _blocks([day for _, day, _ in rows], [value for _, _, value in rows])
    if after < SHAPE_PARTS:
        return "unknown", *_slope(y, [x], per_day, confidence)
    steps = [np.where(np.arange(len(x)) >= start, 1.0, 0.0) for start in range(1, len(x))]
    ramps = [np.maximum(x - start, 0.0) for start in x[:-1]]
    step, ramp = min(steps, key=lambda c: _fit(y, [c])[0]), min(ramps, key=lambda c: _fit(y, [c])[0])
    _, low, high = _slope(y, [ramp], per_day, confidence)
    if _fit(y, [ramp])[0] < _fit(y, [step])[0] and (low > 0 or high < 0):
        # Where the ramp starts is not known either: the slope after it, free of the level before, has that in it.
        return "gradual", *_slope(y, [np.where(ramp > 0, 1.0, 0.0), ramp], per_day, confidence)
    return "sudden", *_slope(y, [step, x], per_day, confidence)


def _days(time: float | datetime) -> float:
    return time.timestamp() / 86_400 if isinstance(time, datetime) else float(time)


def _blocks(days: Sequence[float], values: Sequence[float]) -> tuple[Floats, Floats, float]:
    """Means of up to 50 blocks, x in [0, 1] and y in [-1, 1], and the factor from their slope to per day."""
    if not days:
        return np.empty(0), np.empty(0), 0.0
    passed, length = days[-1] - days[0], max(abs(value) for value in values) or 1.0
    x = (np.asarray(days) - days[0]) / (passed or 1.0)
    pieces = min(BLOCKS, len(days))
    means = [[piece.mean() for piece in np.array_split(v, pieces)] for v in (x, np.asarray(values) / length)]
    return np.asarray(means[0]), np.asarray(means[1]), length / passed if passed > 0 else 0.0


def _fit(y: Floats, columns: Sequence[Floats]) -> tuple[float, float, float]:
    """Squared error of y on a constant and columns; the last coefficient, its variance factor (inf: none)."""
    design = np.column_stack([np.ones(len(y)), *columns])
    coefficients, _, rank, _ = np.linalg.lstsq(design, y)
    error = float(np.sum((y - design @ coefficients) ** 2))
    if rank < design.shape[1]:
        return error, 0.0, math.inf
    return error, float(coefficients[-1]), float(np.linalg.inv(design.T @ design)[-1, -1])


def _slope(y: Floats, columns: Sequence[Floats], per_day: float, confidence: float) -> tuple[float, float, float]:
    free = len(y) - len(columns) - 1
    if free < 1 or per_day == 0 or not 0 < confidence < 1:
        return 0.0, -math.inf, math.inf
    error, slope, factor = _fit(y, columns)
    if math.isinf(factor):
        return 0.0, -math.inf, math.inf
    half = float(stdtrit(free, (1 + confidence) / 2)) * math.sqrt(error / free * factor)
    return slope * per_day, (slope - half) * per_day, (slope + half) * per_day
