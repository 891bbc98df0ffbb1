"""The one door through which an inspection changes its state."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import BigIntegerField, QuerySet
from django.utils.translation import gettext as _

from inspection.models import Inspection, Line, User
from inspection.models.part import STATES
from inspection.moves import State, may_move
from inspection.prepared import MOMENT, TEXT, Given, Prepared, PreparedChange
from inspection.refusals import Conflict, Unknown


def _one() -> QuerySet[Inspection]:
    return Inspection.objects.select_for_update(of=("self",)).select_related("line").filter(pk=Given("part"))


LOCKED = Prepared(_one)
LOCKED_FOR = Prepared(lambda: _one().filter(line__in=Line.objects.for_user(Given("user"))))
MOVED = PreparedChange(
    lambda: Inspection.objects.filter(pk=Given("part")), state=Given("end", TEXT), state_since=Given("now", MOMENT)
)


def lock(inspection: Inspection) -> Inspection:
    """The row as it is now, locked to the end of the transaction (SQLite locks the whole database at BEGIN)."""
    locked = LOCKED.first(part=inspection.pk)
    if locked is None:
        raise Inspection.DoesNotExist
    return locked


def lock_judged(pk: int, by: User) -> Inspection:
    """The same, of a line that the person works on. Raises Unknown elsewhere."""
    locked = LOCKED_FOR.first(part=pk, user=by.pk) if pk <= BigIntegerField.MAX_BIGINT else None
    if locked is None or not by.reaches(locked.line_id):
        raise Unknown(_("There is no inspection %(number)s on your lines.") % {"number": pk})
    return locked


def lock_all(keys: Iterable[int]) -> dict[int, Inspection]:
    """Many rows by their keys, locked in the order of the keys: two who lock the same rows cannot wait for each other."""
    rows = Inspection.objects.select_for_update(of=("self",)).select_related("line", "station", "variant")
    return {row.pk: row for row in rows.filter(pk__in=set(keys)).order_by("pk")}


def move(inspection: Inspection, end: State, *, now: datetime) -> None:
    """Move a locked inspection. Raises Conflict for a move that the table does not hold."""
    _must_allow(inspection, end)
    MOVED(part=inspection.pk, end=end, now=now)
    inspection.state, inspection.state_since = end, now


def move_all(inspections: Sequence[Inspection], end: State, *, now: datetime) -> None:
    """Move locked inspections to one state. Raises Conflict, and moves none, if the table does not hold one's move."""
    for inspection in inspections:
        _must_allow(inspection, end)
    if inspections:
        keys = [inspection.pk for inspection in inspections]
        Inspection.objects.filter(pk__in=keys).update(state=end, state_since=now)
    for inspection in inspections:
        inspection.state, inspection.state_since = end, now


def _must_allow(inspection: Inspection, end: State) -> None:
    if not may_move(inspection.state, end):
        given = {"serial": inspection.serial, "state": inspection.get_state_display(), "end": dict(STATES)[end]}
        raise Conflict(_("Part %(serial)s is %(state)s and cannot become %(end)s.") % given)
