"""How far back figures of single persons are told: verdicts stay for the evidence, what they say of a person does not."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.models import Line
from inspection.refusals import BadInput
from shadow.days import Calendar, Span, whole_days


def first_day(line: Line, now: datetime | None = None) -> date | None:
    """The first working day of which figures of persons are told; None: all are."""
    days = settings.KEEP_PERSONS_DAYS
    return Calendar(line).day_of(now or timezone.now()) - timedelta(days=days) if days else None


def as_far_as_kept(span: Span, line: Line, now: datetime | None = None) -> Span:
    """The span of figures of persons: whole days, an open beginning set to the first day that is told.

    Raises BadInput for moments, and for a span that begins or ends before that day: it would seem to hold what it leaves out.
    """
    whole_days(span)
    first = first_day(line, now)
    if first is None:
        return span
    if any(isinstance(edge, date) and edge < first for edge in (span.start, span.end)):
        words = _("Figures of persons are told from {day} on, for {days} days. Ask for a later day.")
        raise BadInput(words.format(day=first.isoformat(), days=settings.KEEP_PERSONS_DAYS))
    return replace(span, start=span.start or first)
