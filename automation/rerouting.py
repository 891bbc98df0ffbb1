"""A line's recent parts routed again under another rule, with the draws and scores that they had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from automation.routing import OUTCOMES, Rule, Stratum, Why, decide_many
from inspection.models import Line, Origin
from shadow.models import ModelVersion, Prediction

MOST = 20_000  # parts
MANY = 2_000  # answers since; with more everything is read again
LATE = 500  # the newest answers are read each time: a draw may come a moment after its score
KEPT = 8  # lines and versions whose older parts a process keeps

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recent:
    """What the router is told of parts that a version answered, newest first; `keys` are the answers'."""

    keys: NDArray[np.int64]
    scores: Floats  # NaN where there is none
    novelties: Floats  # 0 where nothing is said
    u_canary: Floats
    u_audit: Floats
    u_blind: Floats
    strata: Sequence[Stratum]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, rows: Sequence[tuple]) -> Recent:
        """From rows of COLUMNS."""
        numbers = np.array([row[1:5] for row in rows], dtype=float).reshape(-1, 4)
        strange = np.array([0.0 if row[5] is None else row[5] for row in rows])
        places = [(row[6] or "", row[7] or "") for row in rows]
        score, canary, audit, blind = numbers.T
        return cls(np.array([row[0] for row in rows], dtype=np.int64), score, strange, canary, audit, blind, places)

    def and_older(self, other: Recent) -> Recent:
        mine, theirs = vars(self), vars(other)
        arrays = {name: np.concatenate([mine[name], theirs[name]]) for name in mine if name != "strata"}
        return Recent(**arrays, strata=[*self.strata, *other.strata])

    def part(self, wanted: slice) -> Recent:
        return Recent(**{name: column[wanted] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Rerouted:
    """How a rule routes them. `reasons`: why people would have got a part; `since`: when the oldest arrived."""

    parts: int
    passed: int
    rejected: int
    audited: int
    reasons: Counter[Why]
    since: datetime | None = None

    @property
    def people(self) -> int:
        return self.parts - self.passed - self.rejected


COLUMNS = (
    "pk", "score", "inspection__draw__u_canary", "inspection__draw__u_audit", "inspection__draw__u_blind", "novelty",
    "inspection__station__slug", "inspection__variant__slug",
)  # fmt: skip


def reroute_recent(line: Line, version: ModelVersion, rule: Rule) -> Rerouted:
    recent = recent_parts(line, version)
    if not len(recent):
        return Rerouted(0, 0, 0, 0, Counter())
    oldest = Prediction.objects.values_list("inspection__received_at", flat=True)
    return reroute(recent, rule, since=oldest.get(pk=int(recent.keys[-1])))


def reroute(recent: Recent, rule: Rule, *, since: datetime | None = None) -> Rerouted:
    found = decide_many(
        rule, recent.scores, recent.novelties, recent.u_canary, recent.u_audit, recent.u_blind, recent.strata
    )
    outcomes, people = Counter(found.outcome.tolist()), OUTCOMES.index("person")
    reasons = Counter(Why(why) for why in found.why[found.outcome == people].tolist())
    passed, rejected = (outcomes[OUTCOMES.index(word)] for word in ("pass", "reject"))
    return Rerouted(len(recent), passed, rejected, int(found.audited.sum()), reasons, since)


# ---- Reading them: 20,000 rows of three tables take longer than all the rest of the page


class Kept(NamedTuple):
    """Parts that were read before, and the newest of their answers, by which a process knows them again."""

    recent: Recent
    newest: int
    at: datetime


_kept: dict[tuple[int, int], Kept] = {}


def recent_parts(line: Line, version: ModelVersion) -> Recent:
    """The last MOST parts of the line's own production that were drawn for and that the version answered.

    Scores and draws are written once, so a process keeps those that it has read and reads what came after them. What a
    purge takes away it forgets when it no longer finds the newest of them, or starts anew.
    """
    known = _kept.get((line.pk, version.pk))
    if known and not Prediction.objects.filter(pk=known.newest, at=known.at).exists():
        known = None
    keys = _newer(line, version, known.newest) if known else []
    if known is None or len(keys) > MANY:
        found = _read(line, version)
        if len(found) > LATE:
            _keep(line, version, found.part(slice(LATE, None)))
        return found
    found = _read(line, version, keys).and_older(known.recent).part(slice(MOST))
    if len(keys) > 2 * LATE:
        _keep(line, version, found.part(slice(LATE, None)))
    return found


def _newer(line: Line, version: ModelVersion, newest: int) -> list[int]:
    """The answers that came after one, without asking for their draws: PostgreSQL would read all there are."""
    return list(_answers(line, version).filter(pk__gt=newest).values_list("pk", flat=True)[: MANY + 1])


def _read(line: Line, version: ModelVersion, keys: Sequence[int] | None = None) -> Recent:
    drawn = _answers(line, version).filter(inspection__draw__isnull=False)
    drawn = drawn if keys is None else drawn.filter(pk__in=keys)
    return Recent.of(list(drawn.values_list(*COLUMNS)[:MOST]))


def _answers(line: Line, version: ModelVersion) -> QuerySet[Prediction]:
    """Those to the line's own production, of the version's index: with the line's parts as a subquery SQLite would read
    them all."""
    found = Prediction.objects.filter(version=version, inspection__line=line, inspection__origin__in=_live(line))
    return found.order_by("-pk")


def _live(line: Line) -> list[str]:
    """The origins of parts that count as the line's own production."""
    return [Origin.LIVE, Origin.SIMULATED] if line.demo else [Origin.LIVE]


def _keep(line: Line, version: ModelVersion, recent: Recent) -> None:
    newest = int(recent.keys[0])
    if len(_kept) >= KEPT:
        _kept.clear()
    _kept[line.pk, version.pk] = Kept(recent, newest, Prediction.objects.values_list("at", flat=True).get(pk=newest))
