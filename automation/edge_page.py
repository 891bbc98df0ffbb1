"""The card of the line's page about stations that decide while the network is down: who may, by what, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from automation.edge_bundles import end_of, standing_of
from automation.edge_gaps import gaps_in
from automation.edge_rules import HOURS, LEAST_HOURS, MOST, MOST_HOURS, MOST_OF_ALL, why_not_to_decide
from automation.levels import Level
from automation.models import EdgeBundle, EdgeMark, Policy
from inspection.models import Line, Station

SHOWN = 8  # bundles


@dataclass(frozen=True)
class BundleRow:
    """A bundle, until when its station may use it or why it ended, and the parts that were decided by it."""

    bundle: EdgeBundle
    holds_until: datetime | None  # as the station was last told; None: it has not fetched a ticket
    ended_at: datetime | None
    ended_why: str
    ended_by: str
    decided: int  # parts that have arrived
    refused: int  # of them, not taken
    lacking: int  # that never arrived

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True)
class StationRow:
    """A station, and why it may not decide by itself now."""

    station: Station
    reasons: Sequence[str]


@dataclass(frozen=True)
class EdgePage:
    stations: Sequence[StationRow]
    bundles: Sequence[BundleRow]
    hours: int = HOURS
    least_hours: int = LEAST_HOURS
    most_hours: int = MOST_HOURS
    most: int = MOST
    most_of_all: int = MOST_OF_ALL

    @property
    def in_use(self) -> list[BundleRow]:
        return [row for row in self.bundles if not row.is_over]

    @property
    def able(self) -> list[Station]:
        return [row.station for row in self.stations if not row.reasons]

    @property
    def common(self) -> list[str]:
        """The reasons that keep every station from it."""
        first = self.stations[0].reasons if self.stations else []
        return [reason for reason in first if all(reason in row.reasons for row in self.stations)]

    @property
    def others(self) -> list[tuple[Station, list[str]]]:
        """The stations with reasons of their own."""
        common = self.common
        found = [(row.station, [reason for reason in row.reasons if reason not in common]) for row in self.stations]
        return [(station, reasons) for station, reasons in found if reasons]


def edge_page(line: Line, policy: Policy) -> EdgePage | None:
    """None: the machine does not decide on the line, and no station of it ever had a bundle."""
    rows = (
        EdgeBundle.objects.filter(line=line).order_by("-number").select_related("line", "station", "policy", "version")
    )
    bundles = list(rows.defer("version__card")[:SHOWN])
    if not bundles and not Level(policy.level).machine_decides:
        return None
    stations = [StationRow(one, why_not_to_decide(standing_of(line, one, policy))) for one in line.stations.all()]
    marks = EdgeMark.objects.filter(bundle__in=bundles).order_by().values("bundle")
    counted = marks.annotate(decided=Count("pk"), refused=Count("pk", filter=Q(taken=False)))
    counts = {row["bundle"]: (row["decided"], row["refused"]) for row in counted}
    return EdgePage(stations, [_row(bundle, *counts.get(bundle.pk, (0, 0))) for bundle in bundles])


def _row(bundle: EdgeBundle, decided: int, refused: int) -> BundleRow:
    ticket, ending = bundle.tickets.last(), end_of(bundle)
    return BundleRow(
        bundle, holds_until=ticket.ends_at if ticket else None, ended_at=ending.at if ending else None,
        ended_why=ending.why if ending else "", ended_by=ending.by if ending else "", decided=decided, refused=refused,
        lacking=gaps_in(bundle),
    )  # fmt: skip
