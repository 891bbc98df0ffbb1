"""What a version decided, by line and day, and by which policy and version a part was decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q
from django.db.models.functions import TruncDate

from automation.models import EdgeMark, Policy, Routing
from inspection.models import Inspection, Line
from shadow.models import ModelVersion, Prediction

SHOWN = timedelta(days=60)


class Decided(NamedTuple):
    """What the machine decided by a version's answers on a day of a line."""

    line: Line
    day: date
    passed: int
    rejected: int


def decisions_of(version: ModelVersion, lines: Sequence[Line], *, now: datetime) -> list[Decided]:
    """The machine's own dispositions of the last sixty days, the newest day first."""
    found = []
    for line in lines:
        rows = Routing.objects.filter(
            decided=True, at__gte=now - SHOWN, prediction__version=version, inspection__line=line
        )
        days = rows.annotate(day=TruncDate("at", tzinfo=line.zone)).order_by().values_list("day")
        counted = days.annotate(
            passed=Count("pk", filter=Q(decision="pass")), rejected=Count("pk", filter=Q(decision="reject"))
        )
        found += [Decided(line, *row) for row in counted]
    return sorted(found, key=lambda row: (row.day, row.line.slug), reverse=True)


@dataclass(frozen=True)
class Descent:
    """How a part came to be decided."""

    part: Inspection
    routing: Routing | None
    policy: Policy | None
    version: ModelVersion | None
    answers: Sequence[Prediction]
    mark: EdgeMark | None = None  # its station decided it while the network was down


def descent_of(part: Inspection) -> Descent:
    """The routing that was written when the part was routed, and every version's answer to it."""
    routing = (
        Routing.objects.filter(inspection=part)
        .select_related("policy__change", "policy__version", "prediction")
        .first()
    )
    answers = Prediction.objects.filter(inspection=part).select_related("version").defer("version__card", "figures")
    policy = routing.policy if routing else None
    decided_by = routing.prediction.version if routing and routing.prediction else None
    mark = EdgeMark.objects.filter(inspection=part).select_related("bundle__version").first()
    return Descent(part, routing, policy, decided_by or (policy.version if policy else None), list(answers), mark)
