"""Reads what was counted of a version's evidence, in the order in which parts arrived: by day, and before a moment."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from operator import add
from typing import Any, NamedTuple

from django.db.models import BooleanField, Count, DateField, Func, Min, QuerySet
from django.db.models.functions import Coalesce

from inspection.models import Line
from inspection.planning import unindexed
from inspection.prepared import Given, Prepared
from shadow.comparisons import COUNTS, slot_and_shift
from shadow.days import Calendar
from shadow.models import Comparison, DayTally, ModelVersion
from shadow.models.counted import CountsAs, IsEvidence
from shadow.rollups import are_counted_by, left_to_count, up_to_date

DAY = timedelta(days=1)
WAITING = (CountsAs.PENDING, CountsAs.DUE)
KINDS = ("blind", "assisted")  # a part that was drawn blind and served all the same is assisted, and an escape
PLACE_OF = {word: place for place, word in enumerate(COUNTS)}
JUDGED = min(PLACE_OF[word] for word in WAITING)  # what waits comes last

Stretch = tuple[date, int]  # a working day and the key of one of its shifts; 0: outside of shifts


class IsOpenEvidence(Func):
    """Whether a pair is evidence that is not simply ok, spelled out as the index's condition is, for SQLite."""

    template = "(NOT (%(expressions)s = '') AND NOT (%(expressions)s = 'ok'))"
    output_field = BooleanField()

    def __init__(self) -> None:
        super().__init__("evidence")


class Row(NamedTuple):
    """How many parts of one day, stratum, slot and shift count as each of `CountsAs`."""

    day: date
    station: int | None
    variant: int | None
    slot: int | None
    shift: int
    counts: Sequence[int]

    @property
    def judged(self) -> int:
        """Of them those that do not wait for a person."""
        return sum(self.counts[:JUDGED])


class Span(NamedTuple):
    """From when to when the parts of a stretch may have arrived."""

    start: datetime
    end: datetime


class Counted:
    """The evidence of a version on a line from a moment on (None: from its first part)."""

    def __init__(self, line: Line, version: ModelVersion, since: datetime | None = None):
        up_to_date([line])
        self.uncounted = left_to_count()  # more changed than a reader counts; the workers are at it
        self.line, self.version, self.since = line, version, since
        self.calendar = Calendar(line)
        self.spans = Spans(line, self.calendar)
        self.rows = self._read()
        self._late: dict[datetime, list[Row]] = {}

    def _read(self) -> list[Row]:
        rows = self._tallied()
        if self.since is None:
            return rows
        later = [row for row in rows if self.spans[row.day, row.shift].start >= self.since]
        return later + [row for stretch in self._cut_by(self.since, rows) for row in self._grouped(stretch)]

    def _tallied(self) -> list[Row]:
        """The sums over inspectors, whom a certificate does not ask about."""
        first = self.calendar.day_of(self.since) - 3 * DAY if self.since else date.min
        found: dict[tuple[Any, ...], list[int]] = {}
        for day, station, variant, evidence in _TALLIES(line=self.line.pk, version=self.version.pk, first=first):
            for place, counts in evidence.items():
                key = (day, station, variant, place)
                known = found.get(key)
                found[key] = list(map(add, known, counts)) if known else counts
        place_of = {place: slot_and_shift(place) for place in {key[-1] for key in found}}
        return [
            Row(day, station, variant, *place_of[place], counts)
            for (day, station, variant, place), counts in found.items()
        ]

    def before(self, moment: datetime) -> list[Row]:
        """The evidence that had arrived before a moment. Only of the shift that it falls into are parts asked for."""
        whole = [row for row in self.rows if self.spans[row.day, row.shift].end <= moment]
        return whole + [row for stretch in self._cut_by(moment, self.rows) for row in self._grouped(stretch, moment)]

    def _cut_by(self, moment: datetime, rows: Iterable[Row]) -> list[Stretch]:
        """The stretches of which some parts may have arrived before a moment and others not."""
        stretches = {(row.day, row.shift): None for row in rows}
        return [key for key in stretches if self.spans[key].start < moment < self.spans[key].end]

    def _grouped(self, stretch: Stretch, before: datetime | None = None, *, waiting: bool = False) -> list[Row]:
        """The evidence of a stretch, up to before a moment, grouped by the database; of it that which waits, or all."""
        day, shift = stretch
        start, end = self.spans[stretch]
        # Found by the time alone: by the day, SQLite would read all parts of it.
        parts = self._open(*WAITING) if waiting else self._parts()
        parts = parts.alias(on_day=Coalesce("day", "day"), on_shift=unindexed("shift"))
        parts = parts.filter(received_at__gte=start, received_at__lt=before or end, on_day=day, on_shift=shift)
        groups = parts.order_by().values_list("station", "variant", "slot", "evidence").annotate(n=Count("pk"))
        found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(COUNTS))
        for *key, word, n in groups:
            found[tuple(key)][PLACE_OF[word]] += n
        return [Row(day, station, variant, slot, shift, counts) for (station, variant, slot), counts in found.items()]

    def _parts(self) -> QuerySet[Comparison]:
        parts = Comparison.objects.filter(IsEvidence(), line=self.line, version=self.version)
        return parts.filter(received_at__gte=self.since) if self.since else parts

    def _open(self, *words: CountsAs, unscored: bool = True) -> QuerySet[Comparison]:
        """The parts that count as one of these, which are not ok; looked for where the tallies have any."""
        rows = [row for place in map(PLACE_OF.__getitem__, words) for row in self.rows if row.counts[place]]
        slots = {row.slot for row in rows if unscored or row.slot is not None}
        if not slots:
            return Comparison.objects.none()
        # By the kind too, here and below: else PostgreSQL reads all evidence since then, by the index that has the rest.
        parts = self._parts().filter(IsOpenEvidence(), evidence__in=words, kind__in=KINDS)
        if None not in slots:
            parts = parts.filter(slot__in=slots)
        return parts.filter(received_at__gte=min(self.spans[row.day, row.shift].start for row in rows))

    def oldest_waiting(self, since: datetime) -> dict[int, datetime]:
        """When the oldest part arrived of those since a moment that nobody has judged yet, by slot, where there is one."""
        waiting = self._open(*WAITING, unscored=False).filter(received_at__gte=since).order_by()
        oldest = waiting.values("slot").annotate(oldest=Min("received_at")).values_list("slot", "oldest")
        return {slot: moment for slot, moment in oldest if slot is not None}

    def waiting_since(self, before: datetime) -> list[Row]:
        """The parts that arrived before a moment and wait still, and nothing else of their groups; asked for once.

        From the tallies, but for the shift that the moment falls into.
        """
        if before not in self._late:
            rows = [row for row in self.rows if any(row.counts[JUDGED:])]
            whole = [row for row in rows if self.spans[row.day, row.shift].end <= before]
            cut = [self._grouped(stretch, before, waiting=True) for stretch in self._cut_by(before, rows)]
            nobody = [0] * JUDGED
            late = [row._replace(counts=[*nobody, *row.counts[JUDGED:]]) for row in whole]
            self._late[before] = late + [row for found in cut for row in found]
        return self._late[before]

    def overdue_audits(self, before: datetime) -> int:
        """How many audits of parts that arrived before a moment wait still."""
        return sum(row.counts[PLACE_OF[CountsAs.DUE]] for row in self.waiting_since(before))

    def in_order(self, slots: int, most: int) -> list[str]:
        """What each judged part in the first `slots` slots counts as, in arrival order; `most` at most."""
        parts = self._parts().filter(slot__lt=slots).exclude(evidence__in=WAITING)
        return list(parts.order_by("received_at", "inspection_id").values_list("evidence", flat=True)[:most])

    def escapes_below(self, slots: int, most: int = 100) -> list[int]:
        """The keys of the parts in the first `slots` slots that would have escaped, newest first."""
        return list(self.escaped(slots)[:most])

    def escaped(self, slots: int) -> QuerySet[Comparison, int]:
        """The same as a query."""
        escaped = self._parts().filter(IsOpenEvidence(), kind__in=KINDS, slot__lt=slots).exclude(evidence__in=WAITING)
        # By an expression that no index holds: else PostgreSQL looks for the newest in the index of all evidence.
        newest = Coalesce("received_at", "received_at").desc()
        return escaped.order_by(newest, "-inspection_id").values_list("inspection_id", flat=True)


_TALLIES = Prepared(
    lambda: DayTally.objects.filter(
        line=Given("line"), version=Given("version"), kind__in=KINDS, day__gte=Given("first", DateField())
    ).values_list("day", "station", "variant", "evidence")
)


class Spans(dict[Stretch, Span]):
    """From when to when the parts of each stretch of a line arrived, by its clock.

    Where the parts were counted by other working days than the present ones, a stretch may lie a day beside them.
    """

    def __init__(self, line: Line, calendar: Calendar):
        self.line, self.calendar = line, calendar
        self.shifts = {shift.pk: shift for shift in calendar.shifts}

    @cached_property
    def beside(self) -> timedelta:
        return timedelta() if are_counted_by(self.line, self.calendar) else 2 * DAY

    def __missing__(self, stretch: Stretch) -> Span:
        self[stretch] = self._span(*stretch)
        return self[stretch]

    def _span(self, day: date, key: int) -> Span:
        shift = self.shifts.get(key)
        starts, ends = (shift.starts_at, shift.ends_at) if shift else (time(), time())
        last = day if starts < ends else day + DAY
        first = min(self._moments(day, starts)) - self.beside
        return Span(first, max(self._moments(last, ends)) + self.beside)

    def _moments(self, day: date, clock: time) -> list[datetime]:
        """When a clock shows that; in the hour that is put back or left out it may be either of two moments."""
        return [datetime.combine(day, clock.replace(fold=fold), self.line.zone).astimezone(UTC) for fold in (0, 1)]
