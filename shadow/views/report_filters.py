"""What the filters of the agreement report offer, and how they stand in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.dateformat import format as date_words
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from inspection.models import Station, Variant
from inspection.people import usernames_for
from inspection.prepared import GivenKeys, Prepared
from shadow.asked import Asked
from shadow.days import Calendar, Edge, Span
from shadow.models import DayTally
from shadow.views.filters import query_of

NARROWED = ("station", "variant", "inspector", "lot")
QUICK = {
    1: gettext_lazy("Today"),
    7: gettext_lazy("Last 7 days"),
    30: gettext_lazy("Last 30 days"),
}
TERMS = {
    "station": gettext_lazy("Station"),
    "variant": gettext_lazy("Variant"),
    "inspector": gettext_lazy("Inspector"),
    "lot": gettext_lazy("Lot"),
}


@dataclass(frozen=True)
class Quick:
    """A period in one click."""

    words: str
    url: str
    chosen: bool


@dataclass(frozen=True)
class Choice:
    """One filter: its field, what it is called, and the values to choose from as (value, words)."""

    name: str
    words: str
    values: list[tuple[str, str]]
    chosen: str


def narrow_choices(asked: Asked) -> list[Choice]:
    """What the report can be narrowed to. A lot is typed; it has no values."""
    stations = _STATIONS(lines=[line.pk for line in asked.lines])
    values = {
        "station": sorted(stations, key=lambda row: row[1]),
        "variant": _VARIANTS(),
        "inspector": _inspectors(asked),
        "lot": [],
    }
    chosen = asked.narrow.echo()
    return [Choice(name, str(TERMS[name]), values[name], chosen[name]) for name in NARROWED]


_STATIONS = Prepared(lambda: Station.objects.filter(line__in=GivenKeys("lines")).values_list("slug", "name"))
_VARIANTS = Prepared(lambda: Variant.objects.order_by("name").values_list("slug", "name"))
_JUDGED = Prepared(
    lambda: (
        DayTally.objects.filter(line__in=GivenKeys("lines"), inspector__isnull=False)
        .order_by()
        .values_list("inspector")
        .distinct()
    )
)


def _inspectors(asked: Asked) -> list[tuple[str, str]]:
    """Whose verdicts were counted, as this reader may know them, in the order of those words."""
    judged = [inspector for (inspector,) in _JUDGED(lines=[line.pk for line in asked.lines])]
    called = usernames_for(asked.reader, judged)
    return [(name, name) for name in sorted(called.values())]


def quick_periods(asked: Asked, kept: Mapping[str, str], now: datetime | None = None) -> list[Quick]:
    """Today, the last 7 and 30 of the line's own days, and all."""
    today = Calendar(asked.lines[0]).day_of(now or timezone.now())
    found = []
    for days, words in QUICK.items():
        span = Span(today - timedelta(days=days - 1), today)
        url = f"?{query_of(kept, **{'from': str(span.start), 'to': str(span.end)})}"
        found.append(Quick(str(words), url, asked.span == span))
    return [*found, Quick(_("All days"), f"?{query_of(kept, **{'from': '', 'to': ''})}", asked.span == Span())]


def period_words(asked: Asked) -> str:
    """The span in words: '3 Nov 2026 to 9 Nov 2026'."""
    start, end = asked.span.start, asked.span.end
    if start and end:
        if start == end:
            return _edge_words(start)
        return _("{start} to {end}").format(start=_edge_words(start), end=_edge_words(end))
    if start:
        return _("from {start}").format(start=_edge_words(start))
    return _("to {end}").format(end=_edge_words(end)) if end else _("All days")


def _edge_words(edge: Edge) -> str:
    form = pgettext("the format of a day, as Django's date filter takes it", "j M Y")
    if not isinstance(edge, datetime):
        return date_words(edge, form)
    return f"{date_words(edge, form)} {edge:%H:%M}"


def day_of(edge: Edge | None) -> str:
    """An edge as a date field holds it."""
    if edge is None:
        return ""
    day: date = edge.date() if isinstance(edge, datetime) else edge
    return day.isoformat()
