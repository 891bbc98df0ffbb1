"""Counts the pairs by day and group, so that reading a report costs the number of days and groups, not of parts.

The rows are the truth. A part of which anything was written is counted again: its comparisons are made anew from the
rows, and the tallies move by the difference. So a repetition changes nothing, and two at once cannot count twice: they
go one after the other.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet

from inspection.models import Inspection, Line
from inspection.moves import State
from inspection.planning import KeyBeside, unindexed
from shadow.comparisons import SUMMED, Counted, Key, Sums, compared, summed, sums_of
from shadow.days import Calendar
from shadow.models import Calendared, ChangedPart, Comparison, DayTally, Prediction
from shadow.models.counted import Standing

CHANGES = 500  # changes taken together
FOR_A_READER = 5000  # changes that a reader counts: a third of a second
# Keys of parts counted together in a recount. A writer on SQLite waits for it, some 50 ms; on PostgreSQL only who counts
# too does, a second.
PARTS = {"sqlite": 1000, "postgresql": 20_000}
AT_ONCE = 20_000  # a line with no more pairs than this is counted anew while its reader waits
LOCK = 0x51AD0CC5  # among PostgreSQL's advisory locks

FORM = 3  # raised with what is counted of a pair: after an upgrade every line is counted anew
COLUMNS = Counted._fields
STANDINGS = tuple(Standing.values)
TALLY = (*Key._fields, *STANDINGS)


# ---- What changed


def catch_up(*, most: int | None = None) -> int:
    """Count again the parts that changed, `most` changes at most, and return how many changes were taken.

    Whoever reads calls it too, so that a report is never older than its question; a worker calls it every two seconds,
    so that a reader finds little to do.
    """
    taken = 0
    while ChangedPart.objects.exists() and (most is None or taken < most):
        count = _take_changes(CHANGES if most is None else min(CHANGES, most - taken))
        if not count:
            break
        taken += count
    return taken


@transaction.atomic
def _take_changes(limit: int) -> int:
    _go_alone()
    # A change that commits while we count stays for the next time, so nothing that was written is passed over.
    changes = dict(ChangedPart.objects.order_by("pk").values_list("pk", "inspection_id")[:limit])
    if changes:
        parts = {*changes.values(), *_answered_by(changes.values())}
        _count({"inspection__in": sorted(parts)}, _calendars())
        ChangedPart.objects.filter(pk__in=changes).delete()
    return len(changes)


def _answered_by(parts: Iterable[int]) -> QuerySet[Inspection, int]:
    """Parts that were sent to be cleaned: the serial's next inspection, which changed, answers for them."""
    serials = Inspection.objects.filter(pk__in=parts).values("serial")
    return Inspection.objects.filter(state=State.RETAKE, serial__in=serials).values_list("pk", flat=True)


def up_to_date(lines: Iterable[Line]) -> int:
    """Let a reader of these lines find everything counted that was written before they asked.

    Where more has changed than a reader may wait for, the workers count the rest; returns how much that is.
    """
    follow_calendars(lines)
    return 0 if catch_up(most=FOR_A_READER) < FOR_A_READER else left_to_count()


def left_to_count() -> int:
    """Changes that are not counted yet: as a rule none."""
    return ChangedPart.objects.count()


def follow_calendars(lines: Iterable[Line], *, at_once: int | None = AT_ONCE) -> None:
    """Count anew the lines whose working days have changed. A line with more than `at_once` pairs waits for a worker."""
    known = dict(Calendared.objects.values_list("line", "calendar"))
    for line in lines:
        digest = _digest(Calendar(line))
        if known.get(line.pk) == digest:
            continue
        pairs = Comparison.objects.filter(line=line)
        if at_once is not None and pairs[: at_once + 1].count() > at_once:
            continue
        if pairs.exists():
            recount([line])
        Calendared.objects.update_or_create(line=line, defaults={"calendar": digest})


def are_counted_by(line: Line, calendar: Calendar) -> bool:
    """Whether the line's pairs were counted by these working days; until a worker has counted a long line anew: no."""
    return Calendared.objects.filter(line=line, calendar=_digest(calendar)).exists()


def recount(lines: Iterable[Line], *, progress: Callable[[int], Any] = lambda parts: None) -> tuple[int, int]:
    """Count all pairs of some lines from their rows, and the tallies from the pairs; then let the database know how many.

    Returns how many pairs there are, and how many pairs and days were not counted as their rows say. The line goes on
    meanwhile: at every moment the tallies are the sums of what was counted.
    """
    pairs = mended = 0
    for line in lines:
        for first, last in _ranges(line):
            with transaction.atomic():
                _go_alone()
                mended += _count({"inspection__gte": first, "inspection__lte": last}, _calendars(), line)
            progress(last - first + 1)
        for day in _days_of(line):
            counted, wrong = _sum_up(line, day)
            pairs, mended = pairs + counted, mended + wrong
    with connection.cursor() as cursor:
        for model in (Comparison, DayTally):
            cursor.execute(f"ANALYZE {model._meta.db_table}")  # else PostgreSQL plans for the few rows of before
    return pairs, mended


def _ranges(line: Line) -> Iterator[tuple[int, int]]:
    """Ranges of keys of the line's parts that have a prediction, or had one when they were counted."""
    keys: list[int] = []
    for rows in (Prediction.objects.filter(inspection__line=line), Comparison.objects.filter(line=line)):
        keys += rows.order_by().aggregate(first=Min("inspection"), last=Max("inspection")).values()
    known = [key for key in keys if key is not None]
    if known:
        parts = PARTS[connection.vendor]
        for first in range(min(known), max(known) + 1, parts):
            yield first, min(first + parts - 1, max(known))


def _days_of(line: Line) -> list[date]:
    days = {*Comparison.objects.filter(line=line).values_list("day", flat=True).distinct()}
    return sorted(days | {*DayTally.objects.filter(line=line).values_list("day", flat=True).distinct()})


@transaction.atomic
def _sum_up(line: Line, day: date) -> tuple[int, bool]:
    """Make a day's tallies from its comparisons; says how many there are, and whether the tallies were wrong."""
    _go_alone()
    rows = Comparison.objects.filter(line=line, day=day).values_list(*SUMMED)
    sums = sums_of(rows.iterator(chunk_size=5000))
    pairs = sum(each.standing.total() for each in sums.values())
    wrong = dict(tallies(DayTally.objects.filter(line=line, day=day))) != sums
    if wrong:
        DayTally.objects.filter(line=line, day=day).delete()
        _insert_tallies(sums)
    return pairs, wrong


# ---- Counting


def _go_alone() -> None:
    """Let nobody else count until this transaction ends. On SQLite it holds the one write lock already."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            # A power cut that undoes the count undoes the taking of its changes too: they are counted again.
            cursor.execute("SET LOCAL synchronous_commit = off")


def _calendars() -> dict[int, Calendar]:
    return {line.pk: Calendar(line) for line in Line.objects.prefetch_related("shifts")}


def _digest(calendar: Calendar) -> str:
    shifts = [(shift.starts_at.isoformat(), shift.ends_at.isoformat()) for shift in calendar.shifts]
    return hashlib.sha256(json.dumps([FORM, str(calendar.zone), calendar.demo, shifts]).encode()).hexdigest()


def _count(scope: Mapping[str, Any], calendars: Mapping[int, Calendar], line: Line | None = None) -> int:
    """Count some parts again, of a line or of all, and return how many pairs had changed.

    `scope` filters a prediction's and a comparison's part; the caller goes alone.
    """
    counted, predictions = Comparison.objects.filter(**scope), Prediction.objects.filter(**scope)
    if line:
        # Without statistics SQLite would walk all parts of the line for each range.
        counted = counted.alias(on_line=unindexed("line")).filter(on_line=line.pk)
        predictions = predictions.alias(on_line=unindexed("inspection__line")).filter(on_line=line.pk)
        beside = {name.replace("inspection", "part"): key for name, key in scope.items()}
        predictions = predictions.alias(part=KeyBeside("inspection__line")).filter(**beside)
    known = {row[0]: Counted(*row) for row in counted.values_list(*COLUMNS)}
    new: list[Counted] = []
    for row in compared(predictions, calendars):
        if known.get(row.prediction_id) == row:
            del known[row.prediction_id]
        else:
            new.append(row)
    moved = sums_of(map(summed, new))
    for key, before in sums_of(map(summed, known.values())).items():  # what it was before, or its prediction was purged
        moved[key].move(before, times=-1)
    Comparison.objects.filter(pk__in=known).delete()
    _insert(Comparison, COLUMNS, new)
    _move_tallies(moved)
    return len(known.keys() | {row.prediction_id for row in new})


def tallies(rows: QuerySet[DayTally], *, evidence: bool = True) -> Iterator[tuple[Key, Sums]]:
    """The tallies as keys and sums; what certificates count is left out where it is not wanted."""
    width = len(Key._fields)
    more = ("evidence",) if evidence else ()
    for findings, scores, *rest in rows.values_list("findings", "scores", *more, *TALLY):
        places = rest.pop(0) if evidence else {}
        standing = Counter({name: n for name, n in zip(STANDINGS, rest[width:], strict=True) if n})
        found = {cell: Counter(found) for cell, found in findings.items()}
        yield Key(*rest[:width]), Sums(standing, found, scores, places)


def _move_tallies(moved: Mapping[Key, Sums]) -> None:
    """Let the tallies move by these differences: the days' rows are written anew."""
    if not moved:
        return
    rows = DayTally.objects.filter(line__in={key.line_id for key in moved}, day__in={key.day for key in moved})
    known = dict(tallies(rows))
    for key, sums in moved.items():
        known.setdefault(key, Sums()).move(sums)
    rows.delete()
    _insert_tallies(known)


def _insert_tallies(sums_of: Mapping[Key, Sums]) -> None:
    tidy = ((key, sums.tidy()) for key, sums in sums_of.items())
    rows = [
        (
            *key,
            *(sums.standing[name] for name in STANDINGS),
            *(json.dumps(counts) for counts in (sums.findings, sums.scores, sums.evidence)),
        )
        for key, sums in tidy
        if sums.standing
    ]
    _insert(DayTally, (*TALLY, "findings", "scores", "evidence"), rows)


def _insert(model: type[Comparison] | type[DayTally], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write many rows at once; through the ORM a million of them would take several times as long."""
    if not rows:
        return
    quoted = ", ".join(connection.ops.quote_name(name) for name in names)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {model._meta.db_table} ({quoted}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            moments = [place for place, name in enumerate(names) if name in ("day", "received_at", "judged_at")]
            marks = ", ".join(["%s"] * len(names))
            statement = f"INSERT INTO {model._meta.db_table} ({quoted}) VALUES ({marks})"  # noqa: S608 - names of our own
            cursor.executemany(statement, [_as_text(row, moments) for row in rows])


def _as_text(row: Sequence[Any], moments: Sequence[int]) -> list[Any]:
    """A row with its days and moments as SQLite keeps them; Django's own adapter takes a quarter of the whole count."""
    values = list(row)
    for place in moments:
        moment = values[place]
        if isinstance(moment, datetime):
            values[place] = str(moment.astimezone(UTC).replace(tzinfo=None))
        elif moment is not None:
            values[place] = str(moment)
    return values
