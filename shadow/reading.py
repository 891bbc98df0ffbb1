"""Reads what was counted for a report: whole days from the tallies, the rest from the comparisons."""

from collections import defaultdict
from datetime import date, datetime, timedelta

from django.db.models import Q

from inspection.models import Line
from shadow.asked import Asked
from shadow.comparisons import Counted, Key, Sums, key_of, summed
from shadow.days import Calendar, Edge, Span
from shadow.models import Comparison, DayTally
from shadow.rollups import COLUMNS, tallies, up_to_date

DAY = timedelta(days=1)


def counted(asked: Asked) -> dict[Key, Sums]:
    """The sums of all pairs asked for, of every kind of evidence."""
    up_to_date(asked.lines)
    found: dict[Key, Sums] = defaultdict(Sums)
    for line in asked.lines:
        if asked.narrow.lot:
            _add_rows(found, asked, line, Q(lot=asked.narrow.lot))
            continue
        edges = _days_cut(asked.span, Calendar(line))
        rows = DayTally.objects.filter(line=line, version__in=asked.versions, **asked.narrow.groups())
        for key, sums in tallies(rows.filter(_within(asked.span, line)).exclude(day__in=edges)):
            found[key].move(sums)
        if edges:
            _add_rows(found, asked, line, Q(day__in=edges))
    return found


def _add_rows(found: dict[Key, Sums], asked: Asked, line: Line, which: Q) -> None:
    """Add pairs one by one, as the span's exact moments hold them."""
    rows = Comparison.objects.filter(which, line=line, version__in=asked.versions, **asked.narrow.groups())
    calendar = Calendar(line)
    for row in rows.values_list(*COLUMNS).iterator(chunk_size=5000):
        counted = Counted(*row)
        if asked.span.holds(counted.received_at, calendar):
            found[key_of(counted)].add(summed(counted))


def _within(span: Span, line: Line) -> Q:
    """The days that a span reaches into."""
    calendar = Calendar(line)
    first, last = _day(span.start, calendar), _day(span.end, calendar)
    wanted = Q()
    if first:
        wanted &= Q(day__gte=first)
    if last:
        wanted &= Q(day__lte=last)
    return wanted


def _days_cut(span: Span, calendar: Calendar) -> set[date]:
    """The days that a span may hold in part: those around an edge that is a moment, for days may overlap by a shift."""
    moments = [edge for edge in (span.start, span.end) if isinstance(edge, datetime)]
    days = [calendar.day_of(moment) for moment in moments]
    return {day + step for day in days for step in (-DAY, timedelta(), DAY)}


def _day(edge: Edge | None, calendar: Calendar) -> date | None:
    return calendar.day_of(edge) if isinstance(edge, datetime) else edge
