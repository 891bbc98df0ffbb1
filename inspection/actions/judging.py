"""People judge: verdicts, second thoughts, retakes, and what each does to the part's disposition."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inspection import audit, tracing
from inspection.actions.moving import lock, lock_judged, move
from inspection.actions.queue import LEASE_GONE, held_lease, take_next
from inspection.judging import finding_of
from inspection.models import (
    Correction,
    Defect,
    DefectKind,
    Disposition,
    DispositionOutcome,
    Inspection,
    Lease,
    Line,
    ModelOutputShown,
    Outcome,
    Photo,
    Severity,
    User,
    Verdict,
)
from inspection.models.judgement import Occasion
from inspection.moves import State
from inspection.prepared import TEXT, Given, Prepared, PreparedChange, insert
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import oversees

MAX_DEFECTS = 100
SUPERVISOR_DECIDES = gettext_lazy("Nobody comes after a supervisor: decide ok or scratched, or ask for a retake.")


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


# The lease that is held, with the first time that anything of the model's answer was served to its holder.
HELD = Prepared(
    lambda: Lease.objects.filter(
        inspection=Given("part"), user=Given("user"), token=Given("token", TEXT)
    ).values_list(
        Subquery(
            ModelOutputShown.objects.filter(inspection=Given("part"), user=Given("user"))
            .order_by("at").values("at")[:1]
        )
    )
)  # fmt: skip
LEASE_ENDS = PreparedChange(lambda: Lease.objects.filter(inspection=Given("part")))


@dataclass(frozen=True)
class Judged:
    """A verdict, the part as it stands after it, the disposition in force, and the next part if one was asked for."""

    verdict: Verdict
    part: Inspection
    disposition: Disposition | None
    next: Lease | None = None


@transaction.atomic
def judge(
    *,
    inspection: Inspection,
    by: User,
    lease: str,
    outcome: str,
    defects: Sequence[MarkedDefect] = (),
    comment: str = "",
    duration_ms: int = 0,
    claim_next: bool = False,
    now: datetime | None = None,
) -> Judged:
    """Write a person's verdict and what follows from it, and on demand take the line's next part: one wait for the disk.

    The same verdict under the same lease again returns the first row: a browser that lost the answer may repeat itself.
    With full hands the verdict stands and there is no next part. Raises Conflict when the lease is gone, BadInput when
    the marks and the outcome do not fit.
    """
    now = now or timezone.now()
    inspection = lock_judged(inspection.pk, by)
    held = HELD.first(part=inspection.pk, user=by.pk, token=lease)
    if held is None:
        judged = _judged_before(inspection, by, lease, outcome)
    else:
        occasion = OCCASIONS.get(State(inspection.state), Occasion.FIRST)
        marks = _checked(inspection, outcome, occasion, defects)
        verdict = Verdict(
            inspection=inspection, inspector=by, occasion=occasion, outcome=outcome, comment=comment[:4000],
            duration_ms=max(0, min(duration_ms, 86_400_000)), at=now, lease_token=lease,
            advice_shown_at=held[0],
        )  # fmt: skip
        with tracing.step("verdict", [inspection.pk]):
            insert(verdict)
            for mark in marks:
                mark.verdict = verdict
            Defect.objects.bulk_create(marks)
            LEASE_ENDS(part=inspection.pk)
            audit.record(
                "verdict_recorded", by=by, line=inspection.line.slug, subject=inspection,
                outcome=outcome, occasion=occasion,
            )  # fmt: skip
            judged = Judged(verdict, inspection, _follow(inspection, now=now))
    return replace(judged, next=_next(inspection.line, by, now)) if claim_next else judged


def _judged_before(inspection: Inspection, by: User, lease: str, outcome: str) -> Judged:
    """What was judged under this lease before it ended."""
    earlier = Verdict.objects.filter(inspection=inspection, inspector=by, lease_token=lease).first()
    if not lease or earlier is None or earlier.outcome != outcome:
        raise Conflict(str(LEASE_GONE))
    return Judged(earlier, inspection, inspection.disposition)


def _next(line: Line, by: User, now: datetime) -> Lease | None:
    try:
        return take_next(line=line, by=by, now=now)
    except Conflict:  # eight held already
        return None


def record_verdict(*, inspection: Inspection, by: User, lease: str, outcome: str, **told: Any) -> Verdict:
    """Write a person's verdict as `judge` does, and return its row."""
    return judge(inspection=inspection, by=by, lease=lease, outcome=outcome, **told).verdict


def _no_such_outcome(outcome: str) -> BadInput:
    given = {"outcome": repr(outcome), "known": ", ".join(Outcome.values)}
    return BadInput(_("The outcome %(outcome)s is not one of %(known)s.") % given)


def _checked(inspection: Inspection, outcome: str, occasion: str, defects: Sequence[MarkedDefect]) -> list[Defect]:
    if outcome not in Outcome.values:
        raise _no_such_outcome(outcome)
    if outcome == Outcome.UNSURE and occasion == Occasion.SUPERVISOR:
        raise BadInput(str(SUPERVISOR_DECIDES))
    if len(defects) > MAX_DEFECTS:
        raise BadInput(_("At most %(limit)s marks are taken.") % {"limit": MAX_DEFECTS})
    kinds = {kind.slug: kind for kind in DefectKind.objects.all()} if defects else {}
    photos = {photo.pk: photo for photo in inspection.photos.all()} if defects else {}
    marks = [_mark(defect, kinds, photos) for defect in defects]
    rejecting = [mark for mark in marks if mark.kind.rejects]
    if outcome == Outcome.OK and rejecting:
        given = {"kind": rejecting[0].kind.name.lower()}
        raise BadInput(_("A %(kind)s is marked, and that rejects. Judge scratched, or remove the mark.") % given)
    if outcome == Outcome.SCRATCHED and inspection.line.box_required and not rejecting:
        raise BadInput(_("This line asks for the scratch to be marked. Mark it on the photo, then judge again."))
    return marks


def _mark(defect: MarkedDefect, kinds: dict[str, DefectKind], photos: dict[int, Photo]) -> Defect:
    if defect.kind not in kinds:
        given = {"kind": repr(defect.kind), "known": ", ".join(sorted(kinds)) or _("none yet")}
        raise BadInput(_("There is no defect kind %(kind)s. Known kinds: %(known)s.") % given)
    if defect.photo not in photos:
        raise BadInput(_("Photo %(photo)s is not one of this part's photos.") % {"photo": defect.photo})
    if defect.severity not in Severity.values:
        given = {"severity": repr(defect.severity), "known": ", ".join(Severity.values)}
        raise BadInput(_("The severity %(severity)s is not one of %(known)s.") % given)
    x, y, width, height = defect.box
    inside = all(math.isfinite(value) and 0 <= value <= 1 for value in defect.box)
    if not inside or x + width > 1.001 or y + height > 1.001:
        raise BadInput(
            _("A mark's box is [x, y, width, height] in shares of the photo, from 0 to 1, inside the photo.")
        )
    return Defect(
        photo=photos[defect.photo], kind=kinds[defect.kind], severity=defect.severity,
        x=x, y=y, width=width, height=height,
    )  # fmt: skip


def outcome_now(verdict: Verdict) -> str:
    """The verdict as last corrected."""
    last = verdict.corrections.last()
    return last.outcome if last else verdict.outcome


OUTCOMES = Prepared(
    lambda: (
        Verdict.objects.filter(inspection=Given("part"))
        .annotate(second=Correction.objects.filter(verdict=OuterRef("pk")).order_by("-pk").values("outcome")[:1])
        .order_by("pk")
        .values_list("pk", Coalesce("second", "outcome"))
    )
)  # fmt: skip
LAST_DISPOSITION = Prepared(
    lambda: Disposition.objects.filter(inspection=Given("part")).order_by("-pk")[:1]
)  # fmt: skip


def _follow(inspection: Inspection, *, now: datetime) -> Disposition | None:
    """Move the part where its verdicts say, write the disposition when it is new or changed, and return what is in force."""
    rows = OUTCOMES(part=inspection.pk)
    finding = finding_of([outcome for _key, outcome in rows])
    before = LAST_DISPOSITION.first(part=inspection.pk)
    if finding.state != inspection.state or finding.state == State.DECIDED:
        move(inspection, finding.state, now=now)
    if finding.index is None:
        return before if before and before.by_machine else None
    verdict, judged = rows[finding.index]
    outcome = DispositionOutcome.PASS if judged == Outcome.OK else DispositionOutcome.REJECT
    if before and before.outcome == outcome and before.by_machine:
        # An audit that agrees leaves the machine's disposition standing. It takes the work of one that does not, and
        # neither is more than an ordinary part's: the time of an answer must not tell the inspector which it was.
        audit.record("audit_agreed", by="system", line=inspection.line.slug, subject=inspection)
        return before
    if before and before.outcome == outcome and before.verdict_id == verdict:
        return before
    # The reason reads the same for every part, or it would tell the inspector which of them was an audit. An escape is
    # contained by `contain_escapes`, behind the inspector's back.
    disposition = Disposition(
        inspection=inspection, outcome=outcome, verdict_id=verdict, reason=f"judged {judged}", at=now
    )
    insert(disposition)
    return disposition


@transaction.atomic
def correct_verdict(
    *, verdict: Verdict, outcome: str, reason: str, by: User, now: datetime | None = None
) -> Correction:
    """Write a second thought: one's own within the line's undo time, a supervisor's at any time.

    The same person's same second thought again returns the first row: a browser that lost the answer may repeat itself.
    """
    now = now or timezone.now()
    if outcome not in Outcome.values:
        raise _no_such_outcome(outcome)
    inspection = lock(verdict.inspection)
    by.must_work_on(inspection.line)
    last = verdict.corrections.order_by("pk").last()
    if last and last.by_id == by.pk and last.outcome == outcome:
        return last
    own = verdict.inspector_id == by.pk
    limit = timedelta(seconds=inspection.line.undo_seconds)
    if not own and not oversees(by):
        raise NotAllowed(_("Only the person who judged, or a supervisor, may correct a verdict."))
    if not oversees(by) and now - verdict.at > limit:
        given = {"seconds": limit.seconds}
        raise Conflict(_("A verdict can be undone for %(seconds)s seconds. Ask a supervisor to correct it.") % given)
    if not own and not reason.strip():
        raise BadInput(_("Say why the verdict is corrected."))
    if outcome == outcome_now(verdict):
        raise Conflict(_("The verdict says %(outcome)s already.") % {"outcome": str(Outcome(outcome).label).lower()})
    if outcome == Outcome.UNSURE and verdict.occasion == Occasion.SUPERVISOR:
        raise BadInput(str(SUPERVISOR_DECIDES))
    if inspection.state == State.RETAKE:
        raise Conflict(_("The part was sent to be cleaned; its next inspection is judged anew."))
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
    overdue = Inspection.objects.open().unseeded().filter(state=State.SECOND_OPINION)
    for waiting in overdue.select_related("line"):
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
