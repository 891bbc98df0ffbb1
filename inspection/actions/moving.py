"""The one door through which an inspection changes its state."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from inspection.models import Inspection
from inspection.moves import State, may_move
from inspection.refusals import Conflict


def lock(inspection: Inspection) -> Inspection:
    """The row as it is now, locked to the end of the transaction (SQLite locks the whole database at BEGIN)."""
    return Inspection.objects.select_for_update(of=("self",)).select_related("line").get(pk=inspection.pk)


def lock_all(keys: Iterable[int]) -> dict[int, Inspection]:
    """Many rows by their keys, locked in the order of the keys: two who lock the same rows cannot wait for each other."""
    rows = Inspection.objects.select_for_update(of=("self",)).select_related("line", "station", "variant")
    return {row.pk: row for row in rows.filter(pk__in=set(keys)).order_by("pk")}


def move(inspection: Inspection, end: State, *, now: datetime) -> None:
    """Move a locked inspection. Raises Conflict for a move that the table does not hold."""
    move_all([inspection], end, now=now)


def move_all(inspections: Sequence[Inspection], end: State, *, now: datetime) -> None:
    """Move locked inspections to one state. Raises Conflict, and moves none, if the table does not hold one's move."""
    for inspection in inspections:
        if not may_move(inspection.state, end):
            raise Conflict(
                f"Part {inspection.serial} is {inspection.get_state_display()} and cannot become "
                f"{end.replace('_', ' ')}."
            )
    if inspections:
        keys = [inspection.pk for inspection in inspections]
        Inspection.objects.filter(pk__in=keys).update(state=end, state_since=now)
    for inspection in inspections:
        inspection.state, inspection.state_since = end, now
