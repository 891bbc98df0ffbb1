"""Parts that a station decided and that never arrived: numbers that lack in its bundles, which nobody has judged.

Nothing is known of such a part but that it was decided, so it counts as one that the machine passed and that waits for
longer than anybody should (docs/adr/0015): an escape, until it arrives after all. The last ones before a spool was lost
leave no gap; nobody can know of these.
"""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, F, Max, QuerySet

from automation.edge_rules import missing_places
from automation.models import EdgeBundle, EdgeMark
from automation.routing import Stratum
from inspection.models import Line
from inspection.prepared import Given, Prepared
from shadow.models import ModelVersion


class Gap(NamedTuple):
    """A part that lacks: when the next one of the bundle arrived, and that one's station and variant."""

    arrived: datetime
    stratum: Stratum


def gaps_of(
    line: Line, version: ModelVersion, *, since: datetime | None = None, upto: datetime | None = None
) -> list[Gap]:
    """The gaps in what stations of the line have decided by a version, as things stood at `upto` (None: now)."""
    if upto is None:
        bundles = [bundle for bundle, last, came in _COUNTED(line=line.pk, version=version.pk) if last > came]
    else:
        bundles = list(_marks(line.pk, version.pk).filter(at__lte=upto).values_list("bundle", flat=True).distinct())
    found = [gap for bundle in bundles for gap in _gaps(bundle, upto)]
    return [gap for gap in found if since is None or gap.arrived >= since]


def _marks(line: int | Given, version: int | Given) -> QuerySet[EdgeMark]:
    """A place outside of the bundle's is none: it must not make up parts that never were."""
    rows = EdgeMark.objects.filter(bundle__line=line, bundle__version=version, place__lte=F("bundle__most"))
    return rows.order_by()


_COUNTED = Prepared(
    lambda: (
        _marks(Given("line"), Given("version"))
        .values("bundle")
        .annotate(last=Max("place"), came=Count("place", distinct=True))
        .values_list("bundle", "last", "came")
    )
)


def gaps_in(bundle: EdgeBundle) -> int:
    """How many numbers lack in one bundle, now."""
    return len(_gaps(bundle.pk, None))


def _gaps(bundle: int, upto: datetime | None) -> list[Gap]:
    rows = EdgeMark.objects.filter(bundle=bundle, place__lte=F("bundle__most"), **({"at__lte": upto} if upto else {}))
    told = rows.order_by("-pk").values_list(
        "place", "inspection__received_at", "inspection__station__slug", "inspection__variant__slug"
    )
    came = {place: Gap(arrived, (station or "", variant or "")) for place, arrived, station, variant in told}
    return [came[following] for _lacking, following in missing_places(list(came))]
