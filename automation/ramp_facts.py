"""Gathers what a ramp's next step asks about: the evidence, what was routed in the step, and the escapes of the raise."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db.models import Count, Q

from automation import policies
from automation.evidence import Certificate
from automation.facts import evidence_of, evidence_start
from automation.gates import Facts, Limits, certified_limit
from automation.levels import Level
from automation.models import Policy, Routing
from automation.ramp import RampFacts, unaudited_escapes
from automation.seeds import seeds_of
from inspection.models import Line
from inspection.moves import OPEN, State
from inspection.planning import unindexed
from monitoring.models import Alarm, Severity
from shadow.certifying import Counted
from shadow.comparisons import bars_of
from shadow.models import ModelVersion
from shadow.models.counted import CountsAs
from shadow.rollups import FOR_A_READER, left_to_count

LATEST = 20_000  # parts of a step that are looked at, however long it lasts
MOST_ESCAPES = 1_000  # of a version; any budget is spent long before
RAISE = ("level", "version_id")  # what policies of one raise have in common
STEP = (*RAISE, "step", "ramp", "audit_share", "pass_below", "reject_from")  # and those of one step


def is_ramped(policy: Policy) -> bool:
    """Whether the policy goes by the steps of a ramp."""
    return bool(policy.ramp) and Level(policy.level).machine_decides


def next_share(policy: Policy) -> float | None:
    """The share of the parts in the next approved step; None: there is none."""
    later = policy.ramp[policy.step + 1 :] if is_ramped(policy) else []
    return later[0][0] if later else None


def ramp_facts(
    line: Line, policy: Policy, now: datetime, *, facts: Facts | None = None, counted: Counted | None = None
) -> RampFacts:
    """What is known of a policy's ramp now. It costs what was routed in the step, and no more than `LATEST` parts do.

    `facts` and the tallies that they were `counted` from are those of the policy's version, where they are known already.
    """
    known = standing_of(line, policy)
    if policy.version is None or not Level(policy.level).machine_decides:
        return known
    known = replace(known, **step_counts(line, policy))
    counted = counted or Counted(line, policy.version, evidence_start(line, policy.version))
    return _with_evidence(known, line, policy, policy.version, now, counted, facts)


def standing_of(line: Line, policy: Policy) -> RampFacts:
    """Where the ramp stands and what people say of it: known at once, whatever was routed."""
    share, audit_share = policies.shares_of(policy)
    left = left_to_count()
    critical = Alarm.objects.open().filter(line=line, severity=Severity.CRITICAL)
    return RampFacts(
        step=policy.step, steps=max(1, len(policy.ramp)), share=share, audit_share=audit_share,
        next_share=next_share(policy), critical_alarms=critical.count(), halted=policies.halt_of(line) is not None,
        held=policy.ramp_held, pending=policies.pending_change(line, policy) is not None,
        uncounted=left if left > FOR_A_READER else 0,
    )  # fmt: skip


def unbroken(policy: Policy, alike: Sequence[str]) -> list[Policy]:
    """The policies up to this one that are alike in some fields, newest first, without a break."""
    rows = Policy.objects.filter(line=policy.line_id, number__lte=policy.number).order_by("-number")
    wanted = [getattr(policy, name) for name in alike]
    return list(takewhile(lambda row: [getattr(row, name) for name in alike] == wanted, rows))


def step_counts(line: Line, policy: Policy) -> dict[str, Any]:
    """The figures of `RampFacts` that are counted of the parts routed in the step: of its latest ones, but of as many as
    its audits need."""
    share, audit_share = policies.shares_of(policy)
    step = unbroken(policy, STEP)
    most = max(LATEST, math.ceil(2 * Limits.from_json(policy.limits).step_audits / (share * audit_share)))
    parts = line.inspections.filter(received_at__gte=step[-1].at - timedelta(seconds=policy.hold_seconds))
    latest = parts.order_by("-received_at").values("pk")[:most]
    # By the policy SQLite would read the whole step, however long it lasts.
    routed = Routing.objects.alias(of_step=unindexed("policy")).filter(
        of_step__in=[row.pk for row in step], inspection__in=latest
    )  # fmt: skip
    inside = Q(inspection__draw__u_canary__lt=share)
    decided = inside & Q(decided=True, decision__in=["pass", "reject"])
    audited = decided & Q(inspection__draw__audited=True)
    judged = audited & Q(inspection__state=State.DECIDED)
    wanted = {
        "inside": inside, "decided": decided, "audited": audited, "judged": judged,
        "due": judged | (audited & Q(inspection__state__in=OPEN)), "passes": judged & Q(decision="pass"),
    }  # fmt: skip
    # Under names of their own: a field of a routing is called `decided`, too.
    found = routed.aggregate(routed=Count("pk"), **{f"n_{name}": Count("pk", filter=q) for name, q in wanted.items()})
    return {name.removeprefix("n_"): n for name, n in found.items()}


def has_audits(policy: Policy) -> bool:
    """Whether the step has the audited passes that it takes: a look for no more than those, before anything is counted."""
    enough = Limits.from_json(policy.limits).step_audits
    passes = Routing.objects.filter(
        policy__in=[row.pk for row in unbroken(policy, STEP)], decision="pass", decided=True,
        inspection__draw__u_canary__lt=policies.shares_of(policy)[0], inspection__draw__audited=True,
        inspection__state=State.DECIDED,
    )  # fmt: skip
    return passes[:enough].count() >= enough


def _with_evidence(
    known: RampFacts,
    line: Line,
    policy: Policy,
    version: ModelVersion,
    now: datetime,
    counted: Counted,
    facts: Facts | None,
) -> RampFacts:
    limits = Limits.from_json(policy.limits)
    overdue = counted.overdue_audits(now - timedelta(hours=limits.audit_hours))
    proof, alpha = _proof(facts or _evidence(line, version, limits, counted, now), version, policy, limits)
    return replace(
        known, proof=proof, alpha=alpha, overdue=overdue,
        unaudited=unaudited_escapes(_shares_of_escapes(policy, version, counted)),
    )  # fmt: skip


def _evidence(line: Line, version: ModelVersion, limits: Limits, counted: Counted, now: datetime) -> Facts:
    """What of the facts a proof takes."""
    evidence = evidence_of(line, version, now=now, audit_hours=limits.audit_hours, counted=counted)
    return Facts(evidence=evidence, seeds=seeds_of(line, version) if limits.sensitivity_from_seeds else ())


def _proof(facts: Facts, version: ModelVersion, policy: Policy, limits: Limits) -> tuple[Certificate, float]:
    """All evidence at the policy's threshold, and the limit that it is held against: 0 while inspectors' sensitivity is
    not known. As the gates look at it."""
    below = math.nan if policy.pass_below is None else policy.pass_below
    alpha, delta = certified_limit(facts, limits, below)
    return facts.evidence.certify_at(below, version.thresholds, alpha or limits.alpha, delta), alpha


def _shares_of_escapes(policy: Policy, version: ModelVersion, counted: Counted) -> list[float]:
    """The audit share at which each escape was drawn that audits have found in this raise."""
    raised = {row.pk: row for row in unbroken(policy, RAISE)}
    slots = bisect_right(bars_of(version.thresholds, version.threshold), policy.pass_below or 0.0)
    routed = Routing.objects.filter(
        inspection__in=counted.escaped(slots)[:MOST_ESCAPES], prediction__comparison__evidence=CountsAs.SCRATCHED,
        decision="pass", decided=True, inspection__draw__audited=True,
    ).values_list("policy_id", "inspection__draw__u_canary")  # fmt: skip
    shares = [(policies.shares_of(raised[by]), u_canary) for by, u_canary in routed if by in raised]
    return [audit_share for (share, audit_share), u_canary in shares if u_canary < share]
