"""Gathers what a ramp's next step asks about: the evidence, what was routed in the step, and the escapes of the raise."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Any

from django.db.models import Count, FloatField, Q, QuerySet

from automation import policies
from automation.evidence import Certificate
from automation.facts import critical_alarms, evidence_of, evidence_start
from automation.gates import Facts, Limits, certified_limit
from automation.levels import Level
from automation.models import Policy, Routing
from automation.ramp import RampFacts, unaudited_escapes
from automation.seeds import seeds_of
from inspection.models import Inspection, Line
from inspection.moves import OPEN, State
from inspection.planning import unindexed
from inspection.prepared import MOMENT, Given, GivenKeys, Prepared
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
    return RampFacts(
        step=policy.step, steps=max(1, len(policy.ramp)), share=share, audit_share=audit_share,
        next_share=next_share(policy), critical_alarms=critical_alarms(line), halted=policies.halt_of(line) is not None,
        held=policy.ramp_held, pending=policies.pending_change(line, policy) is not None,
        uncounted=left if left > FOR_A_READER else 0,
    )  # fmt: skip


def unbroken(policy: Policy, alike: Sequence[str]) -> list[Policy]:
    """The policies up to this one that are alike in some fields, newest first, without a break."""
    rows = _UP_TO(line=policy.line_id, number=policy.number)
    wanted = [getattr(policy, name) for name in alike]
    return list(takewhile(lambda row: [getattr(row, name) for name in alike] == wanted, rows))


_UP_TO = Prepared(lambda: Policy.objects.filter(line=Given("line"), number__lte=Given("number")).order_by("-number"))


def step_counts(line: Line, policy: Policy) -> dict[str, Any]:
    """The figures of `RampFacts` that are counted of the parts routed in the step: of its latest ones, but of as many as
    its audits need."""
    share, audit_share = policies.shares_of(policy)
    step = unbroken(policy, STEP)
    most = max(LATEST, math.ceil(2 * Limits.from_json(policy.limits).step_audits / (share * audit_share)))
    since = step[-1].at - timedelta(seconds=policy.hold_seconds)
    found = _counts(most).first(line=line.pk, since=since, step=[row.pk for row in step], share=share)
    return dict(zip(COUNTED, found[1:] if found else [0] * len(COUNTED), strict=True))


COUNTED = ("routed", "inside", "decided", "audited", "judged", "due", "passes")


@lru_cache(maxsize=100)
def _counts(most: int) -> Prepared[tuple]:
    return Prepared(lambda: _counted_of_latest(most))


def _counted_of_latest(most: int) -> QuerySet[Routing, tuple]:
    """The line, and of its latest parts since a moment those in each of `COUNTED`."""
    parts = Inspection.objects.filter(line=Given("line"), received_at__gte=Given("since", MOMENT))
    latest = parts.order_by("-received_at").values("pk")[:most]
    # By the policy SQLite would read the whole step, however long it lasts.
    routed = Routing.objects.alias(of_step=unindexed("policy"))
    routed = routed.filter(of_step__in=GivenKeys("step"), inspection__in=latest).order_by()
    inside = Q(inspection__draw__u_canary__lt=Given("share", FloatField()))
    decided = inside & Q(decided=True, decision__in=["pass", "reject"])
    audited = decided & Q(inspection__draw__audited=True)
    judged = audited & Q(inspection__state=State.DECIDED)
    due, passes = judged | (audited & Q(inspection__state__in=OPEN)), judged & Q(decision="pass")
    wanted = zip(COUNTED, (Q(), inside, decided, audited, judged, due, passes), strict=True)
    # Under names of their own: a field of a routing is called `decided`, too.
    counts = {f"n_{name}": Count("pk", filter=q) if q else Count("pk") for name, q in wanted}
    return routed.values_list("inspection__line").annotate(**counts)


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
