"""After the score: draw, route, and decide the part or hand it to people."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from automation import draws, policies
from automation.levels import Level
from automation.models import Routing
from automation.routing import Decision, Part, decide
from inspection import actions as floor
from inspection.models import Draw, Inspection, Lease, User
from shadow import jobs
from shadow.actions import score_next_batch
from shadow.models import Assignment, Prediction, Role

log = structlog.get_logger("shadowline.automation")
MISSED_WITHIN = timedelta(hours=24)


def score_and_settle(*, now: datetime | None = None) -> int:
    """Score one batch and settle the parts whose live version answered; return how many answers were written."""
    moment = now or timezone.now()
    jobs.make_missing_jobs(now=moment)
    written = score_next_batch(now=moment)
    for prediction in written:
        settle(prediction=prediction, now=now)
    return len(written)


@transaction.atomic
def settle(*, prediction: Prediction, now: datetime | None = None) -> Routing | None:
    """Route a scored part by the policy in force now. None: another version decides, or the part was routed before.

    The part's row is locked first, so the same task delivered twice routes once.
    """
    now = now or timezone.now()
    if prediction.retrospective:
        return None
    part = Inspection.objects.select_for_update(of=("self",)).select_related("line", "station", "variant").get(
        pk=prediction.inspection_id
    )  # fmt: skip
    policy = policies.in_force(part.line)
    if policy.pk is None or policy.version_id != prediction.version_id:
        return None
    if Routing.objects.filter(inspection=part).exists():
        return None
    halted = policies.halt_of(part.line) is not None
    draw = _numbers(part)
    decision = decide(
        policies.rule_of(policy, halted=halted),
        Part(
            score=prediction.score, null_reason=prediction.null_reason, u_canary=draw.u_canary, u_audit=draw.u_audit,
            u_blind=draw.u_blind, stratum=stratum_of(part),
        ),
    )  # fmt: skip
    decided = _carry_out(part, decision, now=now)
    draw.blind, draw.audited = decision.blind, decision.audited and decided
    draw.save()
    return Routing.objects.create(
        inspection=part, policy=policy, prediction=prediction, decision=decision.outcome, reason=decision.reason[:200],
        decided=decided, advice=decision.advice, at=now,
    )  # fmt: skip


def stratum_of(part: Inspection) -> tuple[str, str]:
    return (part.station.slug if part.station else "", part.variant.slug if part.variant else "")


def _numbers(part: Inspection) -> Draw:
    return Draw(
        inspection=part, key=draws.key_id(policies.draw_secret()),
        **{f"u_{purpose}": policies.draw(purpose, part.pk) for purpose in ("canary", "audit", "blind")},
    )  # fmt: skip


def _carry_out(part: Inspection, decision: Decision, *, now: datetime) -> bool:
    """Whether the machine's decision became the disposition; a person's part goes to the queue at once."""
    if decision.outcome == "person":
        floor.hand_to_people(inspection=part, now=now)
        return False
    return floor.decide_by_machine(
        inspection=part, outcome=decision.outcome, reason=decision.reason, audited=decision.audited, now=now
    )


def settle_missing(*, now: datetime) -> int:
    """Settle what was scored and not settled, as when a worker died between the two; return how many."""
    routed = Routing.objects.filter(inspection=OuterRef("inspection"))
    settled = 0
    for assignment in Assignment.objects.current().filter(role=Role.LIVE):
        since = max(assignment.assigned_at, now - MISSED_WITHIN)
        missed = Prediction.objects.filter(
            version=assignment.version_id, inspection__line=assignment.line_id, inspection__received_at__gte=since,
            retrospective=False,
        ).exclude(Exists(routed))[:200]  # fmt: skip
        settled += sum(settle(prediction=prediction, now=now) is not None for prediction in missed)
    return settled


def advice_for(*, inspection: Inspection, user, now: datetime | None = None) -> Prediction | None:
    """The prediction that may be served to this person now, or None.

    Only to the lease's holder, only where the draw and the level allowed it, only if it was ready when the part was
    opened (or its arrival would tell), and not when the line has been halted or lowered since.
    """
    lease = Lease.objects.held_by(user, now=now).filter(inspection=inspection).first()
    routing = Routing.objects.filter(inspection=inspection, advice=True).select_related("prediction__version").first()
    if lease is None or routing is None or routing.at > lease.opened_at or routing.prediction is None:
        return None
    rule = policies.rule_of(policies.in_force(inspection.line), halted=policies.halt_of(inspection.line) is not None)
    if rule.halted or rule.level.rank < Level.ASSIST.rank or routing.prediction.score is None:
        return None
    return routing.prediction


@transaction.atomic
def serve_advice(*, inspection: Inspection, user: User, where: str, now: datetime | None = None) -> Prediction | None:
    """The prediction that this person is about to see, with the row that says so; None: nothing may be served.

    Page and API serve through here, so that nothing of the model leaves without its row.
    """
    prediction = advice_for(inspection=inspection, user=user, now=now)
    if prediction is not None:
        floor.note_model_output_shown(inspection=inspection, user=user, where=where, now=now)
    return prediction
