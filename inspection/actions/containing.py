"""An escape is contained: a task that names what else may have left with the part, and is closed with its cause."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Containment, Disposition, DispositionOutcome, Inspection, User
from inspection.refusals import BadInput, Conflict

AGAIN = 20_000  # dispositions looked through once more each time: rows may commit out of the order of their keys
_looked_through = 0  # the key up to which this process has looked; a new process looks through all of them once
ESCAPED = "The machine passed this part and a person found it scratched."


def contain_escapes(*, now: datetime | None = None) -> int:
    """Open a containment for every part that the machine passed and a person rejects, and return how many are new.

    A worker calls it every few seconds. The verdict itself opens none, or its time would tell the inspector that the
    machine had passed the part.
    """
    global _looked_through
    newest = Disposition.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    passed = Disposition.objects.filter(inspection=OuterRef("inspection"), by_machine=True)
    passed = passed.filter(outcome=DispositionOutcome.PASS, pk__lt=OuterRef("pk"))
    in_force = Disposition.objects.filter(inspection=OuterRef("inspection")).order_by("-pk").values("pk")[:1]
    contained = Containment.objects.filter(inspection=OuterRef("inspection"))
    found = Disposition.objects.filter(
        pk__gt=_looked_through - AGAIN, by_machine=False, outcome=DispositionOutcome.REJECT
    )
    found = (
        found.filter(Exists(passed), pk=Subquery(in_force))
        .exclude(Exists(contained))
        .select_related("inspection__line")
    )
    parts = {row.inspection_id: row.inspection for row in found}
    opened = sum(_open(part, now or timezone.now()) for part in parts.values())
    _looked_through = newest
    return opened


@transaction.atomic
def _open(inspection: Inspection, now: datetime) -> bool:
    """Open the part's containment; two workers at once open one."""
    _row, new = Containment.objects.get_or_create(inspection=inspection, defaults={"reason": ESCAPED, "opened_at": now})
    if new:
        audit.record("containment_opened", by="system", line=inspection.line.slug, subject=inspection, reason=ESCAPED)
    return new


@transaction.atomic
def close_containment(*, containment: Containment, cause: str, by: User, now: datetime | None = None) -> None:
    if not cause.strip():
        raise BadInput(_("Name the cause before you close the containment."))
    containment = Containment.objects.select_for_update().select_related("inspection__line").get(pk=containment.pk)
    if containment.closed_at:
        raise Conflict(_("This containment is closed already."))
    containment.cause, containment.closed_by, containment.closed_at = cause.strip()[:500], by, now or timezone.now()
    containment.save()
    inspection = containment.inspection
    audit.record("containment_closed", by=by, line=inspection.line.slug, subject=inspection, cause=containment.cause)
