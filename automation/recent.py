"""How a line's newest parts were routed: counted at a cost that neither its history nor its rate of parts raises."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from django.db.models import Case, Count, F, QuerySet, Value, When

from automation.models import Routing
from inspection.models import Inspection, Line
from inspection.prepared import MOMENT, Given, Prepared

MOST = 1_000  # parts: half an hour of a quick line, days of a slow one
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)  # before any part


class Group(NamedTuple):
    """Parts that one policy routed alike; `reason` only where people were to decide: else the score stands in it."""

    policy: int
    decision: str
    decided: bool
    reason: str
    audited: bool | None
    parts: int


class Lately(NamedTuple):
    """The newest parts of a line: since when they are (None: all), and the groups in which they were routed."""

    since: datetime | None
    groups: Sequence[Group]


def routed_lately(line: Line, since: datetime | None = None) -> Lately:
    """The line's own parts from a moment on (None: all), or the newest where there are more than `MOST`."""
    first = _last_of(MOST).first(line=line.pk, since=since or BEGINNING)
    since = first[0] if first else since
    return Lately(since, [Group(*row) for row in _GROUPS(line=line.pk, since=since or BEGINNING)])


def parts_since(line: Line, since: datetime | None) -> int:
    """How many parts of its own the line has received from a moment on (None: ever)."""
    return sum(n for _line, n in _HOW_MANY(line=line.pk, since=since or BEGINNING))


def _parts() -> QuerySet[Inspection]:
    parts = Inspection.objects.unseeded().filter(line=Given("line"), received_at__gte=Given("since", MOMENT))
    return parts.order_by("-received_at")


def _groups() -> QuerySet[Routing, tuple]:
    why = Case(When(decision="person", then=F("reason")), default=Value(""))
    routed = Routing.objects.filter(inspection__in=_parts().order_by().values("pk")).annotate(why=why).order_by()
    groups = routed.values_list("policy_id", "decision", "decided", "why", "inspection__draw__audited")
    return groups.annotate(n=Count("pk"))


@cache
def _last_of(most: int) -> Prepared[tuple[datetime]]:
    """When the last of so many newest parts arrived."""
    return Prepared(lambda: _parts().values_list("received_at")[most - 1 : most])


_GROUPS = Prepared(_groups)
_HOW_MANY = Prepared(lambda: _parts().order_by().values_list("line").annotate(n=Count("pk")))
