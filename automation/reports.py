"""What the pages and the API show of a line's automation: where it stands, what the next step needs, how parts flow."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, prefetch_related_objects
from django.utils import timezone

from automation import policies
from automation.actions.changing import default_thresholds
from automation.audits import MACHINE_DECIDES
from automation.facts import evidence_start, facts_of
from automation.fallbacks import NO_ANSWER
from automation.gates import Facts, Gate, Limits, gates_to
from automation.levels import Level, one_up
from automation.models import Change, EdgeMark, Halt, Policy, Routing
from automation.recent import BEGINNING, Lately, parts_since, routed_lately
from automation.routing import OUT_OF_DISTRIBUTION, UNSURE_BAND
from automation.versus import VERSIONS_DISAGREE
from inspection.models import Line
from inspection.prepared import MOMENT, Given, Prepared
from shadow.certifying import Counted
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
    counted: Counted | None = None  # the tallies that the facts were read from; None: no version
    lately: Lately | None = None  # the newest parts as they were routed; None: the machine does not decide

    @property
    def ready(self) -> bool:
        return all(gate.met for gate in self.gates)

    @property
    def limits(self) -> Limits:
        return Limits.from_json(self.policy.limits)

    @property
    def uncounted(self) -> int:
        """Changes that the gates do not know of yet: the workers have still to count them."""
        return self.counted.uncounted if self.counted else 0

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
    prefetch_related_objects([line], "shifts")  # by which days are told, here and there
    policy = policies.in_force(line)
    level = Level(policy.level)
    version = version or policy.version or ModelVersion.objects.order_by("-pk").first()
    counted = Counted(line, version, evidence_start(line, version)) if version else None
    lately = routed_lately(line) if level.machine_decides else None
    facts = facts_of(line, version, now=now, policy=policy, counted=counted, lately=lately)
    upper = one_up(level)
    fields: dict[str, Any] = {
        "version_id": version.pk if version else None, "level": upper,
        "pass_below": policy.pass_below if pass_below is None else pass_below,
        "reject_from": policy.reject_from if reject_from is None else reject_from,
    }  # fmt: skip
    fields |= default_thresholds(fields) if upper and upper.machine_decides else {}
    limits = Limits.from_json(policy.limits)
    gates = gates_to(upper, facts, limits, fields["pass_below"], fields["reject_from"]) if upper else []
    share, audit_share = policies.shares_of(policy)
    canary = {"step": policy.step, "steps": policy.ramp, "share": share, "audit_share": audit_share}
    return Standing(
        line, policy, level, version, upper, gates, facts, policies.pending_change(line, policy),
        policies.halt_of(line), canary, counted, lately,
    )  # fmt: skip


def policy_json(policy: Policy) -> dict[str, Any]:
    return {
        "number": policy.number,
        "level": policy.level,
        "version": policy.version.name if policy.version else None,
        "standby": policy.standby.name if policy.standby else None,
        **{name: getattr(policy, name) for name in policies.FIELDS},
        "strata": policy.strata,
        "by": policy.by,
        "reason": policy.reason,
        "at": policy.at.isoformat(),
    }


def gate_json(gate: Gate) -> dict[str, Any]:
    return {"name": gate.name, "met": gate.met, "reason": gate.reason, "figures": gate.figures}


# The router's reasons for leaving a part to a person that the machine was to decide, besides a missing answer.
ESCALATED = (
    UNSURE_BAND, OUT_OF_DISTRIBUTION, VERSIONS_DISAGREE, "stratum not certified", "the policy has no usable thresholds",
)  # fmt: skip


@dataclass(frozen=True)
class Flow:
    """How the line's newest parts were routed, those of some hours or, of a quick line, the last `MOST`.

    Each part is in one of: passed and rejected by machine, escalated by it to people, late (decided by it after the hold
    had passed), people's by the policy, decided at its station and not yet scored here, unrouted (no answer of the live
    version yet, or none at all).
    """

    since: datetime | None
    hours: int | None  # None: the newest parts, for more have come in the hours
    total: int
    decisions: Counter[str]  # pass and reject by machine; person with what came too late
    late: int
    reasons: Counter[str]  # why people decide by the policy, as the router says it
    escalations: Counter[str]  # why the machine, which was to decide, leaves a part to them
    audited_passes: int
    audited_rejects: int
    at_station: int  # of which the server has still to say whether its score bears them out
    without_answer: int

    @property
    def audited(self) -> int:
        return self.audited_passes + self.audited_rejects

    @property
    def escalated(self) -> int:
        return self.escalations.total()

    @property
    def by_policy(self) -> int:
        """Parts that the policy leaves to people, whatever the version answers."""
        return self.decisions["person"] - self.escalated - self.late


def flow(line: Line, *, now: datetime | None = None, hours: int = 24, lately: Lately | None = None) -> Flow:
    """The parts of the last hours; what it costs does not depend on how many they are. `lately`: the newest parts, where
    they are known already."""
    start = (now or timezone.now()) - timedelta(hours=hours)
    if lately is None or lately.since is None or lately.since < start:
        lately = routed_lately(line, start)
    since, groups, total = lately.since, lately.groups, parts_since(line, lately.since)
    deciding = {pk for (pk,) in _DECIDING(line=line.pk)}
    decisions: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    escalations: Counter[str] = Counter()
    audited: Counter[str] = Counter()
    late = 0
    for group in groups:
        by_machine = group.decided and group.decision != "person"
        decisions[group.decision if by_machine else "person"] += group.parts
        audited[group.decision] += group.parts if group.audited else 0
        if group.decision == "person":
            escalated = group.policy in deciding and is_escalation(group.reason)
            (escalations if escalated else reasons)[group.reason] += group.parts
        elif not by_machine:
            late += group.parts
    at_station = sum(n for _line, n in _AT_STATION(line=line.pk, since=since or BEGINNING))
    routed = sum(group.parts for group in groups)
    return Flow(
        since=since, hours=hours if since == start else None, total=total, decisions=decisions, late=late,
        reasons=reasons, escalations=escalations, audited_passes=audited["pass"], audited_rejects=audited["reject"],
        at_station=at_station, without_answer=max(0, total - routed - at_station),
    )  # fmt: skip


_DECIDING = Prepared(
    lambda: Policy.objects.filter(line=Given("line"), level__in=MACHINE_DECIDES).order_by().values_list("pk")
)


def _unscored_marks() -> QuerySet[EdgeMark, tuple]:
    scored = Exists(Routing.objects.filter(inspection=OuterRef("inspection")))
    marks = EdgeMark.objects.filter(~Q(scored), at__gte=Given("since", MOMENT), inspection__line=Given("line"))
    return marks.order_by().values_list("inspection__line").annotate(n=Count("pk"))


_AT_STATION = Prepared(_unscored_marks)


def is_escalation(reason: str) -> bool:
    """Whether a reason of the router is that the machine, which was to decide, leaves the part to a person."""
    return reason in ESCALATED or reason.startswith(NO_ANSWER)
