"""What is usual of a stream, learned from its first parts: they are kept until there are enough, then summed up."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.detection import Group, Mark, Usual, Value, scalar_of

LEAST = 1_000  # parts: with fewer the baseline's own error looks like a change
LEAST_BATCHES = 50  # and batch means: fewer do not tell how wide they lie
LEAST_OF_GROUP = 50  # parts of a product before its own mean is told
APART = 0.05  # share of the spread that lies between products, from which on each has its own mean
SAMPLE = 2_000  # values that are kept
SHOWN = 12  # parts that are remembered, to be shown beside the farthest

Floats = NDArray[np.float64]


def needed(batch: int) -> int:
    """Parts from which a baseline is learned."""
    return max(LEAST, LEAST_BATCHES * batch)


@dataclass
class Learning:
    """A baseline on its way."""

    batch: int
    values: list[Any] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    since: Mark = None
    until: Mark = None

    def add(self, value: Value, part: int | None = None, mark: Mark = None, group: str = "") -> None:
        """Take one part; one whose value is missing tells nothing of what is usual."""
        if scalar_of(value) is None:
            return
        if part is not None and len(self.values) % (needed(self.batch) // SHOWN) == 0:
            self.parts.append(part)
        self.since, self.until = mark if not self.values else self.since, mark
        self.values.append(float(value) if not isinstance(value, list | tuple) else list(value))  # type: ignore[arg-type]
        self.groups.append(group)

    @property
    def ready(self) -> bool:
        return len(self.values) >= needed(self.batch)

    def usual(self, *, rate: bool = False) -> Usual:
        """The baseline: of values as they are, or, where products lie apart, of their distance from their own product's."""
        values = np.array(self.values, float)  # (n,) or (n, features)
        raw = values if values.ndim == 1 else np.linalg.norm(values, axis=1)
        groups = {} if rate else _groups(values, np.array(self.groups))
        kept, adjusted = values, values
        if groups:
            mine = [(value, groups[name]) for value, name in zip(values, self.groups, strict=True) if name in groups]
            kept = adjusted = np.array([_adjusted(value, group) for value, group in mine])
        scalars = adjusted if adjusted.ndim == 1 else np.linalg.norm(adjusted, axis=1)
        means = scalars[: len(scalars) // self.batch * self.batch].reshape(-1, self.batch).mean(axis=1)
        wider = math.sqrt(self.batch) * _sd(means) / (_sd(scalars) or 1.0)
        sd = _sd(raw)
        return Usual(
            n=len(values), mean=float(raw.mean()), sd=sd, batch=self.batch, batch_sd=wider * sd,
            sample=tuple(kept[:: max(1, math.ceil(len(kept) / SAMPLE))].tolist()), groups=groups,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Learning":
        return cls(**state)


def _sd(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _adjusted(value: Any, group: Group) -> Any:
    return (value - np.asarray(group.mean)) / (group.sd or 1.0)


def _groups(values: Floats, names: NDArray[np.str_]) -> dict[str, Group]:
    """Mean and sd of each product that has enough parts; none where the products hardly differ."""
    rows = values if values.ndim == 2 else values[:, None]  # (n, features)
    whole = float(((rows - rows.mean(axis=0)) ** 2).sum())
    found, within = {}, 0.0
    for name in np.unique(names):
        mine = rows[names == name]
        around = mine - mine.mean(axis=0)
        within += float((around**2).sum())
        if len(mine) >= LEAST_OF_GROUP:
            mean: float | Sequence[float] = mine.mean(axis=0).tolist() if values.ndim == 2 else float(mine.mean())
            found[str(name)] = Group(mean, 1.0 if values.ndim == 2 else _sd(mine[:, 0]), len(mine))
    apart = whole > 0 and len(np.unique(names)) > 1 and 1 - within / whole > APART
    return found if apart else {}
