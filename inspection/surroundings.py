"""What surrounds an escaped part: the parts just before and after it, and those of its lot, as they stand now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from inspection.models import Disposition, DispositionOutcome, Inspection, Origin
from inspection.moves import OPEN

NEAR = 20  # parts each way
LOT_SHOWN = 250  # parts of the lot each way; its counts and the list of what passed hold all of them
WINDOW = timedelta(days=14)  # each way: a lot's name may come again, and no count reads a factory's whole history
AT_A_TIME = 500


@dataclass(frozen=True)
class Neighbour:
    """A part near the escaped one. `place` counts from it: -1 the part just before; None: only of its lot."""

    part: Inspection
    place: int | None
    same_lot: bool
    disposition: Disposition | None

    @property
    def passed(self) -> bool:
        return bool(self.disposition and self.disposition.outcome == DispositionOutcome.PASS)


@dataclass(frozen=True)
class Counts:
    """How some parts stand now. What is neither passed, rejected nor open was sent to be cleaned."""

    parts: int
    passed: int
    rejected: int
    open: int


@dataclass(frozen=True)
class Surroundings:
    """The counts, and the parts in the order in which they were received, the escaped one among them as place 0."""

    near: Counts
    lot: Counts | None  # None: the part names no lot
    rows: list[Neighbour]
    left_out: int  # parts of the lot that the rows do not hold


def surroundings_of(part: Inspection) -> Surroundings:
    """What may have to be blocked with this part: NEAR parts each way, and its lot within WINDOW of it."""
    near = _near(part)
    rows = [*near, *_lot_beside(part, near)] if part.lot else near
    rows.sort(key=lambda row: (row.part.received_at, row.part.pk))
    lot = counts_of(_in_window(_lot(part), part)) if part.lot else None
    left_out = max(lot.parts - sum(row.same_lot for row in rows), 0) if lot else 0
    return Surroundings(counts_of(Inspection.objects.filter(pk__in=_keys(near))), lot, rows, left_out)


def parts_that_passed(part: Inspection) -> Iterator[list[Neighbour]]:
    """The escaped part, and all around it that stand as passed: first the nearest, then all of the lot, some at a time.

    No query stays open between them: the caller may write.
    """
    near = _near(part)
    yield [row for row in near if row.passed or row.place == 0]
    if part.lot:
        others = _in_window(_lot(part), part).exclude(pk__in=_keys(near)).order_by("received_at", "pk")
        keys = iter([*others.values_list("pk", flat=True)])
        while some := list(islice(keys, AT_A_TIME)):
            rows = _told(Inspection.objects.filter(pk__in=some)).order_by("received_at", "pk")
            yield [row for row in (_neighbour(row, None, part) for row in rows) if row.passed]


def counts_of(parts: QuerySet[Inspection]) -> Counts:
    """How these parts stand: the last disposition holds, unless its verdict was taken back and the part is open again."""
    last = Disposition.objects.filter(inspection=OuterRef("pk")).order_by("-pk")
    standing = parts.order_by().annotate(
        outcome=Coalesce(Subquery(last.values("outcome")[:1]), Value("")),
        machine=Coalesce(Subquery(last.values("by_machine")[:1]), False),
    )
    holds = Q(machine=True) | ~Q(state__in=OPEN)
    counted = standing.aggregate(
        parts=Count("pk"),
        passed=Count("pk", filter=holds & Q(outcome=DispositionOutcome.PASS)),
        rejected=Count("pk", filter=holds & Q(outcome=DispositionOutcome.REJECT)),
        open=Count("pk", filter=Q(state__in=OPEN) & (~holds | Q(outcome=""))),
    )
    return Counts(**counted)


def _near(part: Inspection) -> list[Neighbour]:
    """The escaped part, and those that the same camera saw around it; without a known station, those of the line."""
    parts = _own(part).filter(station=part.station_id) if part.station_id else _own(part)
    itself = _told(Inspection.objects.filter(pk=part.pk)).get()
    return [_neighbour(row, place, part) for place, row in [(0, itself), *_around(parts, part, NEAR)]]


def _lot_beside(part: Inspection, near: list[Neighbour]) -> list[Neighbour]:
    """The part's lot on both sides of it, without what is near anyhow."""
    known = set(_keys(near))
    around = _around(_lot(part), part, LOT_SHOWN)
    return [_neighbour(row, None, part) for _place, row in around if row.pk not in known]


def _own(part: Inspection) -> QuerySet[Inspection]:
    """The line's own parts. What was shown again, imported or replayed never left."""
    origins = [Origin.LIVE, Origin.SIMULATED] if part.line.demo else [Origin.LIVE]
    return Inspection.objects.filter(line=part.line_id, origin__in=origins)


def _lot(part: Inspection) -> QuerySet[Inspection]:
    return _own(part).filter(lot=part.lot)


def _in_window(parts: QuerySet[Inspection], part: Inspection) -> QuerySet[Inspection]:
    return parts.filter(received_at__range=(part.received_at - WINDOW, part.received_at + WINDOW))


def _around(parts: QuerySet[Inspection], part: Inspection, many: int) -> list[tuple[int, Inspection]]:
    """At most `many` of the parts before this one and as many after it, within WINDOW, each with its place from it."""
    at = part.received_at
    before = parts.filter(received_at__range=(at - WINDOW, at)).exclude(received_at=at, pk__gte=part.pk)
    after = parts.filter(received_at__range=(at, at + WINDOW)).exclude(received_at=at, pk__lte=part.pk)
    earlier = _told(before.order_by("-received_at", "-pk"))[:many]
    later = _told(after.order_by("received_at", "pk"))[:many]
    return [*((-place, row) for place, row in enumerate(earlier, 1)), *enumerate(later, 1)]


def _told(parts: QuerySet[Inspection]) -> QuerySet[Inspection]:
    """With what is told of a part. Not its line, which is the escaped part's: a join more, and SQLite walks the history."""
    return parts.select_related("station").prefetch_related("dispositions")


def _neighbour(row: Inspection, place: int | None, part: Inspection) -> Neighbour:
    row.line = part.line
    return Neighbour(row, place, bool(part.lot) and row.lot == part.lot, row.disposition)


def _keys(rows: list[Neighbour]) -> list[int]:
    return [row.part.pk for row in rows]
