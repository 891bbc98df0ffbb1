"""What the apps above may do to a part: let the machine decide it, or hand it to people. The floor does not ask why."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inspection import audit
from inspection.actions.moving import lock, move
from inspection.models import Disposition, Inspection, Lease, Line, ModelOutputShown, User
from inspection.moves import State


@transaction.atomic
def decide_by_machine(
    *, inspection: Inspection, outcome: str, reason: str, audited: bool, now: datetime | None = None
) -> bool:
    """Let the machine decide, and say whether it could.

    It can only while the part is held, the hold runs, nobody holds the part and nobody has judged it. Otherwise the
    part is a person's for good, and a late or repeated call changes nothing.
    """
    now = now or timezone.now()
    inspection = lock(inspection)
    taken = Lease.objects.filter(inspection=inspection).exists() or inspection.verdicts.exists()
    if inspection.state != State.HELD or inspection.hold_until <= now or taken:
        return False
    Disposition.objects.create(inspection=inspection, outcome=outcome, by_machine=True, reason=reason[:300], at=now)
    move(inspection, State.AUDIT_DUE if audited else State.DECIDED, now=now)
    return True


@transaction.atomic
def hand_to_people(*, inspection: Inspection, now: datetime | None = None) -> bool:
    """Let people have a held part at once instead of when its hold has passed. Harmless on any other part."""
    inspection = lock(inspection)
    if inspection.state != State.HELD:
        return False
    move(inspection, State.WAITING, now=now or timezone.now())
    return True


def release_holds(*, line: Line, now: datetime) -> int:
    """End the holds of a line's undecided parts: people may take them now. Called when a level is lowered."""
    return line.inspections.filter(state=State.HELD, hold_until__gt=now).update(hold_until=now)


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
