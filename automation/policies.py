"""Which policy is in force on a line, and what it says to the router."""

from datetime import datetime

from django.conf import settings
from django.db.models import F, Max, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from automation import draws
from automation.levels import Level
from automation.models import Change, Halt, Policy, Void
from automation.routing import Rule
from inspection.models import Line
from inspection.prepared import Given, Prepared
from inspection.refusals import Conflict
from shadow.models import ModelVersion

# The fields of a policy that a change may set.
FIELDS = (
    "pass_below", "reject_from", "ramp", "audit_share", "blind_share", "limits", "hold_seconds", "assist_wait",
    "quorum", "signed",
)  # fmt: skip


def in_force(line: Line) -> Policy:
    """The line's policy now; a line that nobody has raised is at human_only, with an unsaved row that says so."""
    last = _IN_FORCE.first(line=line.pk)
    return last or Policy(line=line, number=0, level=Level.HUMAN_ONLY, by="system", reason="the line was set up")


_IN_FORCE = Prepared(
    lambda: (
        Policy.objects.filter(line=Given("line"))
        .select_related("version", "standby", "change")
        .defer("version__card", "standby__card")
        .order_by("-number")[:1]
    )
)


def level_of(line: Line) -> Level:
    """The line's level now, where nothing else of its policy is asked for."""
    level = _LEVEL.first(line=line.pk)
    return Level(level[0]) if level else Level.HUMAN_ONLY


_LEVEL = Prepared(lambda: Policy.objects.filter(line=Given("line")).order_by("-number").values_list("level")[:1])


def of_number(line: Line, number: int) -> Policy | None:
    """The line's policy of a number, as a page names the one that it showed."""
    return Policy.objects.filter(line=line, number=number).select_related("version").first()


def must_be_as_read(line: Line, policy: Policy, seen: int | None) -> None:
    """Raise Conflict where the policy in force is another than the one that the person has read; None: they read none."""
    if seen is not None and seen != policy.number:
        raise Conflict(f"{line.name} has changed since you read it: policy {policy.number} is in force. Read it again.")


def halt_of(line: Line) -> Halt | None:
    """The halt that holds on the line, its own or the factory's; None when it runs."""
    return _HALT.first(line=line.pk)


def _halts() -> QuerySet[Halt]:
    scopes = Halt.objects.filter(Q(line=None) | Q(line=Given("line"))).order_by()
    last = scopes.values("line").annotate(last=Max("pk")).values("last")
    return Halt.objects.filter(pk__in=last, on=True).order_by(F("line").asc(nulls_first=True))[:1]


_HALT = Prepared(_halts)


def in_force_at(line: Line, moment: datetime) -> Policy | None:
    """The policy that was in force on the line at a moment; None: there was none yet."""
    rows = Policy.objects.filter(line=line, at__lte=moment).select_related("version").defer("version__card")
    return rows.order_by("-number").first()


def pending_change(line: Line, policy: Policy | None = None) -> Change | None:
    """The change that awaits approval: proposed against the policy in force and not applied."""
    policy = policy or in_force(line)
    if policy.pk is None:
        return None
    return _PENDING.first(line=line.pk, policy=policy.pk)


_PENDING = Prepared(
    lambda: (
        Change.objects.filter(line=Given("line"), from_policy=Given("policy"), policies=None)
        .select_related("by")
        .order_by("-pk")[:1]
    )
)


def unvoided(line: Line | int | Given, version: ModelVersion | int | Given | None) -> QuerySet[Policy]:
    """The policies of a version on the line since its certificate was last voided."""
    void = Void.objects.filter(line=line, version=version).order_by("-number").values("number")[:1]
    return Policy.objects.filter(line=line, version=version, number__gt=Coalesce(Subquery(void), 0))


def certified(line: Line, version: ModelVersion | int | None) -> Policy | None:
    """The last policy of the highest level by which a version decided on the line on a certificate that nothing has
    voided since; None: it holds no certificate here."""
    held: Policy | None = None
    for policy in _ON_A_CHANGE(line=line.pk, version=version.pk if isinstance(version, ModelVersion) else version):
        level = Level(policy.level)
        if level.machine_decides and (held is None or level.rank >= Level(held.level).rank):
            held = policy
    return held


_ON_A_CHANGE = Prepared(lambda: unvoided(Given("line"), Given("version")).exclude(change=None).order_by("number"))


def live_before(policy: Policy) -> int | None:
    """The version that was live on the line just before the policy's own; None: there was none."""
    none = 0  # which no version has as its key
    before = _LIVE_BEFORE.first(line=policy.line_id, number=policy.number, version=policy.version_id or none)
    return before[0] if before else None


_LIVE_BEFORE = Prepared(
    lambda: (
        Policy.objects.filter(line=Given("line"), number__lt=Given("number"))
        .exclude(version=None)
        .exclude(version=Given("version"))
        .exclude(level=Level.HUMAN_ONLY)
        .order_by("-number")
        .values_list("version")[:1]
    )
)


def shares_of(policy: Policy) -> tuple[float, float]:
    """Canary share and audit share: the ramp's step says both, and the policy's own audit share is their floor."""
    if policy.ramp and Level(policy.level).machine_decides:
        share, audit_share = policy.ramp[min(policy.step, len(policy.ramp) - 1)]
        return share, max(audit_share, policy.audit_share)
    return 1.0, policy.audit_share


def rule_of(policy: Policy, *, halted: bool = False) -> Rule:
    """The policy as the router reads it; outside its canary share a lower level still holds."""
    level = Level(policy.level)
    canary, audit = shares_of(policy)
    outside = _outside(policy) if canary < 1 else None
    strata = None if policy.strata is None else frozenset((station, variant) for station, variant in policy.strata)
    return Rule(
        level=level, pass_below=policy.pass_below, reject_from=policy.reject_from, canary_share=canary,
        audit_share=audit, blind_share=policy.blind_share, halted=halted, strata=strata, outside=outside,
    )  # fmt: skip


def _outside(policy: Policy) -> Rule:
    """What holds outside the canary share: the last lower policy of the same version, for thresholds belong to a version;
    without one, the last by which people decide. Not simply the policy before: that one may be an edit of this level, or
    the higher level that the line was lowered from."""
    lower = [level for level in Level if level.rank < Level(policy.level).rank]
    before = Policy.objects.filter(line=policy.line_id, level__in=lower, number__lt=policy.number).order_by("-number")
    by_people = before.exclude(level__in=[level for level in lower if level.machine_decides])
    below = before.filter(version=policy.version_id).first() or by_people.first()
    return rule_of(below) if below else Rule(level=Level.SHADOW)


def draw_secret() -> bytes:
    return settings.DRAW_SECRET.encode()


def draw(purpose: draws.Purpose, part: int) -> float:
    """The part's number in [0, 1) for a purpose, under the key in use now."""
    return draws.uniform(draw_secret(), purpose, part)
