"""Raise, lower, switch, roll back and halt: proposed with a reason, judged by the gates, frozen, approved, applied."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from automation import policies
from automation.facts import facts_of
from automation.gates import Gate, Limits, LimitsRefused, certified_strata, gates_to
from automation.levels import Level, lower_of, one_up
from automation.models import Approval, Change, Halt, Policy
from inspection import actions as floor
from inspection import audit, seals
from inspection.models import Line, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from monitoring.models import Alarm, Severity
from shadow.actions import assign, end_assignments
from shadow.models import ModelVersion, Role
from shadow.versions import find_version

SYSTEM = "system"
DEFAULT_RAMP = [[0.05, 1.0], [0.25, 0.5], [0.5, 0.25], [1.0, 0.1]]  # share of parts, audit share
COPIED = ("level", "version_id", "strata", "step", *policies.FIELDS)


def _locked(line: Line) -> Line:
    """One change of a line at a time: two admins who press at once are served one after the other."""
    return Line.objects.select_for_update().get(pk=line.pk)


def _fields_of(policy: Policy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in COPIED}


@transaction.atomic
def propose_change(
    *,
    line: Line,
    by: User,
    reason: str,
    level: str | None = None,
    policy: dict[str, Any] | None = None,
    model: str | None = None,
    now: datetime | None = None,
) -> Change:
    """Propose a level, policy fields or a live version, and apply it when nobody else has to approve.

    Going down needs no gate. Raises Conflict with the unmet gates' reasons, BadInput for nonsense, Unknown for a
    version that does not exist. A second proposal of the same person takes the place of the first.
    """
    now = now or timezone.now()
    must(by, May.PROPOSE)
    by.must_work_on(line)
    if not reason.strip():
        raise BadInput("Say why the line is changed; the reason stands in the audit trail.")
    line = _locked(line)
    current = _saved(policies.in_force(line))
    proposed = _proposed(current, level, policy or {}, model)
    kind = _kind(current, proposed)
    if kind in ("lower", "switch"):
        _must_be_alone(kind, current, proposed, policy or {})
    pending = policies.pending_change(line)
    if kind != "lower" and pending and pending.by_id != by.pk:
        raise Conflict("A change of this line awaits approval. Approve it, or lower the line to withdraw it.")
    gates = _judge(line, current, proposed, kind, now=now)
    change = Change.objects.create(
        line=line, from_policy=current, kind=kind, proposed=proposed, reason=reason.strip()[:500], by=by, at=now,
        quorum=_quorum(current, proposed, kind), certificate=_certificate(proposed, gates, now),
    )  # fmt: skip
    audit.record(
        "change_proposed", by=by, line=line.slug, subject=change, kind=kind, level=proposed["level"],
        reason=change.reason,
    )  # fmt: skip
    if change.quorum <= 1:
        _apply(change, proposed, by=by, now=now)
    seals.seal_trail(line=line.slug)
    return change


def _saved(policy: Policy) -> Policy:
    """The policy in force as a row: a line that was never changed gets the row that says so."""
    if policy.pk is None:
        policy.number = 1
        policy.save()
    return policy


def _proposed(current: Policy, level: str | None, changes: dict[str, Any], model: str | None) -> dict[str, Any]:
    """The fields of the policy to be, checked. Raises BadInput with what is allowed."""
    if unknown := sorted(set(changes) - set(policies.FIELDS)):
        raise BadInput(f"A policy has no field {unknown[0]!r}. Known fields: {', '.join(policies.FIELDS)}.")
    fields = _fields_of(current) | changes
    if level is not None:
        if level not in list(Level):
            raise BadInput(f"There is no level {level!r}. The levels are {', '.join(Level)}.")
        fields["level"] = level
    if model is not None and (version := find_version(model)).pk != current.version_id:
        # Thresholds belong to a version: those of the version before say nothing about this one.
        fields |= {"version_id": version.pk, "pass_below": None, "reject_from": None} | changes
    _check(fields)
    if Level(fields["level"]).machine_decides and fields["level"] != current.level:
        fields["ramp"] = changes.get("ramp", fields["ramp"] or DEFAULT_RAMP)
        fields |= default_thresholds(fields) | {"step": 0}
    if fields["ramp"] != current.ramp:
        fields["step"] = 0
    return fields


def default_thresholds(fields: dict[str, Any]) -> dict[str, float]:
    """What a step to partial or full passes below and rejects from where nobody has chosen: the strictest to pass, the
    loosest to reject; one for both at full."""
    version = ModelVersion.objects.filter(pk=fields["version_id"]).first()
    if version is None or not version.thresholds:
        return {}
    pass_below = version.thresholds[0] if fields["pass_below"] is None else fields["pass_below"]
    reject_from = version.thresholds[-1] if fields["reject_from"] is None else fields["reject_from"]
    return {"pass_below": pass_below, "reject_from": pass_below if fields["level"] == Level.FULL else reject_from}


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _check(fields: dict[str, Any]) -> None:
    """Raise BadInput for a policy that makes no sense."""
    for name in ("audit_share", "blind_share"):
        if not _share(fields[name]):
            raise BadInput(f"{name} is {fields[name]!r}; it must be above 0 and at most 1.")
    for name in ("pass_below", "reject_from"):
        value = fields[name]
        if value is not None and not (type(value) in (int, float) and 0 <= value <= 1):
            raise BadInput(f"{name} is {value!r}; it must be a score from 0 to 1.")
    if None not in (fields["pass_below"], fields["reject_from"]) and fields["pass_below"] > fields["reject_from"]:
        raise BadInput("pass_below is above reject_from: a part would be both.")
    for name, least, most in (("hold_seconds", 1, 3600), ("assist_wait", 0, 60), ("quorum", 1, 3)):
        if not _whole(fields[name], least, most):
            raise BadInput(f"{name} is {fields[name]!r}; it must be a whole number from {least} to {most}.")
    if not _rises(fields["ramp"]):
        raise BadInput(
            "The ramp is a list of [share of parts, audit share], rising to a share of 1: [[0.05, 1], [1, 0.1]]."
        )
    if not isinstance(fields["limits"], dict):
        raise BadInput(f"limits is {fields['limits']!r}; it must name limits and their values.")
    try:
        Limits.from_json(fields["limits"])
    except LimitsRefused as refusal:
        raise BadInput(str(refusal)) from None


def _rises(ramp: Any) -> bool:
    """Whether a ramp leads from share to larger share to all parts; an empty one needs no steps."""
    if not isinstance(ramp, list) or not all(isinstance(step, list | tuple) and len(step) == 2 for step in ramp):
        return False
    if not all(_share(value) for step in ramp for value in step):
        return False
    shares = [step[0] for step in ramp]
    return not ramp or (shares == sorted(set(shares)) and shares[-1] == 1)


def _kind(current: Policy, proposed: dict[str, Any]) -> str:
    before, after = Level(current.level), Level(proposed["level"])
    if after.rank > before.rank:
        if after is not one_up(before):
            next_level = one_up(before)
            raise Conflict(f"One step up at a time: the next level is {next_level.words if next_level else 'none'}.")
        return "raise"
    if after.rank < before.rank:
        return "lower"
    if proposed["version_id"] != current.version_id:
        return "switch"
    if proposed == _fields_of(current):
        raise Conflict(f"Nothing would change: {current.line.name} is at {before.words} with this policy already.")
    return "edit"


def _must_be_alone(kind: str, current: Policy, proposed: dict[str, Any], changes: dict[str, Any]) -> None:
    """A step down and a switch take effect without gates, so nothing that would need one may ride along."""
    others = any(value != getattr(current, name) for name, value in changes.items())
    if kind == "lower" and (others or proposed["version_id"] != current.version_id):
        raise BadInput("A step down is taken alone and at once. Lower the line first, then change its policy.")
    if kind == "switch" and changes:
        raise BadInput("Another version is switched to alone. Switch first, then change the policy.")


def _judge(line: Line, current: Policy, proposed: dict[str, Any], kind: str, *, now: datetime) -> list[Gate]:
    """The gates of the change, all met, with what they certify written into `proposed`. Raises Conflict."""
    level = Level(proposed["level"])
    if kind == "switch":
        proposed |= _landing(line, current, proposed["version_id"])
        return []
    harmless = not level.machine_decides or _lets_nothing_more_through(current, proposed)
    if kind == "lower" or (kind == "edit" and harmless):
        return []
    version = ModelVersion.objects.filter(pk=proposed["version_id"]).first()
    facts = replace(facts_of(line, version, now=now, policy=current), hold_seconds=proposed["hold_seconds"])
    limits = Limits.from_json(proposed["limits"])
    gates = gates_to(level, facts, limits, proposed["pass_below"], proposed["reject_from"])
    if unmet := [f"{gate.name}: {gate.reason}" for gate in gates if not gate.met]:
        raise Conflict(*unmet)
    if level.machine_decides:
        strata = certified_strata(facts, limits, proposed["pass_below"])
        proposed["strata"] = sorted(list(stratum) for stratum in strata)
    return gates


def _lets_nothing_more_through(current: Policy, proposed: dict[str, Any]) -> bool:
    """More audits, another hold or a larger quorum need no evidence: asking for more care must always be possible."""
    same = all(proposed[name] == getattr(current, name) for name in ("pass_below", "reject_from", "ramp", "limits"))
    return same and proposed["audit_share"] >= current.audit_share


def _landing(line: Line, current: Policy, version: int | None) -> dict[str, Any]:
    """Where a switch of the live version lands, and by which thresholds.

    The highest level that this version held by a certificate which no alarm has voided, never above the present one,
    with the thresholds and strata that were certified; else assist. A certificate for other limits is none.
    """
    held: Policy | None = None
    for policy in Policy.objects.filter(line=line, version=version).order_by("number"):
        level = Level(policy.level)
        if policy.voids_evidence:
            held = None
        elif policy.change_id and level.machine_decides and (held is None or level.rank >= Level(held.level).rank):
            held = policy
    if held is None or held.limits != current.limits or not Level(current.level).machine_decides:
        level = lower_of(Level(current.level), Level.ASSIST)
        return {"level": level, "pass_below": None, "reject_from": None, "strata": None, "step": 0}
    certified = {name: getattr(held, name) for name in ("pass_below", "reject_from", "strata")}
    return certified | {"level": lower_of(Level(current.level), Level(held.level))}


def _quorum(current: Policy, proposed: dict[str, Any], kind: str) -> int:
    """How many people it takes: the policy's quorum where the machine will decide, or where the quorum itself falls."""
    if kind == "lower":
        return 1
    weakened = proposed["quorum"] < current.quorum  # at any level: a quorum that one person can drop is none
    return max(current.quorum, proposed["quorum"]) if weakened or Level(proposed["level"]).machine_decides else 1


def _certificate(proposed: dict[str, Any], gates: list[Gate], now: datetime) -> dict[str, Any]:
    return {
        "at": now.isoformat(),
        "level": proposed["level"],
        "gates": [{"name": g.name, "met": g.met, "reason": g.reason, "figures": g.figures} for g in gates],
    }


@transaction.atomic
def approve_change(*, change: Change, by: User, reason: str = "", now: datetime | None = None) -> Change:
    """A second person agrees; with the quorum reached the gates are judged again and the change is applied."""
    now = now or timezone.now()
    must(by, May.SUPERVISE)
    by.must_work_on(change.line)
    line = _locked(change.line)
    if policies.pending_change(line) != change:
        raise Conflict("This change no longer awaits approval: it was applied, or the line has changed since.")
    if by.pk == change.by_id or change.approvals.filter(by=by).exists():
        raise Conflict("A change is approved by another person than the one who proposed it, once each.")
    Approval.objects.create(change=change, by=by, reason=reason.strip()[:500], at=now)
    audit.record("change_approved", by=by, line=line.slug, subject=change, reason=reason.strip()[:500])
    if change.approvals.count() + 1 >= change.quorum:
        # The evidence may have moved since the proposal: what is applied is what holds now.
        fields = dict(change.proposed)
        _judge(line, policies.in_force(line), fields, change.kind, now=now)
        _apply(change, fields, by=by, now=now)
    seals.seal_trail(line=line.slug)
    return change


def _apply(change: Change, fields: dict[str, Any], *, by: User, now: datetime) -> Policy:
    return write_policy(
        line=change.line, fields=fields, by=by, reason=change.reason, change=change, now=now,
        action=f"level_{change.kind}",
    )  # fmt: skip


def write_policy(
    *,
    line: Line,
    fields: dict[str, Any],
    by: User | str,
    reason: str,
    action: str,
    now: datetime,
    change: Change | None = None,
    voids_evidence: bool = False,
) -> Policy:
    """The next policy row and what follows from it below: assignments, holds, and the end of holds when lowered."""
    before = policies.in_force(line)
    policy = Policy.objects.create(
        line=line, number=before.number + 1, by=audit.name_of(by), reason=reason[:500], change=change, at=now,
        voids_evidence=voids_evidence, **fields,
    )  # fmt: skip
    level = Level(policy.level)
    if level.runs_model and policy.version:
        assign(line=line, version=policy.version, role=Role.LIVE, by=by, now=now)
    else:
        end_assignments(line=line, by=by, now=now)
    hold = policy.hold_seconds if level.machine_decides else policy.assist_wait if level is Level.ASSIST else 0
    floor.set_hold(line=line, seconds=hold, by=by)
    if level.rank < Level(before.level).rank:
        floor.release_holds(line=line, now=now)
    audit.record(
        action, by=by, line=line.slug, subject=policy, before=before.level, level=policy.level, number=policy.number,
        version=policy.version.name if policy.version else "", reason=reason[:500],
    )  # fmt: skip
    return policy


@transaction.atomic
def roll_back(*, line: Line, by: User, reason: str, to: int | None = None, now: datetime | None = None) -> Policy:
    """Go back to an earlier policy row (the one before, or number `to`), at once. It never raises the level."""
    now = now or timezone.now()
    must(by, May.PROPOSE)
    by.must_work_on(line)
    if not reason.strip():
        raise BadInput("Say why the line is rolled back; the reason stands in the audit trail.")
    line = _locked(line)
    current = policies.in_force(line)
    earlier = Policy.objects.filter(line=line, number=current.number - 1 if to is None else to).first()
    if earlier is None or earlier.number >= current.number:
        raise Conflict("There is no earlier policy of that number to go back to.")
    fields = _fields_of(earlier) | _not_above(current, earlier)
    policy = write_policy(line=line, fields=fields, by=by, reason=reason.strip(), action="rolled_back", now=now)
    seals.seal_trail(line=line.slug)
    return policy


def _not_above(current: Policy, earlier: Policy) -> dict[str, Any]:
    """What of an earlier policy a rollback may not take over: a higher level, a certificate that an alarm has voided
    since, and a larger share of the parts."""
    level = lower_of(Level(current.level), Level(earlier.level))
    later = Policy.objects.filter(line=earlier.line_id, version=earlier.version_id, number__gt=earlier.number)
    if level.machine_decides and later.filter(voids_evidence=True).exists():
        return {"level": Level.ASSIST}
    if level == current.level and policies.shares_of(earlier)[0] > policies.shares_of(current)[0]:
        return {"level": level, "ramp": current.ramp, "step": current.step}
    return {"level": level}


@transaction.atomic
def set_halt(*, line: Line | None, on: bool, by: User, reason: str, now: datetime | None = None) -> Halt:
    """Halt or resume a line, or with no line the whole factory. Undecided parts go to people at once."""
    now = now or timezone.now()
    must(by, May.SUPERVISE)
    if not reason.strip():
        raise BadInput("Say why; the reason stands in the audit trail.")
    lines = [line] if line else list(Line.objects.all())
    for halted in lines:
        by.must_work_on(halted)
        _locked(halted)
        if on:
            floor.release_holds(line=halted, now=now)
    slug = line.slug if line else ""
    halt = Halt.objects.create(line=line, on=on, by=by.username, reason=reason.strip()[:500], at=now)
    audit.record("halted" if on else "resumed", by=by, line=slug, subject=halt, reason=halt.reason)
    seals.seal_trail(line=slug)
    return halt


def apply_fallbacks(*, now: datetime | None = None) -> list[Policy]:
    """Lower every line that decides by machine while a critical alarm is open. The system may lower, never raise."""
    now = now or timezone.now()
    lines = Line.objects.filter(pk__in=Alarm.objects.open().filter(severity=Severity.CRITICAL).values("line"))
    return [policy for line in lines if (policy := _fall_back(line, now=now))]


@transaction.atomic
def _fall_back(line: Line, *, now: datetime) -> Policy | None:
    line = _locked(line)
    current = policies.in_force(line)
    if not Level(current.level).machine_decides:
        return None
    alarm = Alarm.objects.open().filter(line=line, severity=Severity.CRITICAL).first()
    if alarm is None:
        return None
    policy = write_policy(
        line=line, fields=_fields_of(current) | {"level": Level.ASSIST}, by=SYSTEM, action="fell_back", now=now,
        reason=f"critical alarm: {alarm.message}", voids_evidence=True,
    )  # fmt: skip
    seals.seal_trail(line=line.slug)
    return policy
