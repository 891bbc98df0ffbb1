"""A ramped raise goes on along its approved steps as evidence comes in; people hold it, let it go on or step back."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from automation import policies
from automation.actions.changing import COPIED, must_be_free, write_policy
from automation.actions.signing import Password, Signature, must_be_signed, sign, signed_words
from automation.actions.voiding import SYSTEM
from automation.apart import apart
from automation.gates import Limits, percent
from automation.levels import Level
from automation.models import Policy
from automation.ramp import RampFacts, people_wait, reasons_to_wait
from automation.ramp_facts import has_audits, is_ramped, next_share, ramp_facts, standing_of
from inspection import seals
from inspection.models import Line, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must

MAY = {"hold": May.SUPERVISE, "back": May.SUPERVISE, "go_on": May.PROPOSE}
DONE = {"hold": "ramp_held", "back": "ramp_stepped_back", "go_on": "ramp_let_go_on"}


def advance_ramps(*, now: datetime) -> list[Policy]:
    """Let every ramp go on that has no reason to wait, by one approved step; return the policies written.

    It is the one way in which the system lets the machine decide more parts, and it leads no further than people have
    approved: level, version, thresholds and strata stay as they are.
    """
    steps = apart(lambda line: _advance(line, now), Line.objects.all(), doing="advancing")
    return [policy for policy in steps if policy]


def _advance(line: Line, now: datetime) -> Policy | None:
    policy = policies.in_force(line)
    if next_share(policy) is None or people_wait(standing_of(line, policy)) or not has_audits(policy):
        return None  # it waits anyway, and the sweep that asks comes every few seconds
    if reasons_to_wait(ramp_facts(line, policy, now), Limits.from_json(policy.limits)):
        return None
    with transaction.atomic():
        line = _locked(line)
        current = policies.in_force(line)
        facts = ramp_facts(line, current, now)
        if current.pk != policy.pk or reasons_to_wait(facts, Limits.from_json(current.limits)):
            return None  # somebody has changed the line meanwhile
        return _write(
            line, current, by=SYSTEM, action="ramp_advanced", reason=_words(facts), now=now, step=current.step + 1,
            told=facts.figures(),
        )  # fmt: skip


def _locked(line: Line) -> Line:
    return Line.objects.select_for_update().get(pk=line.pk)


def _words(facts: RampFacts) -> str:
    return (
        f"Step {facts.step + 2} of {facts.steps}: {facts.passes:,} audited parts that the machine passed were judged in the "
        f"step before; at most {percent(facts.proof.bound)} of the parts passed are scratched."
    )


def _write(
    line: Line,
    policy: Policy,
    *,
    by: User | str,
    action: str,
    reason: str,
    now: datetime,
    told: dict[str, Any],
    **changes: Any,
) -> Policy:
    """The same policy but for its step or its hold, sealed at once."""
    fields = {name: getattr(policy, name) for name in COPIED} | changes
    written = write_policy(line=line, fields=fields, by=by, reason=reason, action=action, now=now, told=told)
    seals.seal_trail(line=line.slug)
    return written


def move_ramp(
    *, line: Line, to: str, by: User, reason: str, password: Password = "", now: datetime | None = None
) -> Policy:
    """Hold a ramp at its step, let it go on, or take it one step back, where it is held; return the policy in force.

    A supervisor may make it wait, at once; only an admin lets it go on, and then it goes by the evidence, along the steps
    that were approved. That is signed where the line asks for signatures, and waits while another person's change awaits
    approval. Held or let go already: nothing changes. Raises BadInput for another word or without a reason, Conflict where
    there is no ramp, or no step back.
    """
    if to not in MAY:
        raise BadInput(f"A ramp cannot be told to {to!r}. Tell it one of {', '.join(MAY)}.")
    must(by, MAY[to])
    signature = sign(by=by, password=password) if to == "go_on" else None
    return _move(line, to, by, reason, signature=signature, now=now or timezone.now())


@transaction.atomic
def _move(line: Line, to: str, by: User, reason: str, *, signature: Signature | None, now: datetime) -> Policy:
    by.must_work_on(line)
    if not reason.strip():
        raise BadInput("Say why; the reason stands in the audit trail.")
    line = _locked(line)
    policy = policies.in_force(line)
    if not is_ramped(policy):
        raise Conflict(f"{line.name} has no ramp: it is at {Level(policy.level).words}.")
    changes = _moved(policy, to)
    if all(getattr(policy, name) == value for name, value in changes.items()):
        return policy
    if to == "go_on":
        must_be_signed(policy, by, signature)
        must_be_free(line, by)
    told = {"step": policy.step, "to": changes.get("step", policy.step), **signed_words(signature, "let go on", now)}
    return _write(line, policy, by=by, action=DONE[to], reason=reason.strip(), now=now, told=told, **changes)


def _moved(policy: Policy, to: str) -> dict[str, Any]:
    """The fields that change. Who steps back has a doubt, so the ramp waits there for an admin."""
    if to == "back":
        if policy.step == 0:
            raise Conflict("The ramp is at its first step. Hold it, halt the line, or lower the level.")
        last = len(policy.ramp) - 1
        return {"step": min(policy.step, last) - 1, "ramp_held": True}
    if next_share(policy) is None:
        raise Conflict("The ramp is at its last step: there is nothing to hold. Take it back, or lower the level.")
    return {"ramp_held": to == "hold"}
