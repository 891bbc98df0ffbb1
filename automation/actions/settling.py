"""After the score: draw, route, and decide the part or hand it to people."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from automation import policies
from automation.actions.edge_arrival import compare_answers, compare_missing, marks_of
from automation.drawing import draw_of, stratum_of
from automation.levels import Level
from automation.models import Policy, Routing
from automation.routing import Decision, Part, after_cleaning, decide
from automation.standby import hear
from inspection import actions as floor
from inspection import tracing
from inspection.models import Draw, Inspection, Lease, Origin, User
from inspection.moves import State
from inspection.planning import unindexed
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
    """Route a scored part by the policy in force now. None: another version decides, the part was routed before, or it
    waits for the standby's answer."""
    return next(iter(_settle([prediction], now=now or timezone.now())), None)


def settle_batch(*, predictions: Sequence[Prediction], now: datetime | None = None) -> list[Routing]:
    """Settle in one transaction; if that fails, one part at a time, so that one part's fault never holds the others.

    A part whose settling fails is tried again by `settle_missing`; meanwhile its hold runs out, and it is a person's.
    """
    try:
        return _settle(predictions, now=now or timezone.now())
    except Exception as error:  # whatever it is: the others must be settled in time
        log.error("settling_failed", parts=len(predictions), error=f"{type(error).__name__}: {error}"[:300])
    alone = [settle_batch(predictions=[prediction], now=now) for prediction in predictions if len(predictions) > 1]
    return [routing for routings in alone for routing in routings]


def _settle(predictions: Sequence[Prediction], *, now: datetime) -> list[Routing]:
    """Parts that their station has decided are compared, each in a transaction of its own: it begins with the line's lock."""
    answers = [prediction for prediction in predictions if not prediction.retrospective]
    with tracing.step("settle", [answer.inspection_id for answer in answers]):
        marks = marks_of(prediction.inspection_id for prediction in answers)
        compared = compare_answers(marks, [answer for answer in answers if answer.inspection_id in marks], now=now)
        return compared + _settle_together([answer for answer in answers if answer.inspection_id not in marks], now=now)


@transaction.atomic
def _settle_together(answers: Sequence[Prediction], *, now: datetime) -> list[Routing]:
    """The parts' rows are locked first, so the same task delivered twice routes once; and answers are read after, so of
    two workers that have written the live version's and the standby's, the later one sees both."""
    if not answers:
        return []
    parts = floor.lock_all(prediction.inspection_id for prediction in answers)
    policy_of = {line: policies.in_force(line) for line in {part.line for part in parts.values()}}
    routed = {*Routing.objects.filter(inspection__in=parts).values_list("inspection_id", flat=True)}
    unrouted = [prediction for prediction in answers if prediction.inspection_id not in routed]
    deciding = _deciding(unrouted, {key: policy_of[part.line] for key, part in parts.items()})
    rule_of = {
        line: policies.rule_of(policy_of[line], halted=policies.halt_of(line) is not None)
        for line in {parts[key].line for key in deciding}
    }
    draws_of = {key: draw_of(parts[key]) for key in deciding}
    decisions = {
        key: decide(rule_of[parts[key].line], _facts(parts[key], prediction, draws_of[key]))
        for key, prediction in deciding.items()
    }
    for policy in policy_of.values():
        decisions = hear(policy, decisions, parts, now)
    drawn = _drawn_before_cleaning(parts[key] for key in decisions)
    decisions = {key: after_cleaning(decision) if key in drawn else decision for key, decision in decisions.items()}
    decided = _carry_out([(parts[key], decision) for key, decision in decisions.items()], now=now)
    for key, decision in decisions.items():
        draws_of[key].blind, draws_of[key].audited = decision.blind, decision.audited and key in decided
    Draw.objects.bulk_create(draws_of[key] for key in decisions)
    return Routing.objects.bulk_create(
        Routing(
            inspection=parts[key], policy=policy_of[parts[key].line], prediction=deciding[key],
            decision=decision.outcome, reason=decision.reason[:200], decided=key in decided, advice=decision.advice,
            at=now,
        )
        for key, decision in decisions.items()
    )  # fmt: skip


def _deciding(answers: Sequence[Prediction], policy_of: Mapping[int, Policy]) -> dict[int, Prediction]:
    """The live version's answers, by part. The standby's brings back the live one's, which may have waited for it."""
    deciding: dict[int, Prediction] = {}
    waited: dict[int, list[int]] = defaultdict(list)
    for answer in answers:
        policy = policy_of[answer.inspection_id]
        if policy.version_id == answer.version_id:
            deciding.setdefault(answer.inspection_id, answer)
        elif policy.version_id and policy.standby_id == answer.version_id:
            waited[policy.version_id].append(answer.inspection_id)
    for version, parts in waited.items():
        for answer in Prediction.objects.filter(version=version, inspection__in=parts, retrospective=False):
            deciding.setdefault(answer.inspection_id, answer)
    return deciding


def _facts(part: Inspection, prediction: Prediction, draw: Draw) -> Part:
    return Part(
        score=prediction.score, novelty=prediction.novelty, null_reason=prediction.null_reason, u_canary=draw.u_canary, u_audit=draw.u_audit,
        u_blind=draw.u_blind, stratum=stratum_of(part), seeded=part.origin == Origin.SEEDED,
    )  # fmt: skip


def _drawn_before_cleaning(parts: Iterable[Inspection]) -> set[int]:
    """Those of the parts whose serial was drawn blind in an inspection that sent it to be cleaned.

    Drawn anew, nine of ten could never be judged blind and would be escapes for good, whatever people find.
    """
    asked = {part.pk: (part.line_id, part.serial) for part in parts}
    # By the serials' index: SQLite, without statistics, would take one that begins with the line.
    sent = Inspection.objects.live().alias(on_line=unindexed("line"))
    sent = sent.filter(on_line__in={line for line, _ in asked.values()})
    sent = sent.filter(serial__in={serial for _, serial in asked.values()}, state=State.RETAKE, draw__blind=True)
    known = {*sent.values_list("line_id", "serial")}
    return {part for part, place in asked.items() if place in known}


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


def settle_missing(*, now: datetime | None = None) -> int:
    """Settle what was scored and not settled: a worker died between the two, or the standby's answer has not come in
    time. Returns how many.

    Without `now` each batch is settled by the clock of its own moment: with an older one the machine would decide parts
    whose hold has passed meanwhile.
    """
    routed = Routing.objects.filter(inspection=OuterRef("inspection"))
    settled = compare_missing(now=now or timezone.now())
    for assignment in Assignment.objects.current().filter(role=Role.LIVE):
        since = max(assignment.assigned_at, (now or timezone.now()) - MISSED_WITHIN)
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
