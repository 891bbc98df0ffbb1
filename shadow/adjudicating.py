"""A supervisor settles a discrepancy. It changes the reports in a column of its own, never the evidence."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.actions.moving import lock
from inspection.models import User
from inspection.refusals import BadInput, Conflict
from shadow.models import Adjudication, Finding, Prediction
from shadow.pairs import pairs_of


@transaction.atomic
def adjudicate(
    *, prediction: Prediction, finding: str, reason: str, by: User, now: datetime | None = None
) -> Adjudication:
    """Write who was right and why; the last finding holds, and the same one again by the same person adds nothing.

    Raises BadInput for an unknown finding or no reason, Conflict where person and model do not differ.
    """
    if finding not in Finding.values:
        raise BadInput(f"The finding {finding!r} is not one of {', '.join(Finding.values)}.")
    if not reason.strip():
        raise BadInput(_("Say why: the reason is what the next reader learns from."))
    inspection = lock(prediction.inspection)  # no verdict changes between the look and the row
    by.must_work_on(inspection.line)
    [pair] = pairs_of(Prediction.objects.filter(pk=prediction.pk))
    if not pair.differs:
        words = _("Person and model do not differ on part {serial}: there is nothing to settle.")
        raise Conflict(words.format(serial=pair.serial))
    reason = reason.strip()[:500]
    last = prediction.adjudications.last()
    if last and (last.finding, last.reason, last.by_id) == (finding, reason, by.pk):
        return last
    row = Adjudication.objects.create(
        prediction=prediction, finding=finding, reason=reason, by=by, at=now or timezone.now()
    )
    audit.record(
        "discrepancy_adjudicated", by=by, line=inspection.line.slug, subject=inspection,
        prediction=prediction.pk, model=pair.model, kind=pair.cell, finding=finding, reason=reason,
    )  # fmt: skip
    return row
