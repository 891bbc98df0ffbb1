"""Whether a version passes few enough scratched parts: anytime-valid certificates, and what audits tell.

n counts parts that the machine would pass (or did) with a blind verdict, k those of them found scratched, and
R is the probability that a part passed by machine is scratched. Whose verdict counts, and in which order
parts come, is settled before anything here is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc, betainc, betaln

from monitoring.detectors import shiryaev_roberts
from shadow.agreement import clopper_pearson

__all__ = [
    "NEVER",
    "BurstDetector",
    "Certificate",
    "EscapeDetector",
    "certify",
    "certify_at",
    "clopper_pearson",
    "e_harm",
    "e_safe",
    "expected_unaudited_escapes",
    "found_limit",
    "horvitz_thompson",
    "lower_bound",
    "needed",
    "smallest_burst",
    "upper_bound",
]

Verdict = Literal["certified", "not_yet", "refuted", "invalid"]
Floats = NDArray[np.float64]

PRIOR = 0.5  # both parameters of the mixture's beta prior
NEVER = 2**53  # no count of parts up to here is enough; beyond it a float no longer counts one by one
RATIOS = (1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 40.0)  # escape rates looked for after the hand-over, by alpha


def e_safe(n: int, k: int, alpha: float) -> float:
    """Log of the evidence that R is under `alpha`.

    The likelihood of k escapes in n parts, averaged over a Beta(1/2, 1/2) prior cut to [0, alpha], over the
    likelihood at `alpha`. Under any R >= alpha its exponential is a test supermartingale in n, so it ever
    reaches 1 / delta with probability delta at most (Ville's inequality), however often anyone looks.

    Parameters
    ----------
    n, k : int
        Parts and escapes among them, 0 <= k <= n.
    alpha : float
        Limit on R, in (0, 1).

    Returns
    -------
    float
        Certify at ln(1 / delta). Rises with n, falls with k. No parts, impossible counts or an impossible
        limit are no evidence: 0.0.

    References
    ----------
    Robbins (1970), Annals of Mathematical Statistics 41, 1397-1409 (mixtures); Howard, Ramdas, McAuliffe and
    Sekhon (2021), Annals of Statistics 49, 1055-1080 (the truncated beta mixture).

    Examples
    --------
    >>> e_safe(755, 0, 0.005) < math.log(20) <= e_safe(756, 0, 0.005)
    True
    """
    if not (0 <= k <= n and 0 < alpha < 1):
        return 0.0
    return _log_mass(PRIOR + k, PRIOR + n - k, alpha, 1 - alpha) - _log_mass(PRIOR, PRIOR, alpha, 1 - alpha)


def e_harm(n: int, k: int, alpha: float) -> float:
    """Log of the evidence that R is over `alpha`: the mirror of `e_safe`, its prior cut to [alpha, 1].

    Same parameters and degenerate answers; refute at ln(1 / delta). Rises with k.
    """
    if not (0 <= k <= n and 0 < alpha < 1):
        return 0.0
    return _log_mass(PRIOR + n - k, PRIOR + k, 1 - alpha, alpha) - _log_mass(PRIOR, PRIOR, 1 - alpha, alpha)


def _log_mass(p: float, q: float, x: float, y: float) -> float:
    """ln of the integral of t**(p-1) * (1-t)**(q-1) over [0, x], less p ln x and q ln y, where y = 1 - x."""
    share = float(betainc(p, q, x))
    if share < 1e-280:  # about to underflow, and x far below p / (p + q), where the fraction converges fast
        return _log_continued_fraction(p, q, x) - math.log(p)
    log_x, log_y = (math.log(x), math.log1p(-x)) if x < y else (math.log1p(-y), math.log(y))
    return float(betaln(p, q)) + math.log(share) - p * log_x - q * log_y


def _log_continued_fraction(p: float, q: float, x: float) -> float:
    """ln of the fraction in I_x(p, q) = x^p (1-x)^q / (p B(p, q)) * fraction (DLMF 8.17.22), by Lentz."""
    c, d = 1.0, 1.0 / (1.0 - (p + q) * x / (p + 1.0))
    value = d
    for m in range(1, 10_000):
        for term in (
            m * (q - m) * x / ((p + 2 * m - 1) * (p + 2 * m)),
            -(p + m) * (p + q + m) * x / ((p + 2 * m) * (p + 2 * m + 1)),
        ):
            c, d = 1.0 + term / c, 1.0 / (1.0 + term * d)
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return math.log(value)


@lru_cache(maxsize=10_000)  # a page asks for those of the page before, and all its looks but the last
def upper_bound(n: int, k: int, delta: float) -> float:
    """Time-uniform upper bound of R: the largest m with e_safe(n, k, m) < ln(1 / delta).

    Parameters
    ----------
    n, k : int
        0 <= k <= n.
    delta : float
        Probability that R ever exceeds the bound, in (0, 1).

    Returns
    -------
    float
        In [k / n, 1]; at the returned m the evidence suffices. `e_safe` is at most 0 up to m = k / n and
        rises with m after it (the likelihood is log-concave in the prior's quantile), so halving finds the
        only crossing. No parts, only escapes, impossible counts or delta: 1.0.
    """
    if not (0 <= k < n and 0 < delta < 1):
        return 1.0
    low, high, target = k / n, 1.0, -math.log(delta)
    while low < (middle := (low + high) / 2) < high:
        if e_safe(n, k, middle) < target:
            low = middle
        else:
            high = middle
    return high


def lower_bound(n: int, k: int, delta: float) -> float:
    """Time-uniform lower bound of R, the mirror of `upper_bound`; 0.0 where that gives 1.0."""
    if not 0 < k <= n:
        return 0.0
    return min(k / n, 1.0 - upper_bound(n, n - k, delta))


@lru_cache(maxsize=4096)
def needed(alpha: float, delta: float, k: int = 0) -> int:
    """Smallest number of parts that certifies R < `alpha` at any look with k escapes among them.

    Parameters
    ----------
    alpha, delta : float
        Limit and error probability, in (0, 1).
    k : int
        Escapes, >= 0.

    Returns
    -------
    int
        `NEVER` where no number up to it is enough, and for impossible parameters.

    Examples
    --------
    >>> [needed(0.005, 0.05, k) for k in range(6)]
    [756, 1329, 1769, 2162, 2528, 2877]
    """
    if not (0 < alpha < 1 and 0 < delta < 1 and 0 <= k < NEVER):
        return NEVER
    low, high, target = k, k + 1, -math.log(delta)
    while e_safe(high, k, alpha) < target:
        if high >= NEVER:
            return NEVER
        low, high = high, min(2 * high, NEVER)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if e_safe(middle, k, alpha) < target else (low, middle)
    return high


def found_limit(alpha: float, seeds: int, found: int, delta: float = 0.01) -> float:
    """Limit on what inspectors *find* so that what is there stays under `alpha`: alpha * sensitivity.

    Parameters
    ----------
    alpha : float
        Limit on R.
    seeds, found : int
        Blind verdicts on seeded scratched parts that the version passes, and those of them that found the
        scratch. Seeds that the version rejects are easy ones and mislead.
    delta : float
        Error probability of the time-uniform lower bound of the sensitivity; take it off the certificate's
        own (0.05 is 0.04 for `certify` and 0.01 here).

    Returns
    -------
    float
        The limit to certify at; 0.0 without seeds or without one found: there is nothing to certify with yet.
    """
    return alpha * lower_bound(seeds, found, delta)


@dataclass(frozen=True)
class Certificate:
    """What the evidence says of a version at one look.

    `threshold` is the loosest certified one, None unless `verdict` is certified. The other figures are those
    of the threshold `tested`: the certified one, or the one at which the sequence stopped. `n`, `k` and the
    time-uniform upper `bound` are of the better prefix (of all judged parts when refuted); `coverage` is the
    share of all parts that it passes, `pending` how many of those wait for a verdict, `more` how many further
    judged parts it takes if none of them is scratched (those pending included; None: no number would do, or
    none applies).
    """

    threshold: float | None
    n: int
    k: int
    bound: float
    coverage: float
    verdict: Verdict
    reason: str
    more: int | None = None
    pending: int = 0
    tested: float | None = None


def certify(
    scores: ArrayLike,
    scratched: ArrayLike,
    thresholds: ArrayLike,
    alpha: float,
    delta: float,
) -> Certificate:
    """The loosest threshold under which the parts passed are proven to be scratched in less than `alpha`.

    Parameters
    ----------
    scores : array_like, shape (parts,)
        Calibrated P(scratched) in arrival order; a part is passed where score < threshold. A score that is
        None, NaN or infinite is one that the machine does not pass.
    scratched : array_like, shape (parts,)
        What a person found: True, False, or None (also NaN) while pending.
    thresholds : array_like
        Strict to loose, strictly rising: the order frozen with the version.
    alpha, delta : float
        Limit and error probability, in (0, 1).

    Returns
    -------
    Certificate
        `certified` with the last threshold before the first that fails; `refuted` or `not_yet` when the first
        one fails; `invalid` for thresholds, parameters or parts that make no sense. No parts: `not_yet`.

    Notes
    -----
    Thresholds are tested in their fixed order, each at the full `delta`, and the first failure ends the
    sequence (Angelopoulos, Bates, Candes, Jordan and Lei 2021, "Learn then Test", arXiv:2110.01052, section
    3). Each is tested at the better of two prefixes of the parts it passes: all, pending ones as escapes, or
    those before its oldest pending one. Both are times of one test martingale, so a look may take either. A
    threshold that the judged parts refute fails, whatever an earlier stretch showed.
    """
    looks = _looks(scores, scratched, thresholds, alpha, delta)
    if isinstance(looks, str):
        return _invalid(looks)
    certified = [look for look in looks if look.verdict == "certified"]
    if not certified:
        return looks[0]
    stopped = looks[len(certified) :]
    reasons = [certified[-1].reason, *(f"next, {look.reason}" for look in stopped)]
    return replace(certified[-1], reason="; ".join(reasons))


def certify_at(
    pass_below: float,
    scores: ArrayLike,
    scratched: ArrayLike,
    thresholds: ArrayLike,
    alpha: float,
    delta: float,
) -> Certificate:
    """Whether one threshold of the order is certified, for a policy that wants to pass parts below it.

    As `certify`, and: a `pass_below` that is not a member of `thresholds` is `invalid`, since a freely chosen
    one would be falsely certified far more often than `delta`. `certified` bears the figures at `pass_below`
    itself; `not_yet` and `refuted` those of the stricter threshold at which the sequence stopped, if it did
    not reach this one.
    """
    looks = _looks(scores, scratched, thresholds, alpha, delta, last=pass_below)
    return _invalid(looks) if isinstance(looks, str) else looks[-1]


def _invalid(reason: str) -> Certificate:
    return Certificate(None, 0, 0, 1.0, 0.0, "invalid", reason)


def _looks(
    scores: ArrayLike,
    scratched: ArrayLike,
    thresholds: ArrayLike,
    alpha: float,
    delta: float,
    last: float | None = None,
) -> list[Certificate] | str:
    """One look per threshold up to `last` or the first not certified; or what is wrong with the question."""
    try:
        score, verdict, order = (np.asarray(given, dtype=float) for given in (scores, scratched, thresholds))
    except (TypeError, ValueError, OverflowError):
        return "scores, verdicts and thresholds must be numbers"
    if fault := _fault(score, verdict) or invalid_question(order, alpha, delta, last):
        return fault
    score = np.where(np.isfinite(score), score, np.inf)
    return sequence(order.tolist(), lambda bar: _passed(verdict[score < bar]), score.size, alpha, delta, last=last)


class Passed(NamedTuple):
    """The parts that one threshold passes: those judged and the escapes among them, those that wait, and how many
    arrived before the oldest that waits, with the escapes among those. `overdue` are those of the waiting that nobody
    has judged in time: nothing waits for them, they are escapes in both prefixes."""

    judged: int
    found: int
    pending: int
    settled: int
    settled_found: int
    overdue: int = 0

    def better(self, alpha: float) -> tuple[int, int]:
        """(n, k) of the better of the two prefixes: everything with what waits as escapes, or what came before that."""
        everything = (self.judged + self.pending, self.found + self.pending)
        settled = (self.settled, self.settled_found)
        return max(everything, settled, key=lambda prefix: e_safe(prefix[0], prefix[1], alpha))

    def verdict(self, alpha: float, delta: float) -> Verdict:
        """What the evidence says at one look."""
        if e_harm(self.judged, self.found, alpha) >= -math.log(delta):
            return "refuted"
        n, k = self.better(alpha)
        return "certified" if e_safe(n, k, alpha) >= -math.log(delta) else "not_yet"


def _passed(verdicts: Floats) -> Passed:
    """`verdicts` are those of the parts below a threshold in arrival order, NaN while pending."""
    waiting = np.isnan(verdicts)
    pending = int(waiting.sum())
    oldest = int(waiting.argmax()) if pending else verdicts.size
    found = int((verdicts == 1).sum())
    return Passed(verdicts.size - pending, found, pending, oldest, int((verdicts[:oldest] == 1).sum()))


def sequence(
    order: Sequence[float],
    passed_by: Callable[[float], Passed],
    parts: int,
    alpha: float,
    delta: float,
    last: float | None = None,
) -> list[Certificate]:
    """Looks at the thresholds in their order, up to `last` or the first that is not certified; `parts` are all parts."""
    looks: list[Certificate] = []
    for threshold in order:
        looks.append(look(threshold, passed_by(threshold), parts, alpha, delta))
        if looks[-1].verdict != "certified" or threshold == last:
            break
    return looks


def stopped(
    order: Sequence[float],
    passed_by: Callable[[float], Passed],
    parts: int,
    alpha: float,
    delta: float,
    last: float,
) -> Certificate:
    """The last look of the same sequence, without the bounds of those before it: many strata are asked at once."""
    for threshold in order:
        passed = passed_by(threshold)
        if threshold == last or passed.verdict(alpha, delta) != "certified":
            break
    return look(threshold, passed, parts, alpha, delta)


def _fault(score: Floats, verdict: Floats) -> str | None:
    if not score.ndim == verdict.ndim == 1:
        return "scores, verdicts and thresholds must be plain lists"
    if score.size != verdict.size:
        return f"there are {score.size} scores but {verdict.size} verdicts"
    if not ((verdict == 0) | (verdict == 1) | np.isnan(verdict)).all():
        return "a verdict must be scratched, not scratched or pending"
    return None


def invalid_question(thresholds: ArrayLike, alpha: float, delta: float, last: float | None = None) -> str | None:
    """What is wrong with what is asked for, in words; None: nothing is."""
    if not (0 < alpha < 1 and 0 < delta < 1):
        return f"the limit ({alpha}) and the error probability ({delta}) must lie between 0 and 1"
    order = np.asarray(thresholds, dtype=float)
    if order.ndim != 1:
        return "scores, verdicts and thresholds must be plain lists"
    if not order.size:
        return "the version has no thresholds"
    if not (np.isfinite(order).all() and (order[1:] > order[:-1]).all()):
        return "thresholds must be finite and strictly rising, from strict to loose"
    if last is not None and last not in order:
        return f"{last} is not a member of the version's frozen thresholds"
    return None


def look(threshold: float, passed: Passed, parts: int, alpha: float, delta: float) -> Certificate:
    """One threshold at the better of two prefixes: everything with what waits as escapes, or what came before any that
    waits. `parts` are all parts, those that the threshold does not pass among them."""
    n, k = passed.better(alpha)
    judged, found, pending = passed.judged, passed.found, passed.pending
    verdict = passed.verdict(alpha, delta)
    coverage = (judged + pending) / max(1, parts)
    below, confidence = f"below {threshold:.4g}", f"with {_percent(1 - delta)} confidence at every look"
    if verdict == "refuted":
        least, bound = lower_bound(judged, found, delta), upper_bound(judged, found, delta)
        reason = f"{below} at least {_percent(least)} of the parts passed are scratched, {confidence}"
        return Certificate(None, judged, found, bound, coverage, verdict, reason, None, pending, threshold)
    bound = upper_bound(n, k, delta)
    if verdict == "certified":
        reason = f"{below} at most {_percent(bound)} of the parts passed are scratched, {confidence}"
        return Certificate(threshold, n, k, bound, coverage, verdict, reason, 0, pending, threshold)
    enough = needed(alpha, delta, found + passed.overdue)
    more = None if enough == NEVER else max(0, enough - judged - passed.overdue)
    reason = _what_is_missing(below, passed, more)
    return Certificate(None, n, k, bound, coverage, verdict, reason, more, pending, threshold)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _what_is_missing(below: str, passed: Passed, more: int | None) -> str:
    so_far = f"{passed.judged:,} parts {below} judged, {passed.found:,} of them scratched, {passed.pending:,} pending"
    if passed.overdue:
        so_far += f", {passed.overdue:,} of these for so long that they count as escapes"
    if more is None:
        return f"no number of parts would be enough ({so_far})"
    if more == 0:
        return f"the pending parts must be judged first ({so_far})"
    return f"{more:,} more judged parts {below} are needed if none of them is scratched ({so_far})"


@dataclass
class EscapeDetector:
    """The watch over audited machine passes: alarms when escapes come more often than `alpha`.

    A Shiryaev-Roberts sum over escape rates of 1.5 to 40 times `alpha` (those below 1; where `alpha` leaves
    none, the one half-way to 1), equally weighted. At any R <= alpha the mean run to a false alarm is `every`
    audits at least.

    Parameters
    ----------
    alpha : float
        Limit on R, in (0, 1). From 1 on: never an alarm. 0, less, or not a number counts as 1e-12.
    every : float
        Audits per false alarm.
    """

    alpha: float
    every: float = 20_000
    sums: list[float] = field(default_factory=list)
    alarm: bool = False

    def update(self, escaped: bool) -> bool:
        """Take one judged audit, True if scratched; after an alarm the answer stays True until `reset`."""
        if not self.alarm:
            self.sums = shiryaev_roberts(self.sums, _escape_ratios(self.alpha)[bool(escaped)])
            self.alarm = sum(self.sums) / len(self.sums) >= self.every
        return self.alarm

    def reset(self) -> None:
        self.sums, self.alarm = [], False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> EscapeDetector:
        return cls(**state)


@lru_cache(maxsize=64)
def _escape_ratios(alpha: float) -> tuple[list[float], list[float]]:
    """Likelihood ratios against `alpha` of a good audit and of an escape, per escape rate looked for."""
    if alpha >= 1:
        return [0.0], [0.0]
    alpha = max(1e-12, alpha)
    rates = [ratio * alpha for ratio in RATIOS if ratio * alpha < 1] or [(1 + alpha) / 2]
    return [(1 - rate) / (1 - alpha) for rate in rates], [rate / alpha for rate in rates]


@dataclass
class BurstDetector:
    """The watch for escapes close together: alarms at `smallest_burst` of them in the last `window` audits.

    Parameters as for `EscapeDetector`; `window` is in audits, at least 1.
    """

    alpha: float
    every: float = 100_000
    window: int = 20
    recent: list[bool] = field(default_factory=list)
    alarm: bool = False

    def update(self, escaped: bool) -> bool:
        """Take one judged audit, True if scratched; after an alarm the answer stays True until `reset`."""
        self.recent = [*self.recent, bool(escaped)][-max(1, self.window) :]
        self.alarm = self.alarm or sum(self.recent) >= smallest_burst(self.alpha, self.every, self.window)
        return self.alarm

    def reset(self) -> None:
        self.recent, self.alarm = [], False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> BurstDetector:
        return cls(**state)


@lru_cache(maxsize=64)
def smallest_burst(alpha: float, every: float = 100_000, window: int = 20) -> int:
    """Smallest number of escapes in `window` audits that R = `alpha` shows once in `every` audits at most.

    Returns
    -------
    int
        From 1; `window` + 1, which is never reached, where even a window full of escapes is too common. An
        `alpha` of 0, less, or not a number gives 1.

    Notes
    -----
    An alarm at m is an escape with m - 1 others in the `window` - 1 audits before it. A detector that starts
    afresh after each alarm alarms no oftener than that happens, so its mean interval is at least 1 / (alpha
    P(Bin(window - 1, alpha) >= m - 1)); the exact one is at most 10 % longer while `alpha` <= 1 %.
    """
    if not alpha > 0:
        return 1
    sizes = np.arange(1, max(1, window) + 1)
    per_audit = min(alpha, 1.0) * bdtrc(sizes - 2, sizes.size - 1, min(alpha, 1.0))
    rare = np.flatnonzero(per_audit * every <= 1)
    return int(sizes[rare[0]]) if rare.size else sizes.size + 1


def horvitz_thompson(y: Sequence[bool | None], p: Sequence[float]) -> float | None:
    """Escape rate of machine passes that were audited with unequal probabilities.

    Parameters
    ----------
    y : sequence of bool or None
        Every machine pass: whether its audit found it scratched, None if it was not audited. Its length is N.
    p : sequence of float
        The probability in (0, 1] with which each was audited; only that of an audited part is read.

    Returns
    -------
    float or None
        (1 / N) sum y / p over the audited parts: unbiased, and over 1 at times. None without parts, with
        lists of different length, or where an audited part's probability is impossible.

    References
    ----------
    Horvitz and Thompson (1952), JASA 47, 663-685.
    """
    audited = [(bool(found), share) for found, share in zip(y, p, strict=False) if found is not None]
    if not len(y) or len(y) != len(p) or not all(0 < share <= 1 for _, share in audited):
        return None
    return math.fsum(1 / share for found, share in audited if found) / len(y)


def expected_unaudited_escapes(delay: float, rate: float, audit_share: float) -> float:
    """Escapes that leave unaudited before a rollback, delay * rate * (1 - p) / p.

    Parameters
    ----------
    delay : float
        Mean delay of the detector, in audits, >= 0.
    rate : float
        Escape rate after the rise, in [0, 1].
    audit_share : float
        p in (0, 1]. No audits, or a parameter that is not in its range: inf, since nothing bounds them.
    """
    if not (delay >= 0 and 0 <= rate <= 1 and 0 < audit_share <= 1):
        return math.inf
    return delay * rate * (1 - audit_share) / audit_share
