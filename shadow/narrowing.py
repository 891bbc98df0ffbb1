"""The filters that lists, reports and exports share: station, variant, inspector and lot."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from inspection.models import Line, Station, User, Variant
from inspection.people import usernames_for
from inspection.refusals import Unknown
from shadow.days import Span


@dataclass(frozen=True)
class Narrow:
    """What a report or list is narrowed to; None or an empty lot: not narrowed. `called` is the inspector's name here."""

    station: Station | None = None
    variant: Variant | None = None
    inspector: User | None = None
    called: str = ""
    lot: str = ""

    def groups(self) -> dict[str, Any]:
        """As a filter on a comparison or a tally. The lot is not in it: no tally knows it."""
        given = {"station": self.station, "variant": self.variant, "inspector": self.inspector}
        return {name: value for name, value in given.items() if value is not None}

    def echo(self) -> dict[str, str]:
        """As a reader may send it again."""
        return {
            "station": self.station.slug if self.station else "",
            "variant": self.variant.slug if self.variant else "",
            "inspector": self.called,
            "lot": self.lot,
        }


NOT_NARROWED = Narrow()


def read_narrow(params: Mapping[str, str], lines: tuple[Line, ...], reader: User) -> Narrow:
    """What a query string narrows to. Raises Unknown with what there is."""
    called = params.get("inspector", "")
    return Narrow(
        station=_station(params.get("station", ""), lines),
        variant=_variant(params.get("variant", "")),
        inspector=find_inspector(called, reader) if called else None,
        called=called,
        lot=params.get("lot", "").strip(),
    )


def _station(slug: str, lines: tuple[Line, ...]) -> Station | None:
    if not slug:
        return None
    stations = Station.objects.filter(line__in=lines)
    if found := stations.filter(slug=slug).first():
        return found
    known = ", ".join(stations.values_list("slug", flat=True)) or _("none yet")
    raise Unknown(_("There is no station {slug!r} here. Known stations: {known}.").format(slug=slug, known=known))


def _variant(slug: str) -> Variant | None:
    if not slug:
        return None
    if found := Variant.objects.filter(slug=slug).first():
        return found
    known = ", ".join(Variant.objects.values_list("slug", flat=True)) or _("none yet")
    raise Unknown(_("There is no variant {slug!r}. Known variants: {known}.").format(slug=slug, known=known))


def find_inspector(called: str, reader: User) -> User:
    """The person whom reports call so to this reader: by a pseudonym, or by a user name where it may be read."""
    for person in User.objects.filter(pseudonym=called) | User.objects.filter(username=called):
        if usernames_for(reader, [person.pk]).get(person.pk) == called:
            return person
    raise Unknown(_("Nobody is called {called!r} in the reports that you read.").format(called=called))


def within(span: Span) -> Q:
    """A span as a condition: whole days by the line's own days, moments by the arrival."""
    wanted = Q()
    if span.start:
        wanted &= Q(received_at__gte=span.start) if isinstance(span.start, datetime) else Q(day__gte=span.start)
    if span.end:
        wanted &= Q(received_at__lt=span.end) if isinstance(span.end, datetime) else Q(day__lte=span.end)
    return wanted
