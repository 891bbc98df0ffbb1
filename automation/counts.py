"""The blind evidence of a version as counts: by stratum and by the bars that a score reaches. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import add
from typing import NamedTuple

from automation.evidence import Certificate, Passed, invalid_question, stopped
from automation.routing import Stratum


class Tally(NamedTuple):
    """How many parts count as what; the fields are those of `shadow.models.CountsAs`, in its order, and then those parts
    that nobody has judged in time."""

    ok: int = 0
    scratched: int = 0
    served: int = 0  # drawn blind and served all the same
    unsure: int = 0  # audits of which nobody could tell, and those that are overdue
    pending: int = 0
    due: int = 0  # audits that wait
    overdue: int = 0  # pending for so long that they count as escapes, until somebody judges them

    def plus(self, other: Sequence[int]) -> Tally:
        """With another's counts, which may lack the last."""
        return Tally(*map(add, self, other), *self[len(other) :])

    @property
    def escapes(self) -> int:
        return self.scratched + self.served + self.unsure

    @property
    def judged(self) -> int:
        return self.ok + self.escapes

    @property
    def waiting(self) -> int:
        return self.pending + self.due + self.overdue

    @property
    def parts(self) -> int:
        return self.judged + self.waiting


Slots = Mapping[int | None, Tally]


@dataclass(frozen=True)
class Evidence:
    """What people said, without sight of the model, of the parts that a version scored.

    `bars` are the version's thresholds and its operating one, rising; a part in slot s reaches the first s of them, and
    one whose score is no use has the slot None. `everything` is by stratum (station, variant) and slot. `settled` is,
    for each bar (by its place), how many of the parts below it arrived before the oldest of them that still waits in
    time, and how many of those are escapes, the overdue ones among them: by stratum. A bar that is not in it has nobody
    waiting in time below it.
    """

    bars: tuple[float, ...] = ()
    everything: Mapping[Stratum, Slots] = field(default_factory=dict)
    settled: Mapping[int, Mapping[Stratum, tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        bars: Iterable[float],
        scores: Sequence[float | None],
        counts_as: Sequence[str],
        strata: Sequence[Stratum] | None = None,
    ) -> Evidence:
        """From parts in arrival order: a usable score or None, and what each counts as, named as a field of `Tally`."""
        order = tuple(sorted({*bars}))
        places = strata or [("", "")] * len(scores)
        rows = [
            (None if score is None else bisect_right(order, score), word, stratum)
            for score, word, stratum in zip(scores, counts_as, places, strict=True)
        ]
        everything: dict[Stratum, dict[int | None, Tally]] = defaultdict(dict)
        for slot, word, stratum in rows:
            known = everything[stratum].get(slot, Tally())
            everything[stratum][slot] = known._replace(**{word: getattr(known, word) + 1})
        settled: dict[int, dict[Stratum, tuple[int, int]]] = {}
        for bar in range(len(order)):
            below = [(word, stratum) for slot, word, stratum in rows if slot is not None and slot <= bar]
            oldest = next((n for n, (word, _) in enumerate(below) if word in ("pending", "due")), None)
            if oldest is not None:
                settled[bar] = {stratum: _n_and_k(below[:oldest], stratum) for stratum in {*places}}
        return cls(order, everything, settled)

    @property
    def strata(self) -> list[Stratum]:
        return sorted(self.everything)

    @property
    def parts(self) -> int:
        return sum(tally.parts for slots in self.everything.values() for tally in slots.values())

    def _slots(self, bar: float) -> int:
        """How many slots lie wholly below a score."""
        return bisect_right(self.bars, bar) if bar == bar else 0  # a NaN is below nothing

    @cached_property
    def _scored(self) -> Mapping[Stratum | None, Sequence[Tally]]:
        """By slot, the parts with a usable score: of each stratum, and of all (None). The gates ask for them over and over."""
        found: dict[Stratum | None, list[Tally]] = {None: [Tally()] * (len(self.bars) + 1)}
        for stratum, slots in self.everything.items():
            found[stratum] = [slots.get(slot, Tally()) for slot in range(len(self.bars) + 1)]
            found[None] = [known.plus(more) for known, more in zip(found[None], found[stratum], strict=True)]
        return found

    def _sum(self, slots: slice, stratum: Stratum | None) -> Tally:
        return reduce(Tally.plus, self._scored.get(stratum, ())[slots], Tally())

    def below(self, bar: float, stratum: Stratum | None = None) -> Tally:
        """The parts that score below."""
        return self._sum(slice(self._slots(bar)), stratum)

    def from_(self, bar: float, stratum: Stratum | None = None) -> Tally:
        """The parts that score at or above."""
        return self._sum(slice(self._slots(bar), None), stratum)

    def passed(self, bar: float, stratum: Stratum | None = None) -> Passed:
        """The parts below one of the bars as a certificate looks at them: all of them, and those before any that waits."""
        below = self.below(bar, stratum)
        before = self.settled.get(self._slots(bar) - 1)
        if before is None:
            n, k = below.judged + below.overdue, below.escapes + below.overdue
        else:
            chosen = [before.get(stratum, (0, 0))] if stratum is not None else before.values()
            n, k = (sum(column) for column in zip(*chosen, strict=True)) if chosen else (0, 0)
        return Passed(below.judged, below.escapes, below.waiting, n, k, below.overdue)

    def certify_at(
        self, pass_below: float, order: Sequence[float], alpha: float, delta: float, stratum: Stratum | None = None
    ) -> Certificate:
        """As `evidence.certify_at`: the order is tested from its strictest threshold on, each at the full delta.

        One stratum too, by its own parts: else whoever may choose takes the threshold that lets a bad station in.
        """
        if fault := invalid_question(order, alpha, delta, pass_below):
            return Certificate(None, 0, 0, 1.0, 0.0, "invalid", fault)
        return stopped(order, lambda bar: self.passed(bar, stratum), self.parts, alpha, delta, last=pass_below)


def _n_and_k(rows: Sequence[tuple[str, Stratum]], stratum: Stratum) -> tuple[int, int]:
    words = [word for word, place in rows if place == stratum]
    return len(words), sum(word != "ok" for word in words)
