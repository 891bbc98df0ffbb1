"""What the standby says of the parts that the live version would decide, and which of them wait for it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from automation import policies
from automation.levels import Level
from automation.models import Policy
from automation.routing import Decision, Part, Rule, decide
from automation.versus import heard, may_wait
from inspection.models import Inspection, Line
from inspection.moves import State
from shadow.models import Assignment, JobState, ModelVersion, Prediction, Role, ScoringJob


class Bars(NamedTuple):
    """What a version passes below and rejects from; `policy` is the one by which it was certified so, None: its own
    operating threshold is both."""

    pass_below: float
    reject_from: float
    policy: Policy | None


def bars_of(line: Line, version: ModelVersion) -> Bars:
    """By which thresholds a version is asked what it would decide: those last certified for it, while no alarm has
    voided them, else its operating threshold."""
    held = policies.certified(line, version)
    if held is None or held.pass_below is None or held.reject_from is None:
        return Bars(version.threshold, version.threshold, None)
    return Bars(held.pass_below, held.reject_from, held)


def hear(
    policy: Policy, decisions: Mapping[int, Decision], parts: Mapping[int, Inspection], now: datetime
) -> dict[int, Decision]:
    """The decisions once the standby is heard on the parts of the policy's line; one that still waits for it is left out.

    Only what the machine would decide waits. Where the standby has no answer, or none in time, the live version decides
    alone: a standby that fails costs nobody anything.
    """
    machines = [
        key
        for key, decision in decisions.items()
        if decision.outcome != "person" and parts[key].line_id == policy.line_id
    ]
    if policy.standby is None or not machines:
        return dict(decisions)
    bars = bars_of(policy.line, policy.standby)
    rule = Rule(Level.PARTIAL, pass_below=bars.pass_below, reject_from=bars.reject_from)
    given = Prediction.objects.filter(version=policy.standby_id, inspection__in=machines, retrospective=False)
    answers = {answer.inspection_id: answer for answer in given}
    awaited = _awaited(policy, [parts[key] for key in machines if key not in answers], now)
    return {
        key: heard(decision, decide(rule, _facts(answers[key]))) if key in answers else decision
        for key, decision in decisions.items()
        if key not in awaited
    }


def _facts(answer: Prediction) -> Part:
    return Part(
        score=answer.score, novelty=answer.novelty, null_reason=answer.null_reason, u_canary=0, u_audit=0, u_blind=0
    )


def _awaited(policy: Policy, parts: Iterable[Inspection], now: datetime) -> set[int]:
    """The parts whose standby's answer is on its way and may still be waited for."""
    waiting = [part for part in parts if part.state == State.HELD and may_wait(part.received_at, part.hold_until, now)]
    assigned = Assignment.objects.current().filter(line=policy.line_id, version=policy.standby_id, role=Role.STANDBY)
    since = assigned.values_list("assigned_at", flat=True).first()
    if not waiting or since is None:
        return set()
    # A part may get its job a moment later than the live version's; one that is done without an answer never will.
    expected = {part.pk for part in waiting if part.received_at >= since}
    done = ScoringJob.objects.filter(Q(state=JobState.DONE) | Q(retrospective=True), inspection__in=expected)
    return expected - {*done.filter(version=policy.standby_id).values_list("inspection_id", flat=True)}
