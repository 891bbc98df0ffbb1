"""The one door through which an inspection changes its state."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from inspection.models import Inspection
from inspection.models.part import STATES
from inspection.moves import State, may_move
from inspection.prepared import Given, Prepared
from inspection.refusals import Conflict

LOCKED = Prepared(
    lambda: Inspection.objects.select_for_update(of=("self",)).select_related("line").filter(pk=Given("part"))
)


def lock(inspection: Inspection) -> Inspection:
    """The row as it is now, locked to the end of the transaction (SQLite locks the whole database at BEGIN)."""
    locked = LOCKED.first(part=inspection.pk)
    if locked is None:
        raise Inspection.DoesNotExist
    return locked


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
            given = {"serial": inspection.serial, "state": inspection.get_state_display(), "end": dict(STATES)[end]}
            raise Conflict(_("Part %(serial)s is %(state)s and cannot become %(end)s.") % given)
    if inspections:
        keys = [inspection.pk for inspection in inspections]
        Inspection.objects.filter(pk__in=keys).update(state=end, state_since=now)
    for inspection in inspections:
        inspection.state, inspection.state_since = end, now
