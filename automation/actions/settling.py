"""After the score: draw, route, and decide the part or hand it to people."""

from collections.abc import Sequence
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
from inspection.models import Draw, Inspection, Lease, Origin, User
from shadow import jobs
from shadow.models import Assignment, Prediction, Role
from shadow.scoring import score_waiting

log = structlog.get_logger("shadowline.automation")
MISSED_WITHIN = timedelta(hours=24)


def score_and_settle(*, seconds: float = 0.0, now: datetime | None = None) -> int:
    """Score one batch, or what waits for as long as `seconds`, and settle the parts whose live version answered.

    Returns how many answers were written.
    """
    count = 0
    for written in score_waiting(seconds=seconds, now=now):
        settle_batch(predictions=written, now=now)
        count += len(written)
    return count


def settle(*, prediction: Prediction, now: datetime | None = None) -> Routing | None:
    """Route a scored part by the policy in force now. None: another version decides, or the part was routed before."""
    return next(iter(_settle_together([prediction], now=now or timezone.now())), None)


def settle_batch(*, predictions: Sequence[Prediction], now: datetime | None = None) -> list[Routing]:
    """Settle in one transaction; if that fails, one part at a time, so that one part's fault never holds the others.

    A part whose settling fails is tried again by `settle_missing`; meanwhile its hold runs out, and it is a person's.
    """
    try:
        return _settle_together(predictions, now=now or timezone.now())
    except Exception as error:  # whatever it is: the others must be settled in time
        log.error("settling_failed", parts=len(predictions), error=f"{type(error).__name__}: {error}"[:300])
    alone = [settle_batch(predictions=[prediction], now=now) for prediction in predictions if len(predictions) > 1]
    return [routing for routings in alone for routing in routings]


@transaction.atomic
def _settle_together(predictions: Sequence[Prediction], *, now: datetime) -> list[Routing]:
    """The parts' rows are locked first, so the same task delivered twice routes once."""
    answers = [prediction for prediction in predictions if not prediction.retrospective]
    if not answers:
        return []
    parts = floor.lock_all(prediction.inspection_id for prediction in answers)
    policy_of = {line: policies.in_force(line) for line in {part.line for part in parts.values()}}
    routed = {*Routing.objects.filter(inspection__in=parts).values_list("inspection_id", flat=True)}
    deciding: dict[int, Prediction] = {}
    for prediction in answers:
        policy = policy_of[parts[prediction.inspection_id].line]
        if policy.pk and policy.version_id == prediction.version_id and prediction.inspection_id not in routed:
            deciding.setdefault(prediction.inspection_id, prediction)
    rule_of = {
        line: policies.rule_of(policy_of[line], halted=policies.halt_of(line) is not None)
        for line in {parts[key].line for key in deciding}
    }
    draws_of = {key: _numbers(parts[key]) for key in deciding}
    decisions = {
        key: decide(rule_of[parts[key].line], _facts(parts[key], prediction, draws_of[key]))
        for key, prediction in deciding.items()
    }
    decided = _carry_out([(parts[key], decision) for key, decision in decisions.items()], now=now)
    for key, decision in decisions.items():
        draws_of[key].blind, draws_of[key].audited = decision.blind, decision.audited and key in decided
    Draw.objects.bulk_create(draws_of.values())
    return Routing.objects.bulk_create(
        Routing(
            inspection=parts[key], policy=policy_of[parts[key].line], prediction=deciding[key],
            decision=decision.outcome, reason=decision.reason[:200], decided=key in decided, advice=decision.advice,
            at=now,
        )
        for key, decision in decisions.items()
    )  # fmt: skip


def _facts(part: Inspection, prediction: Prediction, draw: Draw) -> Part:
    return Part(
        score=prediction.score, novelty=prediction.novelty, null_reason=prediction.null_reason, u_canary=draw.u_canary, u_audit=draw.u_audit,
        u_blind=draw.u_blind, stratum=stratum_of(part), seeded=part.origin == Origin.SEEDED,
    )  # fmt: skip


def stratum_of(part: Inspection) -> tuple[str, str]:
    return (part.station.slug if part.station else "", part.variant.slug if part.variant else "")


def _numbers(part: Inspection) -> Draw:
    return Draw(
        inspection=part, key=draws.key_id(policies.draw_secret()),
        **{f"u_{purpose}": policies.draw(purpose, part.pk) for purpose in ("canary", "audit", "blind")},
    )  # fmt: skip


def _carry_out(decisions: Sequence[tuple[Inspection, Decision]], *, now: datetime) -> set[int]:
    """The parts whose disposition the machine's decision became; a person's part goes to the queue at once."""
    persons = [part for part, decision in decisions if decision.outcome == "person"]
    machines = [
        floor.MachineDecision(part, decision.outcome, decision.reason, decision.audited)
        for part, decision in decisions
        if decision.outcome != "person"
    ]
    if persons:
        floor.hand_parts_to_people(inspections=persons, now=now)
    return floor.decide_parts_by_machine(decisions=machines, now=now) if machines else set()


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
        rows = list(missed)
        batches = [rows[start : start + jobs.BATCH] for start in range(0, len(rows), jobs.BATCH)]
        settled += sum(len(settle_batch(predictions=batch, now=now)) for batch in batches)
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
