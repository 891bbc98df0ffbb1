"""The running bound: what was proven at each look, after each part or at the end of each day. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from automation.evidence import upper_bound

LOOKS = 40  # dots along the running bound, besides one at each escape


@dataclass(frozen=True)
class Look:
    """What was proven after `n` judged parts that the version passes, `k` of them scratched; `escapes` of these came
    since the look before."""

    n: int
    k: int
    bound: float
    escapes: int = 0


def looks_by_part(counts_as: Sequence[str], delta: float) -> list[Look]:
    """The time-uniform bound along the judged parts that are passed, in arrival order; empty before the first one.

    The looks lie closer at the beginning, where the bound falls fast: each is the same factor further than the last.
    """
    total = len(counts_as)
    spaced = {round(total ** (step / LOOKS)) for step in range(LOOKS + 1)} if total else set()
    looks, k = [], 0
    for n, word in enumerate(counts_as, 1):
        escaped = word != "ok"
        k += escaped
        if n in spaced or escaped:
            looks.append(Look(n, k, upper_bound(n, k, delta), int(escaped)))
    return looks


def looks_on(first: Sequence[Look], days: Sequence[tuple[int, int]], delta: float) -> list[Look]:
    """The first looks, and after them one at the end of each day: (judged parts that are passed, escapes among them) of
    every day from the first, in order."""
    looks, n, k = list(first), 0, 0
    for judged, escapes in days:
        n, k = n + judged, k + escapes
        seen = looks[-1] if looks else Look(0, 0, 1.0)
        if n > seen.n:
            looks.append(Look(n, k, upper_bound(n, k, delta), max(0, k - seen.k)))
    return looks
