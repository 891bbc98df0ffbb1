"""What a supervisor does with a discrepancy beside settling it: each action joins the findings and the floor."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from inspection import actions
from inspection.actions.moving import lock
from inspection.models import Inspection, Photo, Reference, Sample, SeededPart, Truth, User
from inspection.refusals import Conflict, Unknown
from inspection.roles import May, must
from shadow import truth
from shadow.models import Adjudication, Finding, Prediction, TrainingPart
from shadow.teaching import teach
from shadow.uses import Uses, against_both, against_looking, against_measuring, against_showing, label_of, uses_of

LIMITS = {Truth.OK: Sample.Meaning.LIMIT_OK, Truth.SCRATCHED: Sample.Meaning.LIMIT_SCRATCHED}
CAPTION = 120  # signs of a sample's caption


@transaction.atomic
def teach_settled(
    *, prediction: Prediction, by: User, label: str | None = None, reason: str = "", now: datetime | None = None
) -> TrainingPart:
    """Teach the part as it was found to be, or under a label; the reason is the finding's own when none is given."""
    uses = _locked(prediction, by)
    chosen = uses.found.truth if label is None else label
    if label is None and not chosen:
        raise Conflict(*truth.against(uses.found))
    why = reason.strip() or (_reason(prediction) if chosen else "")
    return teach(inspection=prediction.inspection, label=chosen, reason=why, by=by, now=now)


@transaction.atomic
def keep_settled(*, prediction: Prediction, by: User, reason: str = "", now: datetime | None = None) -> Reference:
    """Keep the part as one of known truth, which is mixed in to measure the inspectors. Raises Conflict with reasons."""
    uses = _locked(prediction, by)
    if reasons := against_measuring(uses):
        raise Conflict(*reasons)
    why = reason.strip() or _reason(prediction)
    return actions.keep_reference(
        inspection=prediction.inspection, truth=uses.found.truth, reason=why, by=by, now=now
    )  # fmt: skip


@transaction.atomic
def keep_known(*, inspection: Inspection, truth: str, reason: str, by: User, now: datetime | None = None) -> Reference:
    """Keep a part whose truth is known from elsewhere; the floor's own rules hold. Raises Conflict for a taught one."""
    must(by, May.SUPERVISE)
    part = lock(inspection)
    by.must_work_on(part.line)
    if reasons := against_both(part.serial, label_of(part)):
        raise Conflict(*reasons)
    return actions.keep_reference(inspection=part, truth=truth, reason=reason, by=by, now=now)


@transaction.atomic
def show_settled(*, prediction: Prediction, position: int, by: User, caption: str = "") -> Sample:
    """Keep a photo of the part as a limit sample that inspectors see. Raises Conflict with reasons, Unknown."""
    uses, part = _locked(prediction, by), prediction.inspection
    photo = Photo.objects.filter(inspection=part, position=position).select_related("inspection").first()
    if photo is None:
        raise Unknown(_("Part {serial} has no photo {number}.").format(serial=part.serial, number=position + 1))
    if reasons := against_showing(uses, photo):
        raise Conflict(*reasons)
    return actions.add_sample(
        line=part.line, meaning=LIMITS[Truth(uses.found.truth)], photo=photo, by=by, variant=part.variant,
        view=photo.view, caption=(caption.strip() or _reason(prediction))[:CAPTION],
    )  # fmt: skip


@transaction.atomic
def look_again(*, prediction: Prediction, by: User, reason: str = "", now: datetime | None = None) -> SeededPart:
    """Have somebody judge the part blind once more, unknown to them; the part's disposition never changes by it."""
    if reasons := against_looking(_locked(prediction, by)):
        raise Conflict(*reasons)
    return actions.ask_second_look(inspection=prediction.inspection, by=by, reason=reason, now=now)


def _locked(prediction: Prediction, by: User) -> Uses:
    """What the part is used for now; until the transaction ends nobody changes it."""
    must(by, May.SUPERVISE)
    part = lock(prediction.inspection)
    by.must_work_on(part.line)
    prediction.inspection = part
    return uses_of(part)


def _reason(prediction: Prediction) -> str:
    """Why the part was found to be what it is: the last reason on this prediction, or on another of the part's."""
    rows = Adjudication.objects.filter(prediction__inspection=prediction.inspection_id).exclude(
        finding=Finding.AMBIGUOUS
    )
    row = rows.filter(prediction=prediction).last() or rows.last()
    return row.reason if row else ""
