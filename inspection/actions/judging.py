"""People judge: verdicts, second thoughts, retakes, and what each does to the part's disposition."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from inspection import audit
from inspection.actions.moving import lock, move
from inspection.actions.queue import LEASE_GONE, held_lease
from inspection.judging import finding_of
from inspection.models import (
    Containment,
    Correction,
    Defect,
    DefectKind,
    Disposition,
    DispositionOutcome,
    Inspection,
    Lease,
    Outcome,
    Photo,
    Severity,
    User,
    Verdict,
)
from inspection.models.judgement import Occasion
from inspection.moves import State
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import oversees

MAX_DEFECTS = 100
SUPERVISOR_DECIDES = "Nobody comes after a supervisor: decide ok or scratched, or ask for a retake."


@dataclass(frozen=True)
class MarkedDefect:
    """A mark as a person drew it: which photo (its id), what, how bad, and the box in shares of the photo."""

    photo: int
    kind: str
    severity: str = Severity.MINOR
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


OCCASIONS = {
    State.AUDIT_DUE: Occasion.AUDIT,
    State.SECOND_OPINION: Occasion.SECOND,
    State.WITH_SUPERVISOR: Occasion.SUPERVISOR,
}


@transaction.atomic
def record_verdict(
    *,
    inspection: Inspection,
    by: User,
    lease: str,
    outcome: str,
    defects: Sequence[MarkedDefect] = (),
    comment: str = "",
    duration_ms: int = 0,
    now: datetime | None = None,
) -> Verdict:
    """Write a person's verdict and what follows from it.

    The same verdict under the same lease again returns the first row: a browser that lost the answer may repeat itself.
    Raises Conflict when the lease is gone, BadInput when the marks and the outcome do not fit.
    """
    now = now or timezone.now()
    inspection = lock(inspection)
    if lease and (earlier := Verdict.objects.filter(inspection=inspection, inspector=by, lease_token=lease).first()):
        if earlier.outcome == outcome:
            return earlier
        raise Conflict(LEASE_GONE)
    held_lease(inspection, by, lease)
    occasion = OCCASIONS.get(State(inspection.state), Occasion.FIRST)
    marks = _checked(inspection, outcome, occasion, defects)
    verdict = Verdict.objects.create(
        inspection=inspection, inspector=by, occasion=occasion, outcome=outcome, comment=comment[:4000],
        duration_ms=max(0, min(duration_ms, 86_400_000)), at=now, lease_token=lease,
    )  # fmt: skip
    for mark in marks:
        mark.verdict = verdict
    Defect.objects.bulk_create(marks)
    Lease.objects.filter(inspection=inspection).delete()
    audit.record(
        "verdict_recorded", by=by, line=inspection.line.slug, subject=inspection, outcome=outcome, occasion=occasion
    )
    _follow(inspection, now=now)
    return verdict


def _checked(inspection: Inspection, outcome: str, occasion: str, defects: Sequence[MarkedDefect]) -> list[Defect]:
    if outcome not in Outcome.values:
        raise BadInput(f"The outcome {outcome!r} is not one of {', '.join(Outcome.values)}.")
    if outcome == Outcome.UNSURE and occasion == Occasion.SUPERVISOR:
        raise BadInput(SUPERVISOR_DECIDES)
    if len(defects) > MAX_DEFECTS:
        raise BadInput(f"At most {MAX_DEFECTS} marks are taken; {len(defects)} were sent.")
    kinds = {kind.slug: kind for kind in DefectKind.objects.all()} if defects else {}
    photos = {photo.pk: photo for photo in inspection.photos.all()} if defects else {}
    marks = [_mark(defect, kinds, photos) for defect in defects]
    rejecting = [mark for mark in marks if mark.kind.rejects]
    if outcome == Outcome.OK and rejecting:
        kind = rejecting[0].kind.name.lower()
        raise BadInput(f"A {kind} is marked, and that rejects. Judge scratched, or remove the mark.")
    if outcome == Outcome.SCRATCHED and inspection.line.box_required and not rejecting:
        raise BadInput("This line asks for the scratch to be marked. Mark it on the photo, then judge again.")
    return marks


def _mark(defect: MarkedDefect, kinds: dict[str, DefectKind], photos: dict[int, Photo]) -> Defect:
    if defect.kind not in kinds:
        known = ", ".join(sorted(kinds)) or "none yet"
        raise BadInput(f"There is no defect kind {defect.kind!r}. Known kinds: {known}.")
    if defect.photo not in photos:
        raise BadInput(f"Photo {defect.photo} is not one of this part's photos.")
    if defect.severity not in Severity.values:
        raise BadInput(f"The severity {defect.severity!r} is not one of {', '.join(Severity.values)}.")
    x, y, width, height = defect.box
    inside = all(math.isfinite(value) and 0 <= value <= 1 for value in defect.box)
    if not inside or x + width > 1.001 or y + height > 1.001:
        raise BadInput("A mark's box is [x, y, width, height] in shares of the photo, from 0 to 1, inside the photo.")
    return Defect(
        photo=photos[defect.photo], kind=kinds[defect.kind], severity=defect.severity,
        x=x, y=y, width=width, height=height,
    )  # fmt: skip


def outcome_now(verdict: Verdict) -> str:
    """The verdict as last corrected."""
    last = verdict.corrections.last()
    return last.outcome if last else verdict.outcome


def _follow(inspection: Inspection, *, now: datetime) -> None:
    """Move the part where its verdicts say, and write the disposition when it is new or changed."""
    verdicts = list(inspection.verdicts.prefetch_related("corrections"))
    outcomes = [outcome_now(verdict) for verdict in verdicts]
    finding = finding_of(outcomes)
    if finding.state != inspection.state or finding.state == State.DECIDED:
        move(inspection, finding.state, now=now)
    if finding.index is None:
        return
    outcome = DispositionOutcome.PASS if outcomes[finding.index] == Outcome.OK else DispositionOutcome.REJECT
    before = inspection.dispositions.last()
    if before and before.outcome == outcome and (before.by_machine or before.verdict_id == verdicts[finding.index].pk):
        return  # an audit that agrees leaves the machine's disposition standing
    # The reason reads the same for every part, or it would tell the inspector which of them was an audit.
    reason = f"judged {outcomes[finding.index]}"
    Disposition.objects.create(
        inspection=inspection, outcome=outcome, verdict=verdicts[finding.index], reason=reason, at=now
    )
    if before and before.by_machine and outcome == DispositionOutcome.REJECT:
        open_containment(inspection, "The machine passed this part and a person found it scratched.", now=now)


def open_containment(inspection: Inspection, reason: str, *, now: datetime) -> Containment:
    """Open the task that an escape needs. One part has one, however often it is found."""
    containment, new = Containment.objects.get_or_create(
        inspection=inspection, defaults={"reason": reason, "opened_at": now}
    )
    if new:
        audit.record("containment_opened", by="system", line=inspection.line.slug, subject=inspection, reason=reason)
    return containment


@transaction.atomic
def close_containment(*, containment: Containment, cause: str, by: User, now: datetime | None = None) -> None:
    if not cause.strip():
        raise BadInput("Name the cause before you close the containment.")
    containment = Containment.objects.select_for_update().select_related("inspection__line").get(pk=containment.pk)
    if containment.closed_at:
        raise Conflict("This containment is closed already.")
    containment.cause, containment.closed_by, containment.closed_at = cause.strip()[:500], by, now or timezone.now()
    containment.save()
    inspection = containment.inspection
    audit.record("containment_closed", by=by, line=inspection.line.slug, subject=inspection, cause=containment.cause)


@transaction.atomic
def correct_verdict(
    *, verdict: Verdict, outcome: str, reason: str, by: User, now: datetime | None = None
) -> Correction:
    """Write a second thought: one's own within the line's undo time, a supervisor's at any time."""
    now = now or timezone.now()
    if outcome not in Outcome.values:
        raise BadInput(f"The outcome {outcome!r} is not one of {', '.join(Outcome.values)}.")
    inspection = lock(verdict.inspection)
    by.must_work_on(inspection.line)
    own = verdict.inspector_id == by.pk
    limit = timedelta(seconds=inspection.line.undo_seconds)
    if not own and not oversees(by):
        raise NotAllowed("Only the person who judged, or a supervisor, may correct a verdict.")
    if not oversees(by) and now - verdict.at > limit:
        raise Conflict(f"A verdict can be undone for {limit.seconds} seconds. Ask a supervisor to correct it.")
    if not own and not reason.strip():
        raise BadInput("Say why the verdict is corrected.")
    if outcome == outcome_now(verdict):
        raise Conflict(f"The verdict says {outcome} already.")
    if outcome == Outcome.UNSURE and verdict.occasion == Occasion.SUPERVISOR:
        raise BadInput(SUPERVISOR_DECIDES)
    if inspection.state == State.RETAKE:
        raise Conflict("The part was sent to be cleaned; its next inspection is judged anew.")
    correction = Correction.objects.create(
        verdict=verdict, outcome=outcome, reason=reason.strip()[:500] or "undo", by=by, at=now
    )
    audit.record(
        "verdict_corrected", by=by, line=inspection.line.slug, subject=inspection,
        before=verdict.outcome, outcome=outcome, reason=correction.reason,
    )  # fmt: skip
    _follow(inspection, now=now)
    if inspection.state == State.DECIDED:
        Lease.objects.filter(inspection=inspection).delete()  # a second person's look is needed no more
    return correction


@transaction.atomic
def send_to_retake(*, inspection: Inspection, by: User, lease: str, reason: str, now: datetime | None = None) -> None:
    """Clean and look again: this inspection ends, the serial's next one is a new one and a person's."""
    inspection = lock(inspection)
    held_lease(inspection, by, lease).delete()
    move(inspection, State.RETAKE, now=now or timezone.now())
    audit.record("retake_asked", by=by, line=inspection.line.slug, subject=inspection, reason=reason.strip()[:300])


def escalate_overdue_opinions(*, now: datetime | None = None) -> int:
    """Give parts that found no second person in the line's time to a supervisor; return how many."""
    now = now or timezone.now()
    moved = 0
    for waiting in Inspection.objects.filter(state=State.SECOND_OPINION).select_related("line"):
        limit = timedelta(minutes=waiting.line.second_opinion_minutes)
        if now - waiting.state_since > limit:
            moved += _escalate(waiting, now=now)
    return moved


@transaction.atomic
def _escalate(waiting: Inspection, *, now: datetime) -> int:
    inspection = lock(waiting)
    held = Lease.objects.filter(inspection=inspection, expires_at__gt=now).exists()
    if held or inspection.state != State.SECOND_OPINION:
        return 0
    move(inspection, State.WITH_SUPERVISOR, now=now)
    audit.record("second_opinion_overdue", by="system", line=inspection.line.slug, subject=inspection)
    return 1
