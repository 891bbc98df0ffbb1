"""What a line tells the factory's other systems of itself: where it stands, its running shift, its queue, its last part."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Q

from automation import policies
from automation.models import Routing
from automation.reports import MACHINE_DECIDES, is_escalation
from inspection.disposition_records import last_before
from inspection.models import Disposition, Inspection, Line
from inspection.shift import running_shift

# Their kinds; names and kinds stay as docs/integration.md has them. Nothing in them is about a person.
KINDS: dict[str, type] = {
    "Level": str, "Halted": bool, "Shift/Name": str, "Shift/Start": datetime, "Shift/Parts": int, "Shift/Passed": int,
    "Shift/Rejected": int, "Shift/Escalations": int, "Queue/Depth": int, "Queue/Age": float,
    "Last Disposition/Serial": str, "Last Disposition/Outcome": str, "Last Disposition/Time": datetime,
}  # fmt: skip
Metrics = dict[str, tuple[type, Any]]


def metrics_of(line: Line, *, now: datetime) -> Metrics:
    """The line's metrics. Counts are of the running shift, or of the day since midnight where none runs."""
    shift, start = running_shift(line, now)
    found: dict[str, Any] = {
        "Level": str(policies.level_of(line)), "Halted": policies.halt_of(line) is not None, "Shift/Name": shift,
        "Shift/Start": start, "Shift/Escalations": _escalations(line, start),
        "Shift/Parts": Inspection.objects.live().filter(line=line, received_at__gte=start).count(),
        **_queue(line, now), **_dispositions(line, start), **_last(line),
    }  # fmt: skip
    return {name: (kind, found[name]) for name, kind in KINDS.items()}


def _queue(line: Line, now: datetime) -> dict[str, Any]:
    """How many parts wait for a person, and for how many seconds the oldest of them has."""
    waiting = Inspection.objects.queued([line.pk]).filter(origin__in=("live", "simulated"))
    found = waiting.order_by().aggregate(depth=Count("pk"), oldest=Min("received_at"))
    oldest = found["oldest"]
    return {"Queue/Depth": found["depth"], "Queue/Age": round((now - oldest).total_seconds(), 1) if oldest else 0.0}


def _of_line(line: Line) -> Any:
    live = Inspection.objects.live().filter(pk=OuterRef("inspection"), line=line)
    return Disposition.objects.filter(Exists(live))


def _dispositions(line: Line, start: datetime) -> dict[str, Any]:
    """The dispositions since then that no later one has replaced, by outcome."""
    newer = Disposition.objects.filter(inspection=OuterRef("inspection"), pk__gt=OuterRef("pk"))
    rows = _of_line(line).filter(~Exists(newer), pk__gt=last_before(start), at__gte=start)
    found = rows.order_by().aggregate(passed=Count("pk", Q(outcome="pass")), rejected=Count("pk", Q(outcome="reject")))
    return {"Shift/Passed": found["passed"], "Shift/Rejected": found["rejected"]}


def _escalations(line: Line, start: datetime) -> int:
    """Parts that the machine was to decide and left to a person."""
    rows = Routing.objects.filter(
        inspection__line=line, inspection__received_at__gte=start, decision="person", policy__level__in=MACHINE_DECIDES
    )
    counts = rows.order_by().values_list("reason").annotate(parts=Count("pk"))
    return sum(parts for reason, parts in counts if is_escalation(reason))


def _last(line: Line) -> dict[str, Any]:
    row = _of_line(line).select_related("inspection").order_by("-pk").first()
    if row is None:
        return dict.fromkeys(name for name in KINDS if name.startswith("Last Disposition"))
    return {
        "Last Disposition/Serial": row.inspection.serial, "Last Disposition/Outcome": row.outcome,
        "Last Disposition/Time": row.at,
    }  # fmt: skip
