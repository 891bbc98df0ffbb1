"""How a line's newest parts were routed: counted at a cost that neither its history nor its rate of parts raises."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Case, Count, F, QuerySet, Value, When

from automation.models import Routing
from inspection.models import Inspection, Line

MOST = 1_000  # parts: half an hour of a quick line, days of a slow one


class Group(NamedTuple):
    """Parts that one policy routed alike; `reason` only where people were to decide: else the score stands in it."""

    policy: int
    decision: str
    decided: bool
    reason: str
    audited: bool | None
    parts: int


def newest_parts(line: Line, since: datetime | None = None) -> tuple[datetime | None, QuerySet[Inspection]]:
    """The line's own parts from a moment on (None: all), or the newest where there are more than `MOST`; and since when."""
    all_parts = Inspection.objects.unseeded().filter(line=line)
    parts = all_parts.filter(received_at__gte=since) if since else all_parts
    newest = parts.order_by("-received_at").values_list("received_at", flat=True)
    first = newest[MOST - 1 : MOST].first()
    # One bound alone: of two SQLite goes by the first.
    return (first, all_parts.filter(received_at__gte=first)) if first else (since, parts)


def groups_of(parts: QuerySet[Inspection]) -> Sequence[Group]:
    """The groups in which some parts were routed."""
    why = Case(When(decision="person", then=F("reason")), default=Value(""))
    routed = Routing.objects.filter(inspection__in=parts).annotate(why=why).order_by()
    groups = routed.values_list("policy_id", "decision", "decided", "why", "inspection__draw__audited")
    return [Group(*row) for row in groups.annotate(n=Count("pk"))]


class Lately(NamedTuple):
    """The newest parts of a line, since when they are (None: all), and the groups in which they were routed."""

    since: datetime | None
    parts: QuerySet[Inspection]
    groups: Sequence[Group]


def routed_lately(line: Line, since: datetime | None = None) -> Lately:
    since, parts = newest_parts(line, since)
    return Lately(since, parts, groups_of(parts))
