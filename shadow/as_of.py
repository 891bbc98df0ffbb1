"""Which rows had been written at a moment: by their keys, so that what was read then can be read again from the rows.

A row's own time does not tell: nodes have clocks of their own, and on PostgreSQL a row commits after it was stamped. Its
key does, when the keys below the last one that were not there yet are kept beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q

from inspection.models import Correction, Draw, Line, ModelOutputShown, Verdict
from shadow.models import Prediction, TrainingPart

WINDOW = 5000  # keys below the last one among which a row may still be on its way in another transaction
TABLES: Mapping[str, tuple[type[Model], str]] = {  # each with its way to the part
    "verdict": (Verdict, "inspection"),
    "correction": (Correction, "verdict__inspection"),
    "shown": (ModelOutputShown, "inspection"),
    "draw": (Draw, "inspection"),
    "prediction": (Prediction, "inspection"),
    "training": (TrainingPart, "inspection"),
}


@dataclass(frozen=True)
class Mark:
    """The rows of one table: those up to a key, without some that were on their way."""

    to: int = 0
    without: frozenset[int] = frozenset()

    @classmethod
    def of(cls, model: type[Model]) -> "Mark":
        keys = list(model._default_manager.order_by("-pk").values_list("pk", flat=True)[:WINDOW])
        if not keys:
            return cls()
        least = max(keys[-1], keys[0] - WINDOW)
        return cls(keys[0], frozenset(range(least, keys[0])) - frozenset(keys))

    def q(self) -> Q:
        return Q(pk__lte=self.to) & ~Q(pk__in=self.without) if self.without else Q(pk__lte=self.to)

    def holds(self, key: int | None) -> bool:
        return key is not None and key <= self.to and key not in self.without


@dataclass(frozen=True)
class AsOf:
    """What was there at a moment. `at` is for the one thing that has no row of its own: a part's way to be cleaned."""

    at: datetime
    marks: Mapping[str, Mark]

    @classmethod
    def now(cls, at: datetime) -> "AsOf":
        return cls(at, {name: Mark.of(model) for name, (model, _part) in TABLES.items()})

    def q(self, table: str) -> Q:
        """The rows of a table that were there."""
        return self.marks[table].q()

    def q_of(self, model: type[Model]) -> Q:
        """The same by the rows' model."""
        return self.q(next(name for name, (known, _part) in TABLES.items() if known is model))

    def has(self, table: str, key: int | None) -> bool:
        return self.marks[table].holds(key)

    def passed_by(self, line: Line) -> bool:
        """Whether anything of the line's parts has been written since."""
        return any(
            model._default_manager.filter(~self.q(name), **{f"{part}__line": line}, pk__gt=self.marks[name].to - WINDOW)
            .exists()
            for name, (model, part) in TABLES.items()
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        marks = {name: {"to": mark.to, "without": sorted(mark.without)} for name, mark in self.marks.items()}
        return {"at": self.at.isoformat(), **marks}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "AsOf":
        """Raises KeyError where a table is not told of."""
        marks = {name: Mark(values[name]["to"], frozenset(values[name]["without"])) for name in TABLES}
        return cls(datetime.fromisoformat(values["at"]), marks)
