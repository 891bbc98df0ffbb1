"""Dispositions for the systems that run a factory: CSV or JSON lines whose columns keep their names.

A record says what became of a part, why, under which version and policy, and on which working day and shift of its line.
It names nobody. Memory stays flat: rows are read a thousand at a time, each time by a short query of its own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.models import Routing
from inspection.actions.intake import find_line
from inspection.disposition_records import COLUMNS as FLOOR
from inspection.disposition_records import SETTLED, in_chunks, last_before, newest_settled, of_production, records_of
from inspection.models import Disposition, Line, User
from inspection.refusals import BadInput
from inspection.sheets import harmless
from shadow.days import EVERYTHING, Calendar, Span, read_span
from shadow.showing import note_shown

COLUMNS = (*FLOOR, "day", "shift", "version", "policy")  # docs/integration.md promises them; new ones go to the end
CSV, JSON_LINES = "csv", "jsonl"
FORMATS = (CSV, JSON_LINES)
CHUNK = 1000
TYPED = (
    "key",
    "serial",
    "lot",
    "variant",
    "line",
    "station",
    "reason",
    "shift",
    "version",
)  # texts that somebody chose


@dataclass(frozen=True)
class Wanted:
    """Which dispositions: in (after, upto] of these lines, in a span of their working days, of the shift of that name."""

    lines: tuple[Line, ...]
    after: int
    upto: int
    span: Span = EVERYTHING
    shift: str = ""

    @property
    def following(self) -> int | None:
        """The `after` of the next question; None where the question was for a span or a shift and not for what is new."""
        return self.upto if self.span == EVERYTHING and not self.shift else None


def read_wanted(params: Mapping[str, str], by: User | None = None) -> Wanted:
    """What a query string asks for. Raises BadInput, Unknown or NotAllowed.

    Dispositions of the last half minute are left for the next question: others may still appear before them.
    """
    slug, shift, after = (params.get(name) or "" for name in ("line", "shift", "after"))
    lines = (find_line(slug, by),) if slug else tuple(Line.objects.for_user(by) if by else Line.objects.all())
    prefetch_related_objects(lines, "shifts")
    if after and (not after.isdecimal() or int(after) > BigIntegerField.MAX_BIGINT):
        raise BadInput(_("'after' is the 'id' of a disposition, or what the last answer gave as the next 'after'."))
    if shift and shift not in {each.name for line in lines for each in line.shifts.all()}:
        raise BadInput(_("There is no shift {shift!r}. An admin sets up the shifts of each line.").format(shift=shift))
    span = read_span(params.get("from") or "", params.get("to") or "", lines[0]) if lines else EVERYTHING
    return Wanted(lines, *_keys(lines, span, int(after or 0)), span, shift)


def _keys(lines: tuple[Line, ...], span: Span, after: int) -> tuple[int, int]:
    """The keys between which the span's dispositions lie: keys follow time, but for rows that commit at the same moment."""
    upto = newest_settled(timezone.now())
    edges = [span.moments(line) for line in lines]
    if span.start is not None and edges:
        after = max(after, last_before(min(start for start, _end in edges if start)))
    if span.end is not None and edges:
        upto = min(upto, last_before(max(end for _start, end in edges if end) + 2 * SETTLED))
    return after, upto


def one_of_formats(format: str) -> str:
    if format not in FORMATS:
        raise BadInput(f"'format' is {format!r}. Allowed: {', '.join(FORMATS)}.")
    return format


def records(wanted: Wanted, *, by: User | None = None) -> Iterator[dict[str, Any]]:
    """The records, oldest first. A reader who is an account is noted as told what the machine decided, before they are."""
    rows = of_production(
        after=wanted.after, upto=wanted.upto, lines=Line.objects.filter(pk__in=[line.pk for line in wanted.lines])
    )
    calendars = {line.pk: _Shifts(line) for line in wanted.lines}
    for chunk in in_chunks(rows, CHUNK):
        some = [row for row in chunk if wanted.span.holds(row.at, calendars[row.inspection.line_id].calendar)]
        if by is not None:
            told = [row.inspection_id for row in some if row.by_machine]
            note_shown(user=by, inspections=told, where="export")
        yield from _told(some, calendars, wanted.shift)


class _Shifts:
    """A line's calendar, with the names of its shifts."""

    def __init__(self, line: Line):
        self.calendar = Calendar(line)
        self.names = {shift.pk: shift.name for shift in line.shifts.all()}


def _told(rows: list[Disposition], calendars: dict[int, _Shifts], shift: str) -> Iterator[dict[str, Any]]:
    routed = Routing.objects.filter(inspection__in=[row.inspection_id for row in rows]).order_by()
    under = {
        part: (version or "", policy)
        for part, version, policy in routed.values_list(
            "inspection_id", "prediction__version__name", "policy__number"
        )
    }  # fmt: skip
    for row, record in zip(rows, records_of(rows), strict=True):
        line = calendars[row.inspection.line_id]
        day, key = line.calendar.day_and_shift(row.at)
        name = line.names.get(key, "")
        if shift and name != shift:
            continue
        version, policy = under.get(row.inspection_id, ("", None))
        yield record | {"day": day.isoformat(), "shift": name, "version": version, "policy": policy}


def json_lines(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Each record as a line of JSON."""
    return (json.dumps(record, ensure_ascii=False) + "\n" for record in found)


def csv_rows(found: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    """A head and a row for each record. Defects are JSON, truths `true` and `false`, what there is not is empty."""
    yield list(COLUMNS)
    for record in found:
        yield [_cell(name, record[name]) for name in COLUMNS]


def _cell(name: str, value: Any) -> Any:
    if value is None:
        return ""
    if name in TYPED:
        return harmless(value)
    return json.dumps(value) if isinstance(value, list | bool) else value
