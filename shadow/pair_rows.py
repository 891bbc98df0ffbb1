"""The pairs behind a report, one by one: read by line, day and number in chunks, so that memory stays flat.

Whoever reads them has seen the model's answers: each chunk is noted as shown before it leaves.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from inspection.models import Line, Station, User, Variant
from inspection.people import usernames_for
from inspection.refusals import BadInput
from shadow.asked import Asked
from shadow.comparisons import CELL_NAMES, SCRATCHED
from shadow.days import Calendar
from shadow.keeping import first_day
from shadow.models import Comparison, DayTally
from shadow.narrowing import within
from shadow.reading import comparisons_of
from shadow.rollups import up_to_date
from shadow.showing import note_shown

CHUNK = 2000
SAID_SCRATCHED = frozenset({"overkill", "both_scratched"})  # where the model's answer is scratched


class PairRow(NamedTuple):
    """One counted pair as files and the API give it; `id` is the prediction's. Texts are empty where there is none."""

    id: int
    inspection: int
    serial: str
    line: str
    station: str
    variant: str
    lot: str
    received_at: str
    day: str
    model: str
    evidence: str
    inspector: str
    verdict: str
    predicted: str
    standing: str
    score: float | None
    finding: str


class Place(NamedTuple):
    """Where a list goes on: after this pair."""

    line: int
    day: date
    prediction: int

    def __str__(self) -> str:
        return f"{self.line}.{self.day.isoformat()}.{self.prediction}"


def read_place(text: str) -> Place | None:
    """The place that `next` named. Raises BadInput."""
    if not text:
        return None
    try:
        line, day, prediction = text.split(".")
        return Place(int(line[:18]), date.fromisoformat(day), int(prediction[:18]))
    except ValueError:
        raise BadInput("'after' is the place in the list that 'next' gave.") from None


def pair_chunks(
    asked: Asked, by: User, where: str, *, after: Place | None = None, most: int | None = None
) -> Iterator[list[PairRow]]:
    """The counted pairs of one kind of evidence, in the order of lines, days and predictions: lists, `most` in all.

    Each list is noted as shown to the reader before it is handed out. Together they are `confusion.n` of the report.
    """
    up_to_date(asked.lines)
    names, left = _Names(asked), sys.maxsize if most is None else most
    for line in sorted(asked.lines, key=lambda line: line.pk):
        if after and line.pk < after.line:
            continue
        for day in _days(asked, line):
            last = after.prediction if after and (line.pk, day) == (after.line, after.day) else 0
            if after and line.pk == after.line and day < after.day:
                continue
            rows = comparisons_of(replace(asked, lines=(line,))).filter(day=day, standing__in=CELL_NAMES)
            rows = rows.order_by("prediction")
            while left and (found := list(rows.filter(prediction__gt=last).values_list(*FIELDS)[: min(CHUNK, left)])):
                note_shown(user=by, inspections=[row[1] for row in found], where=where)
                yield [names.row(*row) for row in found]
                last, left = found[-1][0], left - len(found)


FIELDS = (
    "prediction_id", "inspection_id", "inspection__serial", "line_id", "station_id", "variant_id", "lot", "received_at",
    "day", "version_id", "kind", "inspector_id", "standing", "score", "finding",
)  # fmt: skip


def place_of(row: PairRow, asked: Asked) -> Place:
    """Where a list goes on after a row."""
    lines = {line.slug: line.pk for line in asked.lines}
    return Place(lines[row.line], date.fromisoformat(row.day), row.id)


class _Names:
    """What keys are called in the rows."""

    def __init__(self, asked: Asked):
        self.lines = {line.pk: line.slug for line in asked.lines}
        self.stations: Mapping[int | None, str] = dict(Station.objects.values_list("pk", "slug"))
        self.variants: Mapping[int | None, str] = dict(Variant.objects.values_list("pk", "slug"))
        self.versions = {version.pk: version.name for version in asked.versions}
        judged = DayTally.objects.filter(line__in=asked.lines).order_by().values_list("inspector", flat=True).distinct()
        self.people = usernames_for(asked.reader, judged)
        self.since = first_day(asked.lines[0]) or date.min

    def row(
        self, pk: int, part: int, serial: str, line: int, station: int | None, variant: int | None, lot: str,
        received: datetime, day: date, version: int, kind: str, inspector: int | None, standing: str,
        score: float | None, finding: str,
    ) -> PairRow:  # fmt: skip
        return PairRow(
            pk, part, serial, self.lines[line], self.stations.get(station, ""), self.variants.get(variant, ""), lot,
            received.isoformat(), day.isoformat(), self.versions[version], kind, self.people.get(inspector, "") if day >= self.since else "",
            "scratched" if standing in SCRATCHED else "ok", "scratched" if standing in SAID_SCRATCHED else "ok",
            standing, score, finding,
        )  # fmt: skip


def _days(asked: Asked, line: Line) -> list[date]:
    """The days of a line that may hold pairs, from the tallies; for a lot, which they do not know, from its pairs."""
    wanted: dict[str, Any] = {
        "line": line,
        "version__in": asked.versions,
        "kind": asked.evidence,
        **asked.narrow.groups(),
    }
    rows: QuerySet[Any] = DayTally.objects.filter(**wanted)
    if asked.narrow.lot:
        rows = Comparison.objects.filter(**wanted, lot=asked.narrow.lot)
    reached = rows.filter(within(asked.span.in_days(Calendar(line))))
    return list(reached.order_by("day").values_list("day", flat=True).distinct())


Json = dict[str, Any]


def pair_page(asked: Asked, by: User, after: Place | None, size: int) -> tuple[list[Json], Place | None]:
    """A page of pairs as JSON gives them, and where the next begins (None: this is the last)."""
    found = [row for chunk in pair_chunks(asked, by, "api pairs", after=after, most=size) for row in chunk]
    return [row._asdict() for row in found], place_of(found[-1], asked) if len(found) == size else None
