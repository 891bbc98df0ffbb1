"""The rows of the hand-over's table, and how much of it is run."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automation.evidence import clopper_pearson

ALPHA, DELTA = 0.005, 0.05  # the product's own limits
LOOKS = 20_000  # parts of a run, with a look after each
ERROR = 0.001  # of a share: one that chance would bring less often than this does not hold


@dataclass(frozen=True)
class Row:
    """A figure as measured, what it should be, and whether it is."""

    about: str
    figure: str
    value: float
    measured: str
    expected: str
    holds: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Size:
    """How many runs are made: a share of the full number."""

    share: float = 1.0

    def of(self, full: int, least: int = 20) -> int:
        return max(least, round(full * self.share))


def _share(hits: int, runs: int) -> str:
    return f"{100 * hits / runs:.3g} % of {runs:,}"


def at_most(about: str, figure: str, hits: int, runs: int, limit: float, note: str = "") -> Row:
    """A share that must not be over a limit: it holds unless the runs show that it is."""
    low, _ = clopper_pearson(hits, runs, ERROR)
    return Row(about, figure, hits / runs, _share(hits, runs), f"<= {100 * limit:g} %{note}", low <= limit)


def far_over(about: str, figure: str, hits: int, runs: int, limit: float, note: str = "") -> Row:
    """What happens without a rule: it must be seen to fail, or the rule's own figure shows nothing."""
    low, _ = clopper_pearson(hits, runs, ERROR)
    return Row(about, figure, hits / runs, _share(hits, runs), f"fails: > {100 * limit:g} %{note}", low > limit)


def share_near(about: str, figure: str, hits: int, runs: int, expected: float, within: float) -> Row:
    """A share that is known: the runs must not show another."""
    low, high = clopper_pearson(hits, runs, ERROR)
    holds = low <= expected + within and high >= expected - within
    return Row(about, figure, hits / runs, _share(hits, runs), f"about {100 * expected:.3g} %", holds)


def near(about: str, figure: str, value: float, expected: float, within: float, unit: str = "") -> Row:
    """A figure that is known, within a share of itself."""
    holds = abs(value - expected) <= within * expected
    told = f"{_number(expected)}{unit}, within {100 * within:.2g} %"
    return Row(about, figure, float(value), f"{_number(value)}{unit}", told, bool(holds))


def at_least(about: str, figure: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(about, figure, float(value), _number(value) + unit, f">= {_number(limit)}{unit}", bool(value >= limit))


def no_more_than(about: str, figure: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(about, figure, float(value), _number(value) + unit, f"<= {_number(limit)}{unit}", bool(value <= limit))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"


def equal(about: str, figure: str, found: Any, expected: Any) -> Row:
    """A figure that can only be one; its value is whether it is."""
    return Row(about, figure, float(found == expected), str(found), str(expected), found == expected)


def stream(seed: int, *place: int) -> np.random.Generator:
    """Each figure draws from a stream of its own, so that one alone is measured as it is among the others."""
    return np.random.default_rng([seed, *place])


def chunks(runs: int, most: int) -> Iterable[int]:
    """Runs in chunks that fit in memory."""
    for start in range(0, runs, most):
        yield min(most, runs - start)
