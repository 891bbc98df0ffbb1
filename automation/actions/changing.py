"""Raise, lower, switch and roll back: proposed with a reason, judged by the gates, frozen, approved, applied."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from automation import certifying, ladder, policies
from automation.actions.signing import Password, Signature, must_be_signed, sign, signed_words
from automation.actions.voiding import SYSTEM, void_evidence
from automation.apart import apart
from automation.gates import LEAST_SHARE, Limits, LimitsRefused, certified_strata, gates_to
from automation.ladder import ChangeState, Move
from automation.levels import Level, lower_of
from automation.models import Approval, Change, Policy, Void
from inspection import actions as floor
from inspection import audit, seals
from inspection.models import AuditEvent, Line, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from monitoring.models import Alarm, Severity
from shadow.actions import assign_blue_green, end_assignments
from shadow.models import ModelVersion
from shadow.versions import find_version

ESCAPES = "escapes"  # the rule of `automation.actions.escapes`
SEED_PERCENT = 5.0  # seeded parts at least where the machine decides: beside them an audit cannot be told
MOST_STEPS = 20  # of a ramp
DEFAULT_RAMP = [[0.05, 1.0], [0.25, 0.5], [0.5, 0.25], [1.0, 0.1]]  # share of parts, audit share
KEPT = ("quorum", "signed", "audit_share", "limits", "ramp", "step")  # what a rollback may keep of the policy in force
COPIED = ("level", "version_id", "standby_id", "strata", "step", "ramp_held", *policies.FIELDS)


def _locked(line: Line) -> Line:
    """One change of a line at a time: two admins who press at once are served one after the other."""
    return Line.objects.select_for_update().get(pk=line.pk)


def _fields_of(policy: Policy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in COPIED}


def propose_change(
    *,
    line: Line,
    by: User,
    reason: str,
    level: str | None = None,
    policy: dict[str, Any] | None = None,
    model: str | None = None,
    password: Password = "",
    seen: int | None = None,
    now: datetime | None = None,
) -> Change:
    """Propose a level, policy fields or a live version, and apply it when nobody else has to approve.

    Going down needs no gate. A line that asks for signatures asks for the password, except for what is safer at once: a
    step down and a switch back to the version that was live before. Raises Conflict with the unmet gates' reasons, BadInput for nonsense, Unknown
    for a version that does not exist, NotAllowed without the signature. A second proposal of the same person takes the
    place of the first. `seen` is the number of the policy that the person has read: where another is in force by now, it
    is a Conflict.
    """
    must(by, May.PROPOSE)
    signature = sign(by=by, password=password)
    asked = (level, policy or {}, model)
    return _propose(line, by, reason, *asked, seen=seen, signature=signature, now=now or timezone.now())


@transaction.atomic
def _propose(
    line: Line,
    by: User,
    reason: str,
    level: str | None,
    policy: dict[str, Any],
    model: str | None,
    *,
    seen: int | None,
    signature: Signature | None,
    now: datetime,
) -> Change:
    by.must_work_on(line)
    if not reason.strip():
        raise BadInput("Say why the line is changed; the reason stands in the audit trail.")
    line = _locked(line)
    current = policies.in_force(line)
    policies.must_be_as_read(line, current, seen)
    current = _saved(current)
    proposed = _proposed(current, level, policy, model)
    kind = _kind(current, proposed)
    if kind in ("lower", "switch"):
        _must_be_alone(kind, current, proposed, policy)
    if not _is_safer_at_once(kind, current, proposed):
        must_be_signed(current, by, signature)
    if kind not in ("lower", "switch"):
        must_be_free(line, by)
    certificate = _judge(line, current, proposed, kind, now=now)
    if kind == "switch" and _quorum(current, proposed, kind) > 1:
        must_be_free(line, by)
    change = Change.objects.create(
        line=line, from_policy=current, kind=kind, proposed=proposed, reason=reason.strip()[:500], by=by, at=now,
        quorum=_quorum(current, proposed, kind), certificate=certificate, signed=signature is not None,
    )  # fmt: skip
    audit.record(
        "change_proposed", by=by, line=line.slug, subject=change, kind=kind, level=proposed["level"],
        reason=change.reason, certificate=certificate.get("sha256", ""), **signed_words(signature, "proposed", now),
    )  # fmt: skip
    if change.quorum <= 1:
        _apply(change, proposed, certificate, by=by, now=now)
    seals.seal_trail(line=line.slug)
    return change


def must_be_free(line: Line, by: User) -> None:
    """Raise Conflict while another person's change awaits approval. What takes effect at once to be safe does not wait:
    a step down, a rollback, a switch back; it withdraws what awaits approval."""
    pending = policies.pending_change(line)
    if pending and pending.by_id != by.pk:
        raise Conflict("A change of this line awaits approval. Approve it, or lower the line to withdraw it.")


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
        # The version before stays warm; one that scores nothing now leaves the standby as it is named.
        warm = current.version_id if Level(current.level).runs_model else current.standby_id
        fields["standby_id"] = None if warm == version.pk else warm
    _check(fields)
    if Level(fields["level"]).machine_decides and fields["level"] != current.level:
        fields["ramp"] = changes.get("ramp", fields["ramp"] or DEFAULT_RAMP)
        fields |= default_thresholds(fields) | {"step": 0, "ramp_held": False}
    if Level(current.level) is Level.FULL and fields["level"] == Level.PARTIAL:
        fields |= bars_at(Level.PARTIAL, current)
    if fields["ramp"] != current.ramp:
        fields |= {"step": 0, "ramp_held": False}
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


def bars_at(level: Level, policy: Policy) -> dict[str, float | None]:
    """What a version passes below and rejects from at a level, where it decided by `policy` at that level or above.

    From full down to partial its unsure band opens again: that of its last partial policy, else that of its order; and it
    never passes or rejects more than by `policy`.
    """
    held: dict[str, float | None] = {"pass_below": policy.pass_below, "reject_from": policy.reject_from}
    if (level, policy.level) != (Level.PARTIAL, Level.FULL) or policy.pass_below is None or policy.reject_from is None:
        return held
    rows = Policy.objects.filter(line=policy.line_id, version=policy.version_id, level=level, number__lt=policy.number)
    last = rows.order_by("-number").first()
    none = {"version_id": policy.version_id, "level": level, "pass_below": None, "reject_from": None}
    band = bars_at(level, last) if last else {**held, **default_thresholds(none)}
    return {
        "pass_below": min(policy.pass_below, band["pass_below"] or 0.0),
        "reject_from": max(policy.reject_from, band["reject_from"] or 0.0),
    }


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and LEAST_SHARE <= value <= 1


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _check(fields: dict[str, Any]) -> None:
    """Raise BadInput for a policy that makes no sense."""
    for name in ("audit_share", "blind_share"):
        if not _share(fields[name]):
            raise BadInput(f"{name} is {fields[name]!r}; it must be from {LEAST_SHARE:f} to 1.")
    for name in ("pass_below", "reject_from"):
        value = fields[name]
        if value is not None and not (type(value) in (int, float) and 0 <= value <= 1):
            raise BadInput(f"{name} is {value!r}; it must be a score from 0 to 1.")
    if None not in (fields["pass_below"], fields["reject_from"]) and fields["pass_below"] > fields["reject_from"]:
        raise BadInput("pass_below is above reject_from: a part would be both.")
    for name, least, most in (("hold_seconds", 1, 3600), ("assist_wait", 0, 60), ("quorum", 1, 3)):
        if not _whole(fields[name], least, most):
            raise BadInput(f"{name} is {fields[name]!r}; it must be a whole number from {least} to {most}.")
    if not isinstance(fields["signed"], bool):
        raise BadInput(f"signed is {fields['signed']!r}; it must be true or false.")
    if not _rises(fields["ramp"]):
        raise BadInput(
            f"The ramp is a list of at most {MOST_STEPS} steps of [share of parts, audit share], rising to a share of 1: "
            f"[[0.05, 1], [1, 0.1]]. A share is from {LEAST_SHARE:f} to 1."
        )
    if not isinstance(fields["limits"], dict):
        raise BadInput(f"limits is {fields['limits']!r}; it must name limits and their values.")
    try:
        Limits.from_json(fields["limits"])
    except LimitsRefused as refusal:
        raise BadInput(str(refusal)) from None


def _rises(ramp: Any) -> bool:
    """Whether a ramp leads from share to larger share to all parts; an empty one needs no steps."""
    if not isinstance(ramp, list) or len(ramp) > MOST_STEPS:
        return False
    if not all(isinstance(step, list | tuple) and len(step) == 2 for step in ramp):
        return False
    if not all(_share(value) for step in ramp for value in step):
        return False
    shares = [step[0] for step in ramp]
    return not ramp or (shares == sorted(set(shares)) and shares[-1] == 1)


def _kind(current: Policy, proposed: dict[str, Any]) -> str:
    before, after = Level(current.level), Level(proposed["level"])
    move = ladder.move_to(before, after, other_version=proposed["version_id"] != current.version_id)
    _must_be_legal(move, before, after)
    if move is Move.EDIT and proposed == _fields_of(current):
        raise Conflict(f"Nothing would change: {current.line.name} is at {before.words} with this policy already.")
    return move.value


def _must_be_legal(move: Move, before: Level, after: Level) -> None:
    if reason := ladder.against(move, before, after):
        raise Conflict(reason)


def _is_safer_at_once(kind: str, current: Policy, proposed: dict[str, Any]) -> bool:
    """Whether a change lets the machine decide no more than others have agreed to already, so that nothing may hold it up."""
    return kind == "lower" or (kind == "switch" and proposed["version_id"] == policies.live_before(current))


def _must_be_alone(kind: str, current: Policy, proposed: dict[str, Any], changes: dict[str, Any]) -> None:
    """A step down and a switch take effect without gates, so nothing that would need one may ride along."""
    others = any(value != getattr(current, name) for name, value in changes.items())
    if kind == "lower" and (others or proposed["version_id"] != current.version_id):
        raise BadInput("A step down is taken alone and at once. Lower the line first, then change its policy.")
    if kind == "switch" and changes:
        raise BadInput("Another version is switched to alone. Switch first, then change the policy.")


def _judge(line: Line, current: Policy, proposed: dict[str, Any], kind: str, *, now: datetime) -> dict[str, Any]:
    """The certificate of the change: its gates, all met, with what they certify written into `proposed`. Raises Conflict."""
    level = Level(proposed["level"])
    if kind == "switch":
        proposed |= landing(line, current, proposed["version_id"])
        _must_be_legal(Move.SWITCH, Level(current.level), Level(proposed["level"]))
        return certifying.without_gates(proposed, now)
    harmless = not level.machine_decides or _lets_nothing_more_through(current, proposed)
    if kind == "lower" or (kind == "edit" and harmless):
        return certifying.without_gates(proposed, now)
    version = ModelVersion.objects.filter(pk=proposed["version_id"]).first()
    facts, as_of = certifying.facts_at_rest(line, version, now=now, policy=current)
    facts = replace(facts, hold_seconds=proposed["hold_seconds"])
    limits = Limits.from_json(proposed["limits"])
    gates = gates_to(level, facts, limits, proposed["pass_below"], proposed["reject_from"])
    unmet = [f"{gate.name}: {gate.reason}" for gate in gates if not gate.met]
    if unmet or version is None:
        raise Conflict(*unmet)
    if level.machine_decides:
        strata = certified_strata(facts, limits, proposed["pass_below"])
        proposed["strata"] = sorted(list(stratum) for stratum in strata)
    return certifying.freeze(
        line=line, version=version, kind=kind, proposed=proposed, facts=facts, gates=gates, as_of=as_of, now=now
    )


def _lets_nothing_more_through(current: Policy, proposed: dict[str, Any]) -> bool:
    """More audits, another hold or a larger quorum need no evidence: asking for more care must always be possible."""
    same = all(proposed[name] == getattr(current, name) for name in ("pass_below", "reject_from", "ramp", "limits"))
    return same and proposed["audit_share"] >= current.audit_share


def landing(line: Line, current: Policy, version: int | None) -> dict[str, Any]:
    """Where a switch of the live version lands, and by which thresholds.

    The highest level that this version held by a certificate which nothing has voided, never above the present one, with
    the thresholds and strata that were certified, for no larger share of the parts than it last had there; else assist.
    A certificate for other limits is none.
    """
    held = policies.certified(line, version)
    if held is None or held.limits != current.limits or not Level(current.level).machine_decides:
        level = lower_of(Level(current.level), Level.ASSIST)
        return {"level": level, "pass_below": None, "reject_from": None, "strata": None, "step": 0}
    level = lower_of(Level(current.level), Level(held.level))
    rows = Policy.objects.filter(line=line, version=version, level=level).order_by("-number")
    share = _share_within(current, rows.first() or held)
    return {"level": level, "strata": held.strata} | bars_at(level, held) | share


def _share_within(first: Policy, second: Policy) -> dict[str, Any]:
    """The ramp and its step of whichever of two policies lets the machine decide fewer parts, or audits more of them; of
    the first where they are the same. A hold of either stays."""
    (share, audited), (others_share, others_audited) = policies.shares_of(first), policies.shares_of(second)
    less = second if (others_share, -others_audited) < (share, -audited) else first
    return {"ramp": less.ramp, "step": less.step, "ramp_held": first.ramp_held or less.ramp_held}


def _quorum(current: Policy, proposed: dict[str, Any], kind: str) -> int:
    """How many people it takes: the policy's quorum where the machine will decide, or where the quorum itself or
    the signature falls.

    Back to the version that was live before takes one, as a rollback does: it lands at most where others have agreed that
    it may decide.
    """
    if _is_safer_at_once(kind, current, proposed):
        return 1
    # At any level: a quorum, or a signature, that one person can drop is none.
    weakened = proposed["quorum"] < current.quorum or (current.signed and not proposed["signed"])
    return max(current.quorum, proposed["quorum"]) if weakened or Level(proposed["level"]).machine_decides else 1


def approve_change(
    *, change: Change, by: User, reason: str = "", password: Password = "", now: datetime | None = None
) -> Change:
    """A second person agrees; with the quorum reached the gates are judged again and the change is applied.

    A line that asks for signatures asks for the password.
    """
    must(by, May.SUPERVISE)
    signature = sign(by=by, password=password)
    return _approve(change, by, reason.strip()[:500], signature=signature, now=now or timezone.now())


@transaction.atomic
def _approve(change: Change, by: User, reason: str, *, signature: Signature | None, now: datetime) -> Change:
    by.must_work_on(change.line)
    line = _locked(change.line)
    state = ladder.state_of(applied=change.policies.exists(), awaits=policies.pending_change(line) == change)
    if not ladder.may_become(state, ChangeState.APPLIED):
        raise Conflict("This change no longer awaits approval: it was applied, or the line has changed since.")
    if by.pk == change.by_id or change.approvals.filter(by=by).exists():
        raise Conflict("A change is approved by another person than the one who proposed it, once each.")
    must_be_signed(change.from_policy, by, signature)
    Approval.objects.create(change=change, by=by, reason=reason, signed=signature is not None, at=now)
    audit.record(
        "change_approved", by=by, line=line.slug, subject=change, reason=reason,
        **signed_words(signature, "approved", now),
    )  # fmt: skip
    if change.approvals.count() + 1 >= change.quorum:
        # The evidence may have moved since the proposal: what is applied is what holds now.
        fields = dict(change.proposed)
        certificate = _judge(line, policies.in_force(line), fields, change.kind, now=now)
        _apply(change, fields, certificate, by=by, now=now)
    seals.seal_trail(line=line.slug)
    return change


def _apply(change: Change, fields: dict[str, Any], certificate: dict[str, Any], *, by: User, now: datetime) -> Policy:
    """The change's row keeps the certificate of the proposal; the policy's audit row, that by which it was applied."""
    told = {"certificate": certificate} if certificate["gates"] else {}
    return write_policy(
        line=change.line, fields=fields, by=by, reason=change.reason, change=change, now=now,
        action=f"level_{change.kind}", told=told,
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
    told: dict[str, Any] | None = None,
) -> Policy:
    """The next policy row and what follows from it below: assignments, holds, and the end of holds when lowered; `told`
    is what the audit row says besides."""
    before = policies.in_force(line)
    policy = Policy.objects.create(
        line=line, number=before.number + 1, by=audit.name_of(by), reason=reason[:500], change=change, at=now, **fields,
    )  # fmt: skip
    level = Level(policy.level)
    if level.runs_model and policy.version:
        assign_blue_green(line=line, live=policy.version, standby=policy.standby, by=by, now=now)
    else:
        end_assignments(line=line, by=by, now=now)
    hold = policy.hold_seconds if level.machine_decides else policy.assist_wait if level is Level.ASSIST else 0
    floor.set_hold(line=line, seconds=hold, by=by)
    if level.machine_decides:
        floor.raise_seeds(line=line, percent=SEED_PERCENT, by=by)
    if level.rank < Level(before.level).rank:
        floor.release_holds(lines=[line], now=now)
    audit.record(
        action, by=by, line=line.slug, subject=policy, before=before.level, level=policy.level, number=policy.number,
        version=policy.version.name if policy.version else "", reason=reason[:500], **(told or {}),
    )  # fmt: skip
    return policy


@transaction.atomic
def roll_back(
    *,
    line: Line,
    by: User,
    reason: str,
    to: int | None = None,
    seen: int | None = None,
    now: datetime | None = None,
) -> Policy:
    """Go back to an earlier policy row (the one before, or number `to`), at once. It never raises the level.

    `seen` is the number of the policy that the person has read: of two who roll back at once the later is told that the
    line has changed. What others have asked for since stays: the quorum, signatures, audits and limits; the reason says so.
    """
    now = now or timezone.now()
    must(by, May.PROPOSE)
    by.must_work_on(line)
    if not reason.strip():
        raise BadInput("Say why the line is rolled back; the reason stands in the audit trail.")
    line = _locked(line)
    current = policies.in_force(line)
    policies.must_be_as_read(line, current, seen)
    if to is None and _was_rolled_back_to(current):
        raise Conflict(
            f"Policy {current.number} was rolled back to by {current.by} just before; the one before it is what was left. "
            "Say which policy to go back to."
        )
    earlier = Policy.objects.filter(line=line, number=current.number - 1 if to is None else to).first()
    if earlier is None or earlier.number >= current.number:
        raise Conflict("There is no earlier policy of that number to go back to.")
    fields = _fields_of(earlier) | _not_above(current, earlier) | _asked_since(current, earlier) | {"ramp_held": True}
    kept = {name: fields[name] for name in KEPT if fields[name] != getattr(earlier, name)}
    _must_be_legal(Move.ROLL_BACK, Level(current.level), Level(fields["level"]))
    words = f" (kept from policy {current.number}: {', '.join(kept)})" if kept else ""
    policy = write_policy(
        line=line, fields=fields, by=by, reason=reason.strip()[: 500 - len(words)] + words, action="rolled_back", now=now,
        told={"to": earlier.number, "kept": kept},
    )  # fmt: skip
    seals.seal_trail(line=line.slug)
    return policy


def came_back(policy: Policy) -> bool:
    """Whether a version is live by a policy on what it had proven before: by a switch or a rollback."""
    switched = policy.change is not None and policy.change.kind == Move.SWITCH
    return switched or _was_rolled_back_to(policy)


def _was_rolled_back_to(policy: Policy) -> bool:
    return AuditEvent.objects.filter(subject=f"policy {policy.pk}", action="rolled_back").exists()


def _asked_since(current: Policy, earlier: Policy) -> dict[str, Any]:
    """What a rollback keeps of the policy in force: one person goes back, and may not take away by it what others would
    have to agree to."""
    return {
        "quorum": max(current.quorum, earlier.quorum), "signed": current.signed or earlier.signed,
        "audit_share": max(current.audit_share, earlier.audit_share), "limits": current.limits,
    }  # fmt: skip


def _not_above(current: Policy, earlier: Policy) -> dict[str, Any]:
    """What of an earlier policy a rollback may not take over: a higher level, a certificate that was voided since or that
    is one for other limits, and a larger share of the parts."""
    level = lower_of(Level(current.level), Level(earlier.level))
    if not level.machine_decides:
        return {"level": level}
    void = not policies.unvoided(current.line_id, earlier.version_id).filter(pk=earlier.pk).exists()
    if void or (earlier.limits != current.limits and _decides_more(earlier, current)):
        return {"level": Level.ASSIST}
    fields = {"level": level} | bars_at(level, earlier)
    return fields | _share_within(earlier, current) if level == current.level else fields


def _decides_more(first: Policy, second: Policy) -> bool:
    """Whether the machine passes or rejects a part by the first policy that the second leaves to people."""
    if first.version_id != second.version_id:
        return True
    if second.strata is not None and (first.strata is None or any(one not in second.strata for one in first.strata)):
        return True
    passes, rejects = (first.pass_below, second.pass_below), (second.reject_from, first.reject_from)
    return any(one is None or other is None or one > other for one, other in (passes, rejects))


def apply_fallbacks(*, now: datetime | None = None) -> list[Policy]:
    """Lower every line that decides by machine while a critical alarm is open. The system may lower, never raise."""
    now = now or timezone.now()
    lines = Line.objects.filter(pk__in=Alarm.objects.open().filter(severity=Severity.CRITICAL).values("line"))
    return [policy for policy in apart(lambda line: _fall_back(line, now=now), lines, doing="lowering") if policy]


@transaction.atomic
def _fall_back(line: Line, *, now: datetime) -> Policy | None:
    line = _locked(line)
    current = policies.in_force(line)
    alarms = list(Alarm.objects.open().filter(line=line, severity=Severity.CRITICAL))
    # Whoever lowers the line or switches before this sweep does not keep by it what the alarm is about. The watch over
    # escapes knows its version, and has voided what is to be.
    others = [alarm for alarm in alarms if alarm.rule != ESCAPES]
    voids = [_void(line, policies.in_force_at(line, _critical_since(alarm)), alarm, now=now) for alarm in others]
    policy = None
    if alarms and ladder.may_move(Move.FALL_BACK, Level(current.level), Level.ASSIST):
        _void(line, current, alarms[0], now=now)
        policy = write_policy(
            line=line, fields=_fields_of(current) | {"level": Level.ASSIST}, by=SYSTEM, action="fell_back", now=now,
            reason=_words(alarms[0]),
        )  # fmt: skip
    if policy or any(voids):
        seals.seal_trail(line=line.slug)
    return policy


def _void(line: Line, policy: Policy | None, alarm: Alarm, *, now: datetime) -> Void | None:
    """The certificate by which a policy lets the machine decide is void, once."""
    if policy is None or policy.version is None or not Level(policy.level).machine_decides:
        return None
    if not policies.unvoided(line, policy.version_id).filter(pk=policy.pk).exists():
        return None
    return void_evidence(line=line, version=policy.version, reason=_words(alarm), now=now)


def _critical_since(alarm: Alarm) -> datetime:
    row = AuditEvent.objects.filter(subject=f"alarm {alarm.pk}", action="alarm_became_critical").first()
    return row.at if row else alarm.opened_at


def _words(alarm: Alarm) -> str:
    return f"critical alarm: {alarm.message}"
