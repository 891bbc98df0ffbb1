"""The detectors of one stream together: what a frozen baseline and two false-alarm figures make of its values."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.special import betainccinv, betaincinv, ndtri

from monitoring.detectors import (
    INSTANT_SD,
    WINDOW,
    BernoulliSR,
    EwmaSpread,
    ShiryaevRoberts,
    TwoOfThree,
    chi_square_above,
    hotelling_t2,
    ks_drift,
    window_level,
)

SEVERITIES = ("warning", "alarm")  # as monitoring.models.Severity calls them
DOUBT = 3.0  # sd: how far a baseline may be off before that looks like a change
TAIL = 0.00135  # of a normal law beyond DOUBT sd
CORRELATED = 1.3  # sd of batch means against the independent's: beyond it neighbours correlate
FAR = 2.0  # how many times farther than anything in the baseline one part must lie, where its tails are heavy
ONSETS = (-1.0, -0.25, 0.25, 1.0)  # sd a part: the changes whose beginning is looked for
VARIED = 0.9  # sd of normal scores: below it so many values are equal that their spread tells nothing

Value = float | bool | Sequence[float] | None  # a sequence: the features that a network sees
Mark = float | str | None  # what the caller names a part by, its time for one


class Group(NamedTuple):
    """What is usual of one product: phones of another colour are no change of the light."""

    mean: float | Sequence[float]
    sd: float
    n: int


@dataclass(frozen=True)
class Usual:
    """What a baseline knows of a stream; `batch_sd` is sqrt(batch) x the sd of batch means.

    `sample` holds some of its values, or of its vectors; of vectors `mean` and `sd` are those of their lengths. Where
    products lie apart, `groups` knows each, and the sample and the ratio batch_sd / sd are of (value - its product's
    mean) / its product's sd.
    """

    n: int
    mean: float
    sd: float
    batch: int
    batch_sd: float
    sample: Sequence[Any] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)

    def adjust(self, value: Any, group: str) -> Any:
        """The value as the sample has it; None: of a product that the baseline does not know."""
        if not self.groups:
            return value
        known = self.groups.get(group)
        if known is None:
            return None
        if isinstance(value, Sequence):
            return [x - mean for x, mean in zip(value, known.mean, strict=True)]  # type: ignore[arg-type]
        return (value - known.mean) / (known.sd or 1.0)

    def common(self, value: float, group: str) -> float:
        """The value as if its product were the average one, so that another mix of products is no change."""
        mean = self.groups[group].mean if group in self.groups else self.mean
        return value - mean + self.mean if isinstance(mean, float) else value

    @cached_property
    def scalars(self) -> list[float]:
        return sorted(found for value in self.sample if (found := scalar_of(value)) is not None)

    @cached_property
    def scores(self) -> list[float]:
        """Normal scores of the ranks 0, 1/2, 1 .. n of a value among the sample."""
        size = len(self.scalars)
        return ndtri((np.arange(2 * size + 1) / 2 + 0.5) / (size + 1)).tolist()

    def score(self, value: float) -> float:
        """The value as a standard normal one of the same rank (van der Waerden): outliers and skewed laws are tame."""
        if not self.scalars:
            return 0.0
        return self.scores[bisect_left(self.scalars, value) + bisect_right(self.scalars, value)]

    @cached_property
    def score_sd(self) -> float:
        return float(np.std([self.score(value) for value in self.scalars])) if self.scalars else 0.0

    @cached_property
    def correlation(self) -> float:
        """How many times wider batch means lie than those of independent parts would."""
        return max(1.0, self.batch_sd / self.sd) if self.sd > 0 else 1.0

    @cached_property
    def stride(self) -> int:
        """Every how manyth part is as good as independent of the one before."""
        if self.correlation <= CORRELATED:
            return 1
        return min(max(1, self.batch), math.ceil(2 * self.correlation**2))

    @cached_property
    def batches(self) -> float:
        """Batches' worth of parts in the sample, at least one."""
        return max(1.0, len(self.sample) / max(1, self.batch))

    @cached_property
    def own_sd(self) -> float:
        """Of single parts around the mean of their own product."""
        known = [group for group in self.groups.values() if isinstance(group.mean, float)]
        parts = sum(group.n for group in known)
        return math.sqrt(sum(group.n * group.sd**2 for group in known) / parts) if parts else self.sd

    @cached_property
    def fewest(self) -> int:
        """Parts behind the least sure of its means: the products may come one after the other."""
        return max(1, min([len(self.sample), *(group.n for group in self.groups.values())]))

    @cached_property
    def limit(self) -> float:
        """How far from the sample's mean one part lies that nothing in it explains."""
        if not self.scalars:
            return math.inf
        ends = max(self.middle - self.scalars[0], self.scalars[-1] - self.middle)
        return max(INSTANT_SD * float(np.std(self.scalars)), FAR * ends) or math.inf

    @cached_property
    def middle(self) -> float:
        return float(np.mean(self.scalars)) if self.scalars else 0.0


class Hit(NamedTuple):
    """A detector saw a change: since which mark, and the figure before and after it (`spread`: its sd)."""

    detector: str  # mean, spread, window, features (T^2), rate or instant
    severity: str
    since: Mark
    before: float | None
    after: float | None


@dataclass
class Onset:
    """Where a change began: the mark at which the CUSUM of one shift (in sd a part) last left zero, and the sum since."""

    shift: float
    level: float = 0.0
    count: int = 0
    total: float = 0.0
    mark: Mark = None

    def update(self, score: float, value: float, mark: Mark) -> None:
        level = self.level
        if level == 0.0:
            self.count, self.total, self.mark = 0, 0.0, mark
        level += self.shift * (score - self.shift / 2)  # the log likelihood ratio of one part
        self.level = level if level > 0.0 else 0.0
        self.count += 1
        self.total += value


class Onsets:
    """The beginning of a change, small or large, up or down; the likeliest is taken (Page 1954, Biometrika 41, 100)."""

    def __init__(self, saved: Sequence[Mapping[str, Any]] = ()) -> None:
        self.all = [Onset(**state) for state in saved] or [Onset(shift) for shift in ONSETS]

    def update(self, score: float, value: float, mark: Mark) -> None:
        for onset in self.all:
            onset.update(score, value, mark)

    @property
    def likeliest(self) -> Onset:
        return max(self.all, key=lambda onset: onset.level)

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(onset) for onset in self.all]


def scalar_of(value: Value) -> float | None:
    """The value as one number, a vector as its length; None where it is missing or not finite."""
    if value is None:
        return None
    if isinstance(value, Sequence):
        value = math.sqrt(sum(x * x for x in value)) if all(x is not None for x in value) else math.nan
    return float(value) if math.isfinite(value) else None


def count_of(kind: str, vector: bool = False) -> int:
    """How many detectors a figure has: each line's `every` is shared among all of them."""
    return {"mean": 4 if vector else 3, "rate": 1}.get(kind, 0)


def _other_shape(usual: Usual, window: Sequence[Any], level: float) -> bool:
    """Kolmogorov-Smirnov against a law that may lie as far from the sample as DOUBT sd allow.

    Both distances by Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990, Annals of Probability 18, 1269): the
    chance of D > x is at most 2 exp(-2 n x^2).
    """
    drift = ks_drift(usual.sample, window, level)
    room = usual.correlation * math.sqrt(math.log(1 / TAIL) / (2 * usual.fewest))
    return max(drift.statistics) - room > math.sqrt(math.log(2 * len(drift.statistics) / level) / (2 * len(window)))


def _other_place(usual: Usual, window: Sequence[Any], level: float) -> bool:
    """Hotelling's T^2 against a mean that may lie as far from the sample's as DOUBT sd allow, in all directions at once."""
    n, m, features = len(usual.sample), len(window), len(window[0])
    drift = hotelling_t2(usual.sample, window, level)
    apart = math.sqrt(drift.statistics[0] * (n + m) / (n * m))  # of the means, in sd
    room = usual.correlation * math.sqrt(chi_square_above(2 * TAIL, features) / usual.fewest)
    return drift.rejected and m * max(0.0, apart - room) ** 2 > chi_square_above(level, features)


TESTS = {"window": _other_shape, "features": _other_place}


class Watching:
    """The detectors of one stream, for both severities.

    Parameters
    ----------
    kind : str
        `mean` or `rate`, as monitoring.figures has it; any other has no detectors.
    usual : Usual
        The frozen baseline.
    every_warning, every_alarm : float
        Parts to a false alarm of each single detector: the line's figure times the number of its detectors.
    instants : bool
        Whether one part far outside of everything in the baseline is a warning of its own: a number far from all of
        them, or an event (a blank photo) that none of them was.

    Notes
    -----
    The baseline is itself an estimate: its error within `DOUBT` sd counts as no change, or 1,000 parts would give a
    false alarm on every third stream within 100,000. What a detector has raised it raises again only when it is worse,
    until `reset()`.
    """

    def __init__(
        self, kind: str, usual: Usual, every_warning: float, every_alarm: float, *, instants: bool = False
    ) -> None:
        self.kind, self.usual, self.instants = str(kind), usual, instants
        self.every = dict(zip(SEVERITIES, (every_warning, every_alarm), strict=True))
        self.raised: dict[str, str] = {}
        self.missing = 0
        self._start()

    def _start(self) -> None:
        self.detectors: dict[str, dict[str, Any]] = {}
        if self.kind == "rate":
            self.detectors["rate"] = {severity: self._rate(every) for severity, every in self.every.items()}
        elif self.kind == "mean":
            self.detectors["mean"] = {severity: self._mean(every) for severity, every in self.every.items()}
            if self.usual.score_sd >= VARIED:
                self.detectors["spread"] = {severity: self._spread(every) for severity, every in self.every.items()}
            tests = ("window", "features") if self._of_vectors else ("window",)
            self.detectors |= {test: {severity: TwoOfThree() for severity in SEVERITIES} for test in tests}
        self.onsets = {name: Onsets() for name in self.detectors if name in ("mean", "spread", "rate")}
        self.window: list[Any] = []
        self.window_total = 0.0
        self.window_began: list[Mark] = []  # of this window and of the two before it
        self.seen = 0

    @property
    def _of_vectors(self) -> bool:
        return bool(self.usual.sample) and isinstance(self.usual.sample[0], Sequence)

    def _mean(self, every: float) -> ShiryaevRoberts:
        usual = self.usual
        sd = usual.correlation * (1 + 2 / math.sqrt(2 * usual.batches))  # of scores; the sd of so few means is rough
        return ShiryaevRoberts(0.0, sd, every, usual.batch, doubt=DOUBT * math.sqrt(usual.batch / usual.fewest))

    def _spread(self, every: float) -> EwmaSpread:
        usual = self.usual
        doubt = DOUBT * usual.correlation / math.sqrt(2 * usual.fewest)
        return EwmaSpread(0.0, usual.score_sd, every / usual.stride, doubt)

    def _rate(self, every: float) -> BernoulliSR:
        events, n = self.usual.mean * self.usual.n, self.usual.n
        low = float(betaincinv(events, n - events + 1, TAIL)) if events > 0 else 0.0  # Clopper and Pearson 1934
        high = float(betainccinv(events + 1, n - events, TAIL)) if events < n else 1.0
        return BernoulliSR((events + 0.5) / (n + 1), every, low, high)

    def update(self, value: Value, mark: Mark = None, group: str = "") -> list[Hit]:
        """Take one part's value, and its product; what is newly seen by it, nothing as a rule.

        A part of a product that the baseline does not know tells nothing.
        """
        scalar = scalar_of(value)
        if scalar is None:
            self.missing += 1
            return []
        if self.kind == "rate":
            return self._update_rate(scalar, mark)
        if self.kind != "mean" or (adjusted := self.usual.adjust(value, group)) is None:
            return []
        return self._update_mean(adjusted, self.usual.common(scalar, group), mark)

    def _update_rate(self, value: float, mark: Mark) -> list[Hit]:
        event, rate = float(value != 0), self.usual.mean
        sd = math.sqrt(max(rate * (1 - rate), 1e-3))
        self.onsets["rate"].update((event - rate) / sd, event, mark)
        hits = self._feed("rate", event)
        if self.instants and event and rate == 0:
            hits += self._raise("instant", "warning", mark, 0.0, event)
        return hits

    def _update_mean(self, value: Any, common: float, mark: Mark) -> list[Hit]:
        """`value` as the sample has it, `common` as people read it."""
        usual, scalar = self.usual, math.hypot(*value) if isinstance(value, Sequence) else float(value)
        score = usual.score(scalar)
        self.onsets["mean"].update(score, common, mark)
        hits = self._feed("mean", score)
        if self.instants and abs(scalar - usual.middle) > usual.limit:
            hits += self._raise("instant", "warning", mark, usual.mean, common)
        if self.seen % usual.stride == 0:
            if "spread" in self.detectors:
                self.onsets["spread"].update(score * score - 1, (common - usual.mean) ** 2, mark)
                hits += self._feed("spread", score)
            self.window.append(value)
            self.window_total += common
        if self.seen % WINDOW == 0:
            self.window_began = [*self.window_began[-2:], mark]
        self.seen += 1
        return hits + self._close_window() if self.seen % WINDOW == 0 else hits

    def _feed(self, name: str, value: float) -> list[Hit]:
        alarmed = [severity for severity, detector in self.detectors[name].items() if detector.update(value)]
        if not alarmed:
            return []
        onset = self.onsets[name].likeliest
        after, before = onset.total / max(1, onset.count), self.usual.mean
        if name != "spread":
            return self._raise(name, alarmed[-1], onset.mark, before, after)
        mean = self.onsets["mean"].likeliest
        moved = mean.total / max(1, mean.count)
        if 2 * (moved - before) ** 2 >= after:  # what lies wide lies to one side: it is the mean that moved
            return self._raise("mean", alarmed[-1], mean.mark, before, moved)
        return self._raise(name, alarmed[-1], onset.mark, self.usual.own_sd, math.sqrt(after))

    def _raise(self, name: str, severity: str, since: Mark, before: float | None, after: float | None) -> list[Hit]:
        known = self.raised.get(name)
        if known is not None and SEVERITIES.index(known) >= SEVERITIES.index(severity):
            return []
        self.raised[name] = severity
        return [Hit(name, severity, since, before, after)]

    def _close_window(self) -> list[Hit]:
        """Test the window against the sample. All windows share the baseline's error, so that is no change here either."""
        window, total, self.window, self.window_total = self.window, self.window_total, [], 0.0
        sample, hits = self.usual.sample, []
        for name in ("window", "features") if len(sample) else ():
            alarmed = []
            for severity, detector in self.detectors.get(name, {}).items():
                level = window_level(self.every[severity])
                if detector.update(TESTS[name](self.usual, window, level)):
                    alarmed.append(severity)
            if alarmed:
                hits += self._raise(name, alarmed[-1], self.window_began[0], self.usual.mean, total / len(window))
        return hits

    def reset(self) -> None:
        """Begin again with the same baseline: the cause is found and put right."""
        self.raised = {}
        self._start()

    def to_json(self) -> dict[str, Any]:
        """What moves; baseline and `every` are given again to `from_json`, and may have changed."""
        return {
            "detectors": {
                name: {severity: _moving(detector) for severity, detector in pair.items()}
                for name, pair in self.detectors.items()
            },
            "onsets": {name: onsets.to_json() for name, onsets in self.onsets.items()},
            "raised": dict(self.raised),
            "window": list(self.window),
            "window_total": self.window_total,
            "window_began": list(self.window_began),
            "seen": self.seen,
            "missing": self.missing,
        }

    @classmethod
    def from_json(
        cls,
        kind: str,
        usual: Usual,
        every_warning: float,
        every_alarm: float,
        state: Mapping[str, Any],
        *,
        instants: bool = False,
    ) -> Watching:
        """The same future as before, under the thresholds of now; an empty state is a new beginning."""
        watching = cls(kind, usual, every_warning, every_alarm, instants=instants)
        for name, pair in watching.detectors.items():
            for severity, detector in pair.items():
                _restore(detector, state.get("detectors", {}).get(name, {}).get(severity, {}))
        watching.onsets |= {
            name: Onsets(found) for name, found in state.get("onsets", {}).items() if name in watching.onsets
        }
        for name in ("raised", "window", "window_total", "window_began", "seen", "missing"):
            if name in state:
                setattr(watching, name, state[name].copy() if isinstance(state[name], list | dict) else state[name])
        return watching


MOVING = ("sums", "total", "count", "spread", "recent", "missing")  # of a detector; the rest is as it was made


def _moving(detector: Any) -> dict[str, Any]:
    return {name: value for name, value in detector.to_json().items() if name in MOVING}


def _restore(detector: Any, state: Mapping[str, Any]) -> None:
    for name in MOVING:
        if name in state:
            setattr(detector, name, state[name].copy() if isinstance(state[name], list) else state[name])
