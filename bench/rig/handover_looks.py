"""Certificates looked at after every part: how often they are false, and how soon a good version gets one."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from automation.evidence import certify, clopper_pearson, needed
from bench.rig.handover_table import ALPHA, DELTA, LOOKS, Row, Size, at_most, chunks, equal, far_over, near, share_near

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
NEVER = 2**62
EVERY_LOOK, TO_CERTIFY, THRESHOLDS = "Every look", "Parts to certify", "Many thresholds"


# ---- The boundary, as production draws it: the certificate comes with part sizes[k] where k escapes are among them


@lru_cache(maxsize=4096)
def every_look(alpha: float, delta: float, most: int = LOOKS) -> Counts:
    """`needed` for each number of escapes, up to `most` parts."""
    sizes: list[int] = []
    while (size := needed(alpha, delta, len(sizes))) <= most:
        sizes.append(size)
    return np.array(sizes, dtype=np.int64)


def planned_look(alpha: float, delta: float, most: int = LOOKS) -> Counts:
    """The same of the one-look bound: the smallest number of parts at which `clopper_pearson` is at the limit."""
    sizes: list[int] = []
    while clopper_pearson(k := len(sizes), most, delta)[1] <= alpha:
        low, high = k, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if clopper_pearson(k, middle, delta)[1] <= alpha else (middle, high)
        sizes.append(high)
    return np.array(sizes, dtype=np.int64)


def arrivals(rng: np.random.Generator, rate: float, runs: int, most: int = LOOKS) -> Counts:
    """Which part each escape of a run is, counted from 1, (runs, escapes): beyond `most` parts at the end."""
    escapes = int(rate * most + 8 * np.sqrt(rate * most) + 20)
    return np.cumsum(rng.geometric(rate, size=(runs, escapes)), axis=1)


def first_certified(escapes: Counts, sizes: Counts) -> Counts:
    """With which part each run is certified, looked at after every part; NEVER.

    With k escapes the evidence only rises, so it reaches the bar at part sizes[k] or not at all before the next one.
    """
    at = np.full(len(escapes), NEVER)
    for k in range(min(len(sizes), escapes.shape[1]))[::-1]:  # the last escape is beyond all looks
        at[escapes[:, k] > sizes[k]] = sizes[k]
    return at


def ever_certified(judged: Flags, escaped: Flags, sizes: Counts, start: int = 0) -> Flags:
    """Which runs (runs, parts) are certified at any look from part `start` on; parts that are not judged do not count."""
    n, k = np.cumsum(judged, axis=1, dtype=np.int32), np.cumsum(escaped & judged, axis=1, dtype=np.int32)
    allowed = np.searchsorted(sizes, np.arange(judged.shape[1] + 1), side="right")  # fewer escapes than that, by parts
    return (k < allowed[n])[:, start:].any(axis=1)


def reaches(n: Counts, k: Counts, sizes: Counts) -> Flags:
    """Whether so many parts with so many escapes are at the boundary or beyond it."""
    return np.searchsorted(sizes, n, side="right") > k


# ---- The figures


def looked_at_after_every_part(size: Size, rng: np.random.Generator) -> list[Row]:
    """At R = alpha every certificate is false."""
    runs, hits, planned = size.of(200_000, least=1_000), 0, 0
    for count in chunks(runs, 20_000):
        escapes = arrivals(rng, ALPHA, count)
        hits += int((first_certified(escapes, every_look(ALPHA, DELTA)) < NEVER).sum())
        planned += int((first_certified(escapes, planned_look(ALPHA, DELTA)) < NEVER).sum())
    told = f"false certificates within {LOOKS:,} parts at R = alpha, a look after each"
    return [
        at_most(EVERY_LOOK, told, hits, runs, DELTA),
        share_near(EVERY_LOOK, "the same, beside the figure that is known", hits, runs, 0.043, 0.003),
        far_over(EVERY_LOOK, "the same by Clopper-Pearson, of which one look is 5 %", planned, runs, 0.2),
        share_near(EVERY_LOOK, "the same, beside the figure that is known", planned, runs, 0.28, 0.01),
        _boundary_is_certifys(size, rng),
    ]


def _boundary_is_certifys(size: Size, rng: np.random.Generator) -> Row:
    """The runs here count escapes and look up `needed`; `certify` itself says the same, at the boundary and one before."""
    looks, sizes, differ = size.of(1_000), every_look(ALPHA, DELTA), 0
    for _ in range(looks):
        k, short = int(rng.integers(len(sizes))), int(rng.integers(2))
        scratched = np.zeros(int(sizes[k]) - short)
        scratched[rng.choice(scratched.size, k, replace=False)] = 1
        said = certify(np.full(scratched.size, 0.05), scratched, [0.1], ALPHA, DELTA).verdict
        differ += (said == "certified") == bool(short)
    return equal(EVERY_LOOK, f"of {looks:,} looks, those that `certify` sees otherwise than these runs", differ, 0)


def parts_to_certify(size: Size, rng: np.random.Generator) -> list[Row]:
    """A version five times as good as the limit."""
    runs, most = size.of(100_000, least=2_000), 40_000
    at = np.concatenate(
        [
            first_certified(arrivals(rng, 0.001, count, most), every_look(ALPHA, DELTA, most))
            for count in chunks(runs, 20_000)
        ]
    )
    return [
        near(TO_CERTIFY, "median at R = 0.1 %", float(np.median(at)), 1_329, 0.1),
        near(TO_CERTIFY, "nine of ten at R = 0.1 %", float(np.quantile(at, 0.9)), 2_528, 0.1),
    ]


def one_of_many_thresholds(size: Size, rng: np.random.Generator) -> list[Row]:
    """17 thresholds, each at R = alpha: somebody takes whichever is certified, or the frozen order is kept.

    In the order the strictest comes first, and where it fails the others are not tested.
    """
    runs, free, frozen = size.of(10_000, least=200), 0, 0
    for count in chunks(runs, 500):
        certified = _certified_below(np.linspace(0.2, 1, 17), rng, count)
        free += int(certified.any(axis=1).sum())
        frozen += int(certified[:, 0].sum())
    told = "false certificates of 17 thresholds at R = alpha: "
    return [
        far_over(THRESHOLDS, told + "taken, whichever is certified", free, runs, DELTA),
        at_most(THRESHOLDS, told + "in the frozen order", frozen, runs, DELTA),
    ]


def _certified_below(order: NDArray[np.float64], rng: np.random.Generator, runs: int) -> Flags:
    """Which thresholds are certified at any look, (runs, thresholds); a score is as likely here as there.

    The evidence for a threshold only rises between two escapes, so it is looked for before each of them.
    """
    escapes = np.minimum(arrivals(rng, ALPHA, runs), LOOKS + 1)
    between = np.maximum(np.diff(escapes, axis=1, prepend=0) - 1, 0)  # good parts before each escape
    in_slot = rng.multinomial(between, np.diff(order, prepend=0.0))  # (runs, escapes, thresholds)
    good = np.cumsum(np.cumsum(in_slot, axis=2), axis=1)
    below = rng.random(escapes.shape)[:, :, None] < order
    k = np.cumsum(below, axis=1) - below  # escapes below the threshold before this one
    return reaches(good + k, k, every_look(ALPHA, DELTA)).any(axis=1)
