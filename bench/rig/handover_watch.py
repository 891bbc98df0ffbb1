"""After the hand-over: the watch over audits, keyed draws, blue and green, and what routing costs."""

import math
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from automation import draws
from automation.delay import mean_delay
from automation.evidence import (
    BurstDetector,
    EscapeDetector,
    e_harm,
    expected_unaudited_escapes,
    needed,
    smallest_burst,
)
from automation.levels import Level
from automation.ramp import chance_limits
from automation.routing import OUTCOMES, Part, Rule, decide, decide_many
from automation.versus import Versus
from bench.rig.handover_looks import NEVER, Counts, Flags, arrivals, every_look, first_certified
from bench.rig.handover_table import ALPHA, DELTA, Row, Size, at_least, at_most, equal, far_over, near, no_more_than
from monitoring.detectors import shiryaev_roberts

WATCH, CANARY, VERSIONS, ROUTING = "Rollback detector", "Canary shares", "Blue and green", "Routing"
EVERY = 20_000  # audits per false alarm, as the detector has it by default; and good audits before a rise
Sums = list[NDArray[np.float64]]


# ---- The detector over many runs at once: production's own step, on arrays


class Watch:
    """`EscapeDetector` over many runs: its sums are arrays, with one number for each run."""

    def __init__(self, runs: int, every: float = EVERY) -> None:
        self.every, told = every, [EscapeDetector(ALPHA), EscapeDetector(ALPHA)]
        for detector, escaped in zip(told, (False, True), strict=True):
            detector.update(escaped)  # after one audit the sums are its likelihood ratios
        self.ratios = np.array([detector.sums for detector in told]).T  # (rates looked for, good or escaped)
        self.sums: Sums = [np.zeros(runs) for _ in self.ratios]

    def update(self, escaped: Flags) -> Flags:
        self.sums = shiryaev_roberts(self.sums, self.ratios[:, escaped.astype(np.int8)])
        return sum(self.sums) / len(self.sums) >= self.every

    def keep(self, runs: Flags) -> None:
        self.sums = [totals[runs] for totals in self.sums]

    def start_again(self, runs: Flags) -> None:
        for totals in self.sums:
            totals[runs] = 0.0

    def of_run(self, run: int) -> EscapeDetector:
        return EscapeDetector(ALPHA, self.every, [float(totals[run]) for totals in self.sums])


def audits_to_alarm(rng: np.random.Generator, watch: Watch, rate: float, runs: int, most: int) -> Counts:
    """How many audits each run takes to its alarm at a rate; NEVER where `most` are too few."""
    took, running = np.full(runs, NEVER), np.arange(runs)
    for audit in range(1, most + 1):
        alarm = watch.update(rng.random(running.size) < rate)
        if alarm.any():
            took[running[alarm]] = audit
            watch.keep(~alarm)
            running = running[~alarm]
        if not running.size:
            break
    return took


class Healthy(NamedTuple):
    """Runs of good audits: the watch at their end, and which runs have had an alarm, of it and of the last 500 audits."""

    watch: Watch
    alarmed: Flags
    last_500: Flags
    audits: int


def healthy(rng: np.random.Generator, rate: float, runs: int, audits: int) -> Healthy:
    """After an alarm a run starts again, so that it is watching at the end. The last 500 are asked once there are 500."""
    watch, window = Watch(runs), np.zeros((500, runs), dtype=bool)
    alarmed, last_500, k = np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool), np.zeros(runs, dtype=np.int64)
    for audit in range(audits):
        escaped = rng.random(runs) < rate
        alarm = watch.update(escaped)
        if alarm.any():
            alarmed |= alarm
            watch.start_again(alarm)
        k += escaped
        k -= window[audit % 500]
        window[audit % 500] = escaped
        if audit >= 499:
            last_500 |= k > 500 * ALPHA
    return Healthy(watch, alarmed, last_500, audits)


# ---- The figures


def a_rise_is_seen(size: Size, rng: np.random.Generator) -> list[Row]:
    """0.2 to 1.4 % after 20,000 good audits; and what leaves unaudited until then."""
    runs, before, after = size.of(4_000, least=1_000), 0.002, 0.014
    good = healthy(rng, before, runs, size.of(EVERY, least=3_000))
    at_the_rise = [good.watch.of_run(run) for run in range(runs)]
    took = audits_to_alarm(rng, good.watch, after, runs, 40_000)
    mean, told = float(took.mean()), "audits from a rise of 0.2 to 1.4 % to the alarm"
    return [
        near(WATCH, f"{told}, median", float(np.median(took)), 660, 0.1),
        near(WATCH, f"{told}, mean", mean, 780, 0.1),
        near(WATCH, "the mean that the page counts with", mean_delay(ALPHA, after, before, EVERY), mean, 0.1),
        _unaudited(size, rng, at_the_rise, mean, after),
        *_false_alarms(good, before),
    ]


def _false_alarms(good: Healthy, rate: float) -> list[Row]:
    runs, told = len(good.alarmed), f"healthy runs of {good.audits:,} audits at {100 * rate:g} % with an alarm"
    return [
        at_most(WATCH, told, int(good.alarmed.sum()), runs, DELTA),
        far_over(WATCH, f'{told} by "the last 500 are above alpha"', int(good.last_500.sum()), runs, DELTA),
    ]


def _unaudited(size: Size, rng: np.random.Generator, started: list[EscapeDetector], mean: float, rate: float) -> Row:
    """Every part is routed, a tenth of those passed audited by keyed draws; each audit goes to the detector itself."""
    share, runs, block = 0.1, size.of(500, least=40), 2_000
    rule, secret = Rule(Level.FULL, pass_below=0.1, reject_from=0.1, audit_share=share), rng.bytes(32)
    left, part = 0, 0
    for detector in started[:runs]:
        while not detector.alarm:
            numbers = np.arange(part, part := part + block)
            u = [draws.uniform(secret, "audit", int(number)) for number in numbers]
            routed = decide_many(rule, np.full(block, 0.05), None, u, u, u)
            escaped = rng.random(block) < rate
            for place in np.flatnonzero(routed.audited):
                if detector.update(bool(escaped[place])):
                    break
            upto = place + 1 if detector.alarm else block
            left += int((escaped & ~routed.audited)[:upto].sum())
    told = f"escapes that leave unaudited before the rollback, a tenth audited, mean of {runs:,}"
    within = max(0.2, 2 / math.sqrt(runs))  # three standard deviations of the mean, where the runs are few
    return near(WATCH, told, left / runs, expected_unaudited_escapes(mean, rate, share), within)


def a_steep_rise_is_seen(size: Size, rng: np.random.Generator) -> list[Row]:
    """0.1 to 2 % after 20,000 good audits; beside it an e-process that began at the hand-over."""
    runs, before, after = size.of(2_000, least=1_000), 0.001, 0.02
    good = healthy(rng, before, runs, size.of(EVERY, least=3_000))
    took = audits_to_alarm(rng, good.watch, after, runs, 40_000)
    told = "audits from a rise of 0.1 to 2 % to the alarm"
    return [
        near(WATCH, f"{told}, median", float(np.median(took)), 350, 0.1),
        near(WATCH, f"{told} of an e-process since the hand-over", _e_process(rng, before, after, runs), 9_000, 0.1),
        *_false_alarms(good, before),
    ]


def _e_process(rng: np.random.Generator, before: float, after: float, runs: int, step: int = 50) -> float:
    """Mean number of audits after the rise until `e_harm` over all audits says so, looked at every 50."""
    enough, k = -math.log(DELTA), rng.binomial(EVERY, before, size=runs)
    took, n, bar = np.zeros(runs), EVERY, 0
    waiting = np.ones(runs, dtype=bool)
    while waiting.any():
        n += step
        k += rng.binomial(step, after, size=runs)
        took += step * waiting
        while e_harm(n, bar, ALPHA) < enough:
            bar += 1  # escapes from which it says so; they rise with the audits
        waiting &= k < bar
    return float(took.mean())


def false_alarms_are_rare(size: Size, rng: np.random.Generator) -> list[Row]:
    """At R = alpha, the worst that is allowed."""
    runs, every = size.of(1_000, least=100), size.of(EVERY, least=1_000)
    took = audits_to_alarm(rng, Watch(runs, every), ALPHA, runs, 15 * every)
    mean = float(np.minimum(took, 15 * every).mean())  # a run that had none is counted as shorter than it was
    return [
        at_least(WATCH, f"audits to a false alarm at R = alpha, mean of {runs:,}", mean, every),
        _bursts(size, rng),
        _is_the_detector(size, rng),
    ]


def _bursts(size: Size, rng: np.random.Generator) -> Row:
    """Escapes close together at R = alpha, counted as `BurstDetector` does."""
    detector = BurstDetector(ALPHA)
    burst, audits = smallest_burst(ALPHA, detector.every, detector.window), size.of(100_000_000, least=10_000_000)
    escapes = np.cumsum(rng.geometric(ALPHA, size=round(audits * ALPHA)))
    alarms = int((escapes[burst - 1 :] - escapes[: 1 - burst] < detector.window).sum())
    told = f"audits to {burst} escapes in {detector.window} at R = alpha, mean of {alarms:,}"
    return at_least(WATCH, told, float(escapes[-1]) / max(1, alarms), detector.every)


def _is_the_detector(size: Size, rng: np.random.Generator) -> Row:
    """The arrays' step is the detector's own: it alarms at the same audit."""
    runs, most = size.of(40, least=5), 5_000
    escaped, watch = rng.random((most, runs)) < 0.012, Watch(runs)
    detectors = [EscapeDetector(ALPHA, EVERY) for _ in range(runs)]
    first, told = np.full(runs, NEVER), np.full(runs, NEVER)
    for audit in range(most):
        for alarm, at in ((watch.update(escaped[audit]), first), (_told(detectors, escaped[audit]), told)):
            at[alarm & (at == NEVER)] = audit
        if (told < NEVER).all():
            break
    return equal(WATCH, f"of {runs} runs, those that the detector itself sees otherwise", int((first != told).sum()), 0)


def _told(detectors: list[EscapeDetector], escaped: Flags) -> Flags:
    return np.array([detector.update(bool(bad)) for detector, bad in zip(detectors, escaped, strict=True)])


def canary_shares_are_kept(size: Size, rng: np.random.Generator) -> list[Row]:
    """Parts routed by their keyed numbers at each step of a ramp."""
    parts, secret, rows = size.of(100_000, least=20_000), rng.bytes(32), []
    u_canary, u_audit = (
        [draws.uniform(secret, purpose, part) for part in range(1, parts + 1)] for purpose in ("canary", "audit")
    )
    inside: list[Flags] = []
    for share, audit_share in ((0.05, 1.0), (0.25, 0.5), (0.5, 0.25)):
        rule = Rule(
            Level.FULL, pass_below=0.1, reject_from=0.1, canary_share=share, audit_share=audit_share,
            outside=Rule(Level.SHADOW),
        )  # fmt: skip
        routed = decide_many(rule, np.full(parts, 0.05), None, u_canary, u_audit, u_audit)
        inside.append(routed.outcome == OUTCOMES.index("pass"))
        in_canary, audited = int(inside[-1].sum()), int(routed.audited.sum())
        rows += [
            _drawn(f"parts of {parts:,} at a canary share of {100 * share:g} %", in_canary, parts, share),
            _drawn(f"audits of those {in_canary:,} at {100 * audit_share:g} %", audited, in_canary, audit_share),
        ]
    outside = sum(int((smaller & ~larger).sum()) for smaller, larger in pairwise(inside))
    return [*rows, equal(CANARY, "parts of a step that are not in the next", outside, 0)]


def _drawn(figure: str, found: int, parts: int, share: float) -> Row:
    low, high = chance_limits(parts, share)
    return Row(CANARY, figure, float(found), f"{found:,}", f"{low:,} to {high:,}", low <= found <= high)


def the_better_version_is_found(size: Size, rng: np.random.Generator) -> list[Row]:
    """Scratched parts that one of two versions misses, looked at after each."""
    runs, most, least = size.of(10_000, least=500), 2_000, [_least_discordant(b) for b in range(3)]
    sizes = every_look(0.5, DELTA, most)

    def found(misses: float, most: int) -> Counts:
        """With which of those parts green is found better, if so many of them are missed by it."""
        return first_certified(arrivals(rng, misses, runs, most), sizes[sizes <= most])

    alike, much, clearly = found(0.5, most), found(0.1, most), found(0.2, 50)
    power = 100 * float((clearly < NEVER).mean())
    told = "parts missed by one of two until green is better, if it missed 0, 1, 2 of them"
    return [
        equal(VERSIONS, told, least, [6, 11, 14]),
        equal(VERSIONS, "the same by `needed`", [needed(0.5, DELTA, b) for b in range(3)], least),
        at_most(VERSIONS, f"alike, and green called better within {most:,}", int((alike < NEVER).sum()), runs, DELTA),
        at_least(VERSIONS, "green misses 1 of 5: found better within 50", power, 90, " %"),
        no_more_than(VERSIONS, "green misses 1 of 10: found better after, median", float(np.median(much)), 14),
    ]


def _least_discordant(only_green: int) -> int:
    """As production's comparison of two versions finds it, part by part."""
    n = only_green
    while Versus(only_green, n - only_green, delta=DELTA).finding != "green":
        n += 1
    return n


def routing_is_cheap(size: Size, rng: np.random.Generator) -> list[Row]:
    """One part alone, and many at once through a ramp with strata. The only figures here that a machine's speed moves."""
    rule = Rule(
        Level.PARTIAL, pass_below=0.1, reject_from=0.5, canary_share=0.25, audit_share=0.5,
        strata=frozenset({("cam-1", "")}), outside=Rule(Level.ASSIST),
    )  # fmt: skip
    parts, alone = size.of(1_000_000, least=100_000), size.of(50_000, least=5_000)
    scores, novelties, *u = (rng.random(parts) for _ in range(5))
    strata = [("cam-1", ""), ("cam-2", "")] * (parts // 2)
    together = min(_seconds(lambda: decide_many(rule, scores, novelties, *u, strata)) for _ in range(3))
    part = Part(0.05, 0.1, 0.9, 0.9, novelty=0.5, stratum=("cam-1", ""))
    each = min(_seconds(lambda: [decide(rule, part) for _ in range(alone)]) for _ in range(3)) / alone
    return [
        no_more_than(ROUTING, "`decide`, one part", 1e6 * each, 50, " us"),
        at_least(ROUTING, "`decide_many`, parts a second", round(parts / together), 1_000_000),
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
