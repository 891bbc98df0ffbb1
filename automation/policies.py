"""Which policy is in force on a line, and what it says to the router."""

from django.conf import settings

from automation import draws
from automation.levels import Level
from automation.models import Change, Halt, Policy
from automation.routing import Rule
from inspection.models import Line

# The fields of a policy that a change may set.
FIELDS = (
    "pass_below", "reject_from", "ramp", "audit_share", "blind_share", "limits", "hold_seconds", "assist_wait",
    "quorum",
)  # fmt: skip


def in_force(line: Line) -> Policy:
    """The line's policy now; a line that nobody has raised is at human_only, with an unsaved row that says so."""
    rows = Policy.objects.filter(line=line).select_related("version", "change").defer("version__card")
    last = rows.order_by("-number").first()
    return last or Policy(line=line, number=0, level=Level.HUMAN_ONLY, by="system", reason="the line was set up")


def halt_of(line: Line) -> Halt | None:
    """The halt that holds on the line, its own or the factory's; None when it runs."""
    for scope in (None, line):
        last = Halt.objects.filter(line=scope).last()
        if last and last.on:
            return last
    return None


def pending_change(line: Line) -> Change | None:
    """The change that awaits approval: proposed against the policy in force and not applied."""
    policy = in_force(line)
    if policy.pk is None:
        return None
    return Change.objects.filter(line=line, from_policy=policy, policies=None).select_related("by").first()


def shares_of(policy: Policy) -> tuple[float, float]:
    """Canary share and audit share: the ramp's step says both, and the policy's own audit share is their floor."""
    if policy.ramp and Level(policy.level).machine_decides:
        share, audit_share = policy.ramp[min(policy.step, len(policy.ramp) - 1)]
        return share, max(audit_share, policy.audit_share)
    return 1.0, policy.audit_share


def rule_of(policy: Policy, *, halted: bool = False) -> Rule:
    """The policy as the router reads it; outside its canary share the last policy of a lower level still holds."""
    level = Level(policy.level)
    canary, audit = shares_of(policy)
    outside = _outside(policy) if canary < 1 else None
    strata = None if policy.strata is None else frozenset((station, variant) for station, variant in policy.strata)
    return Rule(
        level=level, pass_below=policy.pass_below, reject_from=policy.reject_from, canary_share=canary,
        audit_share=audit, blind_share=policy.blind_share, halted=halted, strata=strata, outside=outside,
    )  # fmt: skip


def _outside(policy: Policy) -> Rule:
    """What holds outside the canary share. Not simply the policy before: that one may be an edit of this level, or the
    higher level that the line was lowered from. Where there is none, people judge."""
    lower = [level for level in Level if level.rank < Level(policy.level).rank]
    before = Policy.objects.filter(line=policy.line_id, level__in=lower, number__lt=policy.number).order_by("-number")
    below = before.first()
    return rule_of(below) if below else Rule(level=Level.SHADOW)


def draw_secret() -> bytes:
    return settings.DRAW_SECRET.encode()


def draw(purpose: draws.Purpose, part: int) -> float:
    """The part's number in [0, 1) for a purpose, under the key in use now."""
    return draws.uniform(draw_secret(), purpose, part)
