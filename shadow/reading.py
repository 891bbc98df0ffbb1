"""Reads what was counted for a report: whole days from the tallies, the rest from the comparisons."""

from django.db.models import Q, QuerySet

from inspection.models import Line
from shadow.asked import Asked
from shadow.comparisons import SUMMED, Key, Sums, sums_of
from shadow.days import Calendar
from shadow.models import Comparison, DayTally
from shadow.narrowing import within
from shadow.rollups import tallies


def counted(asked: Asked) -> dict[Key, Sums]:
    """The sums of all pairs asked for, of every kind of evidence, but for what certificates count of them."""
    found: dict[Key, Sums] = {}
    for line in asked.lines:
        if asked.narrow.lot:
            found |= _sums(asked, line, Q(lot=asked.narrow.lot))
            continue
        calendar = Calendar(line)
        cut = asked.span.cuts(calendar)
        rows = DayTally.objects.filter(line=line, version__in=asked.versions, **asked.narrow.groups())
        whole = rows.filter(within(asked.span.in_days(calendar))).exclude(day__in=cut)
        found.update(tallies(whole, evidence=False))
        if cut:
            found |= _sums(asked, line, Q(day__in=cut))
    return found


def _sums(asked: Asked, line: Line, which: Q) -> dict[Key, Sums]:
    """The sums of pairs read one by one, as the span's exact moments hold them."""
    rows = Comparison.objects.filter(
        which, within(asked.span), line=line, version__in=asked.versions, **asked.narrow.groups()
    )
    return sums_of(rows.values_list(*SUMMED).iterator(chunk_size=5000))


def comparisons_of(asked: Asked) -> QuerySet[Comparison]:
    """The pairs of the one kind of evidence that was asked for, those that stand in no cell of the table among them."""
    rows = Comparison.objects.filter(
        within(asked.span), line__in=asked.lines, version__in=asked.versions, kind=asked.evidence,
        **asked.narrow.groups(),
    )  # fmt: skip
    return rows.filter(lot=asked.narrow.lot) if asked.narrow.lot else rows
