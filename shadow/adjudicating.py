"""A supervisor settles a discrepancy. It changes the reports in a column of its own, never evidence or disposition."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import actions, audit
from inspection.actions.moving import lock
from inspection.escapes import why_not_contained
from inspection.models import Disposition, DispositionOutcome, Inspection, Line, Truth, User
from inspection.refusals import BadInput, Conflict, Unknown
from inspection.roles import May, must
from shadow.models import Adjudication, Finding, Prediction
from shadow.pairs import pairs_of
from shadow.truth import truth_of


@transaction.atomic
def adjudicate(
    *, prediction: Prediction, finding: str, reason: str, by: User, now: datetime | None = None
) -> Adjudication:
    """Write who was right and why; the last finding holds, and the same one again by the same person adds nothing.

    A part that passed and is found scratched has escaped: its containment is opened with the finding, and another
    finding later does not close it. Raises BadInput for an unknown finding or no reason, Conflict where person and model
    do not differ.
    """
    must(by, May.SUPERVISE)
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
    if truth_of(finding, pair.outcome, pair.predicted) == Truth.SCRATCHED and passing(inspection):
        actions.open_containment(inspection=inspection, reason=reason, by=by, now=now)
    return row


@dataclass(frozen=True)
class Tried:
    """One of several that were to be settled alike, and why it was not (empty: it was)."""

    prediction_id: int
    refusal: str


def adjudicate_all(
    *, predictions: Sequence[int], finding: str, reason: str, by: User, now: datetime | None = None
) -> list[Tried]:
    """Settle several alike, each in a transaction of its own: what stands against one holds no other up.

    Raises BadInput for an unknown finding or no reason.
    """
    on_their_lines = Prediction.objects.filter(pk__in=predictions, inspection__line__in=Line.objects.for_user(by))
    known = on_their_lines.select_related("inspection").in_bulk()
    tried = []
    for key in predictions:
        try:
            if key not in known:
                raise Unknown(_("There is no prediction {number} on your lines.").format(number=key))
            adjudicate(prediction=known[key], finding=finding, reason=reason, by=by, now=now)
        except (Conflict, Unknown) as refusal:
            tried.append(Tried(key, str(refusal)))
        else:
            tried.append(Tried(key, ""))
    return tried


def passing(inspection: Inspection) -> Disposition | None:
    """The disposition by which the part stands as passed, if it is one that can have left; else None."""
    holds = inspection.disposition
    if holds is None or holds.outcome != DispositionOutcome.PASS or why_not_contained(inspection):
        return None
    return holds
