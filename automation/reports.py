"""What the pages and the API show of a line's automation: where it stands, what the next step needs, what if."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone

from automation import policies
from automation.actions.changing import default_thresholds
from automation.evidence import needed, upper_bound
from automation.facts import evidence_pairs, facts_of, scratched_of
from automation.gates import Facts, Gate, Limits, gates_to
from automation.levels import Level, one_up
from automation.models import Change, Halt, Policy, Routing
from automation.routing import Part, decide
from inspection.models import Inspection, Line, Origin, Verdict
from shadow.models import ModelVersion


@dataclass(frozen=True)
class Standing:
    """A line on the ladder at one moment."""

    line: Line
    policy: Policy
    level: Level
    version: ModelVersion | None
    next_level: Level | None
    gates: list[Gate]
    facts: Facts
    pending: Change | None
    halt: Halt | None
    canary: dict[str, Any]

    @property
    def ready(self) -> bool:
        return all(gate.met for gate in self.gates)

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The certificate by which the present policy was reached."""
        return self.policy.change.certificate if self.policy.change else None


def standing(
    line: Line,
    *,
    version: ModelVersion | None = None,
    pass_below: float | None = None,
    reject_from: float | None = None,
    now: datetime | None = None,
) -> Standing:
    """Where the line stands. The gates are those of the next step up, with the version and thresholds asked about, else
    those that it would take by default."""
    now = now or timezone.now()
    policy = policies.in_force(line)
    level = Level(policy.level)
    version = version or policy.version or ModelVersion.objects.order_by("-pk").first()
    facts = facts_of(line, version, now=now, policy=policy)
    upper = one_up(level)
    fields: dict[str, Any] = {
        "version_id": version.pk if version else None, "level": upper,
        "pass_below": policy.pass_below if pass_below is None else pass_below,
        "reject_from": policy.reject_from if reject_from is None else reject_from,
    }  # fmt: skip
    fields |= default_thresholds(fields)
    limits = Limits.from_json(policy.limits)
    gates = gates_to(upper, facts, limits, fields["pass_below"], fields["reject_from"]) if upper else []
    share, audit_share = policies.shares_of(policy)
    canary = {"step": policy.step, "steps": policy.ramp, "share": share, "audit_share": audit_share}
    return Standing(
        line, policy, level, version, upper, gates, facts, policies.pending_change(line), policies.halt_of(line), canary
    )


def policy_json(policy: Policy) -> dict[str, Any]:
    return {
        "number": policy.number,
        "level": policy.level,
        "version": policy.version.name if policy.version else None,
        **{name: getattr(policy, name) for name in policies.FIELDS},
        "strata": policy.strata,
        "by": policy.by,
        "reason": policy.reason,
        "at": policy.at.isoformat(),
    }


def gate_json(gate: Gate) -> dict[str, Any]:
    return {"name": gate.name, "met": gate.met, "reason": gate.reason, "figures": gate.figures}


@dataclass(frozen=True)
class Flow:
    """How the line's recent parts were routed: counts by decision and by reason."""

    total: int
    decisions: Counter[str]
    reasons: Counter[str]
    audited: int
    without_answer: int


def flow(line: Line, *, now: datetime | None = None, hours: int = 24) -> Flow:
    since = (now or timezone.now()) - timedelta(hours=hours)
    parts = Inspection.objects.unseeded().filter(line=line, received_at__gte=since)
    routed = Routing.objects.filter(inspection__in=parts)
    rows = list(routed.values_list("decision", "reason", "decided", "inspection__draw__audited"))
    decisions = Counter(decision if decided or decision == "person" else "person" for decision, _, decided, _ in rows)
    # The score stands in the reason of a machine's decision; the kinds of reason are what a reader wants.
    reasons = Counter(reason for decision, reason, _, _ in rows if decision == "person")
    total = parts.count()
    return Flow(total, decisions, reasons, sum(bool(row[3]) for row in rows), total - len(rows))


PACE_DAYS = 7


def blind_pace(line: Line, *, now: datetime | None = None) -> float:
    """Blind verdicts a day over the last week; a line that began later is measured from its first one."""
    now = now or timezone.now()
    week = now - timedelta(days=PACE_DAYS)
    blind = Verdict.objects.filter(inspection__line=line, inspection__draw__blind=True, at__gte=week)
    blind = blind.exclude(inspection__origin=Origin.SEEDED)
    found = blind.aggregate(first=Min("at"), count=Count("pk"))
    if not found["count"]:
        return 0.0
    return found["count"] / max(1.0, (now - found["first"]) / timedelta(days=1))


def what_if(line: Line, version: ModelVersion, pass_below: float, reject_from: float, limits: Limits) -> dict[str, Any]:
    """A policy's thresholds against the blind evidence so far: what each part would have met with."""
    rule = policies.rule_of(Policy(line=line, level=Level.PARTIAL, pass_below=pass_below, reject_from=reject_from))
    outcomes: Counter[tuple[str, bool | None]] = Counter()
    escaped: list[int] = []
    for pair in evidence_pairs(line, version):
        found = scratched_of(pair)
        part = Part(
            score=pair.score, novelty=pair.novelty, u_canary=0, u_audit=1, u_blind=1, null_reason=pair.null_reason
        )
        outcome = decide(rule, part).outcome
        outcomes[outcome, found] += 1
        if outcome == "pass" and found:
            escaped.append(pair.inspection_id)
    passed, escapes = sum(n for (o, _), n in outcomes.items() if o == "pass"), len(escaped)
    rejected = sum(n for (o, _), n in outcomes.items() if o == "reject")
    pending = outcomes["pass", None]
    total = sum(outcomes.values())
    return {
        "parts": total,
        "passed": passed,
        "rejected": rejected,
        "to_people": total - passed - rejected,
        "coverage": (passed + rejected) / total if total else None,
        "escapes": escapes,
        "pending": pending,
        "escape_bound": upper_bound(passed, escapes + pending, limits.delta),
        "overkill": outcomes["reject", False],
        "needed": needed(limits.alpha, limits.delta, escapes),
        "escaped": escaped[:100],
    }
