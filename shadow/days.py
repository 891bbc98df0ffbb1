"""Working days of a line: which one a moment belongs to, and spans of them as a person writes them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from django.utils.translation import gettext as _

from inspection.models import Line
from inspection.refusals import BadInput

DAY = timedelta(days=1)
Edge = date | datetime  # a whole working day, or an exact moment (aware)


class Calendar:
    """A line's working days: a shift belongs to the day it started on, what no shift covers to the calendar day."""

    def __init__(self, line: Line):
        self.zone, self.demo = line.zone, line.demo
        self.shifts = list(line.shifts.all())

    def day_of(self, moment: datetime) -> date:
        return self.day_and_shift(moment)[0]

    def day_and_shift(self, moment: datetime) -> tuple[date, int]:
        """The working day of a moment, and the key of the shift that covers it; 0: none does."""
        local = moment.astimezone(self.zone)
        clock = local.time()
        for shift in self.shifts:
            if shift.covers(clock):
                return shift.day_of(local), shift.pk
        return local.date(), 0


@dataclass(frozen=True)
class Span:
    """From one edge to another. A day counts whole, at both ends; a moment counts from it, and up to before it."""

    start: Edge | None = None
    end: Edge | None = None

    def moments(self, line: Line) -> tuple[datetime | None, datetime | None]:
        """Moments that enclose the span, for a query. A day may reach a day further: its night shift ends there."""
        return _moment(self.start, line, 0), _moment(self.end, line, 2)

    def holds(self, moment: datetime, calendar: Calendar) -> bool:
        day = calendar.day_of(moment)
        return self._starts_by(moment, day) and self._ends_after(moment, day)

    def _starts_by(self, moment: datetime, day: date) -> bool:
        if isinstance(self.start, datetime):
            return moment >= self.start
        return self.start is None or day >= self.start

    def _ends_after(self, moment: datetime, day: date) -> bool:
        if isinstance(self.end, datetime):
            return moment < self.end
        return self.end is None or day <= self.end

    def in_days(self, calendar: Calendar) -> "Span":
        """The whole days that it may reach into: around a moment one more, for a night shift's day overlaps the next."""
        start, end = self.start, self.end
        return Span(
            calendar.day_of(start) - DAY if isinstance(start, datetime) else start,
            calendar.day_of(end) + DAY if isinstance(end, datetime) else end,
        )

    def cuts(self, calendar: Calendar) -> set[date]:
        """The days that it may hold in part: those around an edge that is a moment."""
        days = [calendar.day_of(edge) for edge in (self.start, self.end) if isinstance(edge, datetime)]
        return {day + step for day in days for step in (-DAY, timedelta(), DAY)}


def _moment(edge: Edge | None, line: Line, days: int) -> datetime | None:
    if edge is None or isinstance(edge, datetime):
        return edge
    return datetime.combine(edge + timedelta(days=days), time(), line.zone).astimezone(UTC)


EVERYTHING = Span()


def read_span(start: str, end: str, line: Line) -> Span:
    """The span that two texts name. Raises BadInput with the allowed forms."""
    span = Span(_edge("from", start, line), _edge("to", end, line))
    first, last = _moment(span.start, line, 0), _moment(span.end, line, 1)
    if first and last and first >= last:
        raise BadInput(_("'from' ({start}) lies after 'to' ({end}). Exchange them.").format(start=start, end=end))
    return span


AnyEdge = TypeVar("AnyEdge", date, datetime)


def _sane(edge: AnyEdge) -> AnyEdge:
    """The edge, if a day before and after it can be told in every time zone. Raises ValueError."""
    if not 1970 <= edge.year <= 2200:
        raise ValueError(edge)
    return edge


def _edge(name: str, text: str, line: Line) -> Edge | None:
    text = text.strip()
    if not text:
        return None
    try:
        if len(text) == 10:
            return _sane(date.fromisoformat(text))
        moment = _sane(datetime.fromisoformat(text.replace(" ", "+")))  # an unquoted + of a URL arrives as a space
    except ValueError:
        raise BadInput(
            f"{name!r} is {text!r}. Write a day (2026-01-31) or a moment (2026-01-31T14:00:00+08:00), from 1970 to 2200."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=line.zone)


def whole_days(span: Span) -> Span:
    """The span, for figures of persons: by the hour they would draw somebody's curve over a shift. Raises BadInput."""
    for name, edge in (("from", span.start), ("to", span.end)):
        if isinstance(edge, datetime):
            raise BadInput(f"Figures of persons are told by whole days. Write {name!r} as a day (2026-01-31).")
    return span
