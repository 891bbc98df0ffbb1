"""What routing tells the watch: how long a part waited for its answer, and whether the machine left it to people."""

from datetime import datetime

from automation.levels import Level
from automation.models import Routing
from inspection.models import Line
from monitoring.detection import Value
from monitoring.sources import Reading, Source, live_origins, register

FIELDS = (
    "pk", "inspection_id", "inspection__station_id", "prediction__version_id", "inspection__received_at", "at",
    "decision", "policy__level", "policy__number",
)  # fmt: skip


def _read_routings(line: Line, after: int, upto: int, now: datetime) -> list[Reading]:
    rows = Routing.objects.filter(
        pk__gt=after, pk__lte=upto, inspection__line=line, inspection__origin__in=live_origins(line)
    )
    found = []
    for pk, part, station, version, received, at, decision, level, policy in rows.order_by("pk").values_list(*FIELDS):
        seconds = (at - received).total_seconds()
        waited: dict[str, Value] = {
            "settle.seconds": seconds if seconds >= 0 else None
        }  # the clock was set back meanwhile
        found.append(Reading(pk, line.pk, station, version, received, part, waited))
        if Level(level).machine_decides:  # elsewhere people judge every part, and nothing is left to them
            left: dict[str, Value] = {"settle.escalated": decision == "person"}
            # Another policy leaves another share to people: each has its own baseline.
            found.append(Reading(pk, line.pk, station, version, received, part, left, f"policy {policy}"))
    return found


def register_source() -> None:
    register(Source("routings", Routing, "at", frozenset({"settle.seconds", "settle.escalated"}), _read_routings))
