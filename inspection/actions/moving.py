"""The one door through which an inspection changes its state."""

from datetime import datetime

from inspection.models import Inspection
from inspection.moves import State, may_move
from inspection.refusals import Conflict


def lock(inspection: Inspection) -> Inspection:
    """The row as it is now, locked to the end of the transaction (SQLite locks the whole database at BEGIN)."""
    return Inspection.objects.select_for_update(of=("self",)).select_related("line").get(pk=inspection.pk)


def move(inspection: Inspection, end: State, *, now: datetime) -> None:
    """Move a locked inspection. Raises Conflict for a move that the table does not hold."""
    if not may_move(inspection.state, end):
        raise Conflict(
            f"Part {inspection.serial} is {inspection.get_state_display()} and cannot become {end.replace('_', ' ')}."
        )
    inspection.state, inspection.state_since = end, now
    inspection.save(update_fields=["state", "state_since"])
