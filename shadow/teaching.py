"""A supervisor says what the training makes of a part: a label that was settled, or that it is left out."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.actions.moving import lock
from inspection.models import Inspection, Truth, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from shadow.models import TrainingPart
from shadow.uses import against_teaching, uses_of


@transaction.atomic
def teach(*, inspection: Inspection, label: str, reason: str, by: User, now: datetime | None = None) -> TrainingPart:
    """Let later trainings take the part under this label; an empty label leaves it out of them.

    The label follows the supervisors' findings. The last row holds, and the same label again adds nothing. Raises
    BadInput for an unknown label or no reason, Conflict while the truth is not settled or the part measures people.
    """
    must(by, May.SUPERVISE)
    if label not in ("", *Truth.values):
        words = _("The label %(label)s is not one of %(known)s, and it is not empty.")
        raise BadInput(words % {"label": repr(label), "known": ", ".join(Truth.values)})
    if not reason.strip():
        raise BadInput(_("Say why: whoever trains reads it later."))
    part = lock(inspection)  # no reference is kept of it between the look and the row
    by.must_work_on(part.line)
    if reasons := against_teaching(uses_of(part), label):
        raise Conflict(*reasons)
    last = TrainingPart.objects.filter(inspection=part).last()
    if last and last.label == label:
        return last
    row = TrainingPart.objects.create(
        inspection=part, label=label, reason=reason.strip()[:500], by=by, at=now or timezone.now()
    )
    action = "part_taught" if label else "part_untaught"
    audit.record(action, by=by, line=part.line.slug, subject=part, label=label, reason=row.reason)
    return row
