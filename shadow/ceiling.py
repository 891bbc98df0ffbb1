"""How far people agree with each other on the same photos: the ceiling of what person and model can reach.

A seeded part shows photos again that somebody has judged before. Its verdict beside that first one is a pair of two
people, or of one person with themselves. Only seeded parts are read, the newest of them, so the cost is bounded.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Min, Q, QuerySet

from inspection.models import Correction, Line, ModelOutputShown, Origin, Outcome, Purpose, SeededPart, Verdict
from inspection.models.judgement import Occasion
from inspection.planning import unindexed
from shadow.agreement import PeopleTable, people_confusion
from shadow.asked import Asked
from shadow.days import EVERYTHING, Calendar
from shadow.narrowing import Narrow

NEWEST = 1000  # seeded parts of a line that are read; at 96 % agreement they give an interval of 2.5 points
DRAWN, CHOSEN, LOOKED = "drawn", "chosen", "looked"
# How the photos came to be shown again: drawn at random, kept because their truth is known, or asked for in doubt.
WAYS = {
    Purpose.REPEAT.value: DRAWN,
    Purpose.REFERENCE.value: CHOSEN,
    Purpose.STUDY.value: CHOSEN,
    Purpose.SECOND_LOOK.value: LOOKED,
}


@dataclass(frozen=True)
class People:
    """Pairs of answers to the same photos, and how many different parts they are of."""

    table: PeopleTable = field(default_factory=PeopleTable)
    parts: int = 0


@dataclass(frozen=True)
class Ceiling:
    """People against people, by how the parts came to be judged twice; `within` is the same person twice.

    `cut`: a line had more seeded parts than are read, so the newest stand for the span.
    """

    drawn: People = field(default_factory=People)
    chosen: People = field(default_factory=People)
    looked: People = field(default_factory=People)
    within: People = field(default_factory=People)
    cut: bool = False

    @property
    def best(self) -> People:
        """The pairs that speak for the line's parts: those drawn at random, or where there are none, of known truth."""
        return self.drawn if self.drawn.table.n else self.chosen

    @property
    def empty(self) -> bool:
        return not any(people.table.n for people in (self.drawn, self.chosen, self.looked, self.within))


class _Shown(NamedTuple):
    """A part that was shown again."""

    seed: int
    source: int
    way: str


class _Answer(NamedTuple):
    """What one person said of a part without sight of the model's answer; None is unsure."""

    person: int
    scratched: bool | None


def ceiling(asked: Asked) -> Ceiling:
    """People against people on the lines and in the span asked for, by when the parts were shown again.

    Each person is paired once with the part's first judge, by the first answer that they gave to its photos. The model
    and the kind of evidence play no part: nobody saw the model's answer to these parts.
    """
    shown: list[_Shown] = []
    cut = False
    answers: dict[int, _Answer] = {}
    for line in asked.lines:
        rows = _newest(line, asked)
        newest = rows[:NEWEST]
        found, more = _shown_again(line, asked, rows)
        shown += found
        cut |= more
        for parts in (newest.values("pk"), newest.values("source")) if found else ():
            answers |= _first_answers(parts)
    pairs: dict[str, list[tuple[int, _Answer, _Answer]]] = defaultdict(list)
    seen: set[tuple[str, int, int]] = set()
    for row in sorted(shown):
        first, again = answers.get(row.source), answers.get(row.seed)
        if not first or not again or not _wanted(asked.narrow, first, again):
            continue
        way = "within" if first.person == again.person and row.way != LOOKED else row.way
        if (way, row.source, again.person) not in seen:
            seen.add((way, row.source, again.person))
            pairs[way].append((row.source, first, again))
    return Ceiling(**{way: _people(found) for way, found in pairs.items()}, cut=cut)


def _people(found: Sequence[tuple[int, _Answer, _Answer]]) -> People:
    table = people_confusion((first.scratched, again.scratched) for _source, first, again in found)
    return People(table, len({source for source, _first, _again in found}))


def _wanted(narrow: Narrow, first: _Answer, again: _Answer) -> bool:
    """A report of one inspector's parts compares that person with the others."""
    return narrow.inspector is None or narrow.inspector.pk in (first.person, again.person)


def _newest(line: Line, asked: Asked) -> QuerySet[SeededPart]:
    """The seeded parts of a line that may lie in the span, newest first, as far as the report is narrowed."""
    start, end = asked.span.moments(line)
    narrow = asked.narrow
    given = {
        "inspection__received_at__gte": start, "inspection__received_at__lt": end, "source__station": narrow.station,
        "source__variant": narrow.variant, "source__lot": narrow.lot or None,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    # Without statistics SQLite would begin with all parts of the line.
    rows = SeededPart.objects.alias(on_line=unindexed("inspection__line")).filter(on_line=line.pk, **given)
    return rows.order_by("-pk")


def _shown_again(line: Line, asked: Asked, rows: QuerySet[SeededPart]) -> tuple[list[_Shown], bool]:
    """The newest of these as far as they lie in the span, and whether there are more than are read. One more is fetched
    to tell that: counted after the span, which drops rows, it could not be told."""
    fetched = list(rows.values_list("pk", "source", "purpose", "inspection__received_at")[: NEWEST + 1])
    calendar = None if asked.span == EVERYTHING else Calendar(line)
    found = [
        _Shown(seed, source, WAYS[purpose])
        for seed, source, purpose, received in fetched[:NEWEST]
        if calendar is None or asked.span.holds(received, calendar)
    ]
    return found, len(fetched) > NEWEST


def _first_answers(parts: QuerySet[Any, Any]) -> dict[int, _Answer]:
    """What the first judge of each part said, as they corrected it themselves; parts judged with the model are left out.

    `parts` are their keys, as a subquery: thousands of keys written out would take longer than the answer.
    """
    people = Q(inspector__isnull=False) & ~Q(occasion__in=[Occasion.ADVISED, Occasion.HISTORY])
    # A seeded part is judged blind whatever was drawn for it.
    unaided = Q(inspection__draw__isnull=True) | Q(inspection__draw__blind=True) | Q(inspection__origin=Origin.SEEDED)
    rows = Verdict.objects.filter(people, unaided, inspection__in=parts).order_by("-pk")
    first = {row[1]: row for row in rows.values_list("pk", "inspection_id", "inspector_id", "outcome", "at")}
    served, corrected = _served(parts), _corrected(parts)
    found = {}
    for pk, part, person, outcome, at in first.values():
        seen = served.get((part, person))
        if seen is None or seen > at:
            said = [again for again in corrected.get((pk, person), ()) if seen is None or again[0] < seen]
            found[part] = _answer(person or 0, said[-1][1] if said else outcome)
    return found


def _answer(person: int, outcome: str) -> _Answer:
    return _Answer(person, None if outcome == Outcome.UNSURE else outcome == Outcome.SCRATCHED)


def _served(parts: QuerySet[Any, Any]) -> dict[tuple[int, int], datetime]:
    """When something of the model was first served, by part and person."""
    rows = ModelOutputShown.objects.filter(inspection__in=parts).order_by().values_list("inspection_id", "user_id")
    return {(part, person): first for part, person, first in rows.annotate(first=Min("at"))}


def _corrected(parts: QuerySet[Any, Any]) -> Mapping[tuple[int, int], list[tuple[datetime, str]]]:
    """Corrections by verdict and author, oldest first."""
    found: dict[tuple[int, int], list[tuple[datetime, str]]] = defaultdict(list)
    rows = Correction.objects.filter(verdict__inspection__in=parts).order_by("pk")
    for verdict, by, at, outcome in rows.values_list("verdict_id", "by_id", "at", "outcome"):
        found[verdict, by].append((at, outcome))
    return found
