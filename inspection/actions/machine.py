"""What the apps above may do to a part: let the machine decide it, or hand it to people. The floor does not ask why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inspection import audit
from inspection.actions.moving import lock_all, move_all
from inspection.models import Disposition, Inspection, Lease, Line, ModelOutputShown, User, Verdict
from inspection.moves import State


@dataclass(frozen=True)
class MachineDecision:
    """What the machine says about a part, and whether the part is drawn for an audit."""

    inspection: Inspection
    outcome: str
    reason: str
    audited: bool


def decide_by_machine(
    *, inspection: Inspection, outcome: str, reason: str, audited: bool, now: datetime | None = None
) -> bool:
    """Let the machine decide one part, and say whether it could; see `decide_parts_by_machine`."""
    decision = MachineDecision(inspection, outcome, reason, audited)
    return inspection.pk in decide_parts_by_machine(decisions=[decision], now=now)


@transaction.atomic
def decide_parts_by_machine(*, decisions: Sequence[MachineDecision], now: datetime | None = None) -> set[int]:
    """Let the machine decide, and say for which parts it could, by their keys.

    It can only while the part is held, the hold runs, nobody holds the part and nobody has judged it. Otherwise the
    part is a person's for good, and a late or repeated call changes nothing.
    """
    now = now or timezone.now()
    asked = {decision.inspection.pk: decision for decision in decisions}
    locked = lock_all(asked)
    taken = {*Lease.objects.filter(inspection__in=locked).values_list("inspection_id", flat=True)}
    taken |= {*Verdict.objects.filter(inspection__in=locked).values_list("inspection_id", flat=True)}
    free = {
        key: part
        for key, part in locked.items()
        if part.state == State.HELD and part.hold_until > now and key not in taken
    }
    Disposition.objects.bulk_create(
        Disposition(
            inspection=part, outcome=asked[key].outcome, by_machine=True, reason=asked[key].reason[:300], at=now
        )
        for key, part in free.items()
    )
    move_all([part for key, part in free.items() if asked[key].audited], State.AUDIT_DUE, now=now)
    move_all([part for key, part in free.items() if not asked[key].audited], State.DECIDED, now=now)
    return set(free)


@transaction.atomic
def file_station_decision(
    *, inspection: Inspection, outcome: str, reason: str, certain: bool, now: datetime | None = None
) -> Disposition:
    """Write what the machine at the part's station has decided before the part arrived: the part has gone that way.

    `certain`: a person judges it blind, whatever a draw would say. Call it in the transaction in which the part arrives.
    """
    now = now or timezone.now()
    part = lock_all([inspection.pk])[inspection.pk]
    row = Disposition.objects.create(inspection=part, outcome=outcome, by_machine=True, reason=reason[:300], at=now)
    move_all([part], State.AUDIT_DUE if certain else State.DECIDED, now=now)
    inspection.refresh_from_db(fields=["state", "state_since"])
    return row


@transaction.atomic
def have_judged(*, inspections: Iterable[Inspection], now: datetime | None = None) -> set[int]:
    """Let people judge those of the parts that the machine has decided and nobody has judged, and return their keys."""
    locked = lock_all(part.pk for part in inspections)
    judged = {*Verdict.objects.filter(inspection__in=locked).values_list("inspection_id", flat=True)}
    parts = [part for key, part in locked.items() if part.state == State.DECIDED and key not in judged]
    move_all(parts, State.AUDIT_DUE, now=now or timezone.now())
    return {part.pk for part in parts}


def hand_to_people(*, inspection: Inspection, now: datetime | None = None) -> bool:
    """Let people have a held part at once instead of when its hold has passed. Harmless on any other part."""
    return inspection.pk in hand_parts_to_people(inspections=[inspection], now=now)


@transaction.atomic
def hand_parts_to_people(*, inspections: Iterable[Inspection], now: datetime | None = None) -> set[int]:
    """Let people have those of the parts that are held, and return their keys."""
    held = [part for part in lock_all(part.pk for part in inspections).values() if part.state == State.HELD]
    move_all(held, State.WAITING, now=now or timezone.now())
    return {part.pk for part in held}


@transaction.atomic
def release_holds(*, lines: Iterable[Line], now: datetime) -> int:
    """End the holds of the lines' undecided parts: people may take them now. Called when a level is lowered."""
    held = Inspection.objects.queued([line.pk for line in lines])
    return _end_holds(held.filter(state=State.HELD, hold_until__gt=now), now)


def _end_holds(held: QuerySet[Inspection], now: datetime) -> int:
    """End the holds of these parts now. A bare UPDATE would lock them in the order in which they lie on the disk, and two
    who lock the same parts would wait for each other; so they are locked by their keys first, as `lock_all` does."""
    keys = list(held.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        Inspection.objects.filter(pk__in=keys[start : start + AT_ONCE]).update(hold_until=now)
    return len(keys)


AT_ONCE = 1000  # keys in a statement, which SQLite takes no more than 32,766 of
SLACK = timedelta(seconds=5)  # by which the clocks of two computers may differ


def end_long_holds(*, line: Line, now: datetime) -> int:
    """End the holds that lie further ahead than the line's hold allows, and return how many.

    The clock was set back after these parts had come, and they would be held for as long as it was; or the hold has just
    been made shorter. People may take them now.
    """
    furthest = now + timedelta(seconds=line.hold_seconds) + SLACK
    held = Inspection.objects.queued([line.pk]).filter(state=State.HELD, hold_until__gt=furthest)
    if not held.exists():
        return 0  # nothing is written, so nobody waits for the writer
    with transaction.atomic():
        ended = _end_holds(held, now)
        audit.record("holds_ended", by="system", line=line.slug, subject=line, parts=ended)
    return ended


def note_model_output_shown(*, inspection: Inspection, user: User, where: str, now: datetime | None = None) -> None:
    """Remember that this person was served the model's answer: from now on their verdict is not blind."""
    ModelOutputShown.objects.create(inspection=inspection, user=user, where=where, at=now or timezone.now())


def note_decisions_shown(
    *, inspections: Iterable[Inspection], user: User, where: str, now: datetime | None = None
) -> None:
    """Remember that this person read what the machine decided: it tells what the model answered. Once per part."""
    told = [part for part in inspections if any(row.by_machine for row in part.dispositions.all())]
    known = set(ModelOutputShown.objects.filter(user=user, inspection__in=told).values_list("inspection_id", flat=True))
    at = now or timezone.now()
    ModelOutputShown.objects.bulk_create(
        ModelOutputShown(inspection=part, user=user, where=where, at=at) for part in told if part.pk not in known
    )


@transaction.atomic
def set_hold(*, line: Line, seconds: int, by: User | str) -> None:
    """How long new parts of the line wait for the machine; 0 gives them to people at once."""
    Line.objects.filter(pk=line.pk).update(hold_seconds=seconds)
    audit.record("hold_set", by=by, line=line.slug, subject=line, seconds=seconds)


@transaction.atomic
def raise_seeds(*, line: Line, percent: float, by: User | str) -> bool:
    """Let at least so many seeded parts be mixed in, in percent of the live parts; say whether it was less before.

    Where the machine decides, audits are most of the blind work: without other work beside them an audit could be told.
    """
    raised = Line.objects.filter(pk=line.pk, seed_percent__lt=percent).update(seed_percent=percent)
    if raised:
        audit.record("seeds_raised", by=by, line=line.slug, subject=line, percent=percent)
    return bool(raised)
