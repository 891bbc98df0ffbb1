"""Blue/green on a line: switch the live version, name the standby, and let candidates shadow."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from automation import policies
from automation.actions.changing import COPIED, must_be_free, propose_change, write_policy
from automation.actions.signing import Password, Signature, must_be_signed, sign, signed_words
from automation.levels import Level
from automation.models import Change, Policy
from inspection import seals
from inspection.models import Line, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from shadow.actions import assign, end_assignment
from shadow.models import Assignment, ModelVersion, Role


def switch_version(
    *,
    line: Line,
    version: ModelVersion,
    by: User,
    reason: str,
    seen: int | None = None,
    password: Password = "",
    now: datetime | None = None,
) -> Change:
    """Let another version be live; the one before stays warm as standby, so that one more switch goes back.

    `seen` is the number of the policy that the person has read: of two who switch at once the later is told that the
    line has changed. As every change it is `propose_change`, which says where a switch lands, who has to agree, and
    whether it is signed.
    """
    must(by, May.PROPOSE)
    signature = sign(by=by, password=password)
    with transaction.atomic():
        _ready(line, by, reason, seen)
        return propose_change(line=line, by=by, reason=reason, model=version.name, password=signature or "", now=now)


def set_standby(
    *,
    line: Line,
    version: ModelVersion | None,
    by: User,
    reason: str,
    seen: int | None = None,
    password: Password = "",
    now: datetime | None = None,
) -> Policy:
    """Name the version that is kept warm beside the live one; None: none is. The one before no longer scores the line.

    It changes nothing of what a switch to it needs. A line that asks for signatures asks for the password. Raises Conflict
    for the live version itself, at human only, and where nothing would change.
    """
    must(by, May.PROPOSE)
    signature = sign(by=by, password=password)
    return _set_standby(line, version, by, reason, seen, signature=signature, now=now or timezone.now())


@transaction.atomic
def _set_standby(
    line: Line,
    version: ModelVersion | None,
    by: User,
    reason: str,
    seen: int | None,
    *,
    signature: Signature | None,
    now: datetime,
) -> Policy:
    line, current = _ready(line, by, reason, seen)
    must_be_signed(current, by, signature)
    must_be_free(line, by)
    if version is not None and version.pk == current.version_id:
        raise Conflict(f"{version} is live on {line.name}. Another version can be its standby.")
    if version is not None:
        _must_run(line, current)
    if current.standby == version:
        named = f"{version} is the standby of {line.name}" if version else f"{line.name} has no standby"
        raise Conflict(f"Nothing would change: {named} already.")
    fields = {name: getattr(current, name) for name in COPIED} | {"standby_id": version.pk if version else None}
    policy = write_policy(
        line=line, fields=fields, by=by, reason=reason.strip(), now=now, change=current.change,
        action="standby_set" if version else "standby_ended",
        told={"standby": str(version or current.standby), **signed_words(signature, "standby", now)},
    )  # fmt: skip
    seals.seal_trail(line=line.slug)
    return policy


@transaction.atomic
def add_candidate(*, line: Line, version: ModelVersion, by: User, reason: str, now: datetime | None = None) -> None:
    """Let a version shadow the line: it scores every new part, and nothing else. Raises Conflict where it does already."""
    line, current = _ready(line, by, reason)
    _must_run(line, current)
    known = Assignment.objects.current().filter(line=line, version=version).first()
    if known:
        raise Conflict(f"{version} scores the parts of {line.name} already, as {known.get_role_display().lower()}.")
    assign(line=line, version=version, role=Role.CANDIDATE, by=by, now=now, reason=reason.strip())
    seals.seal_trail(line=line.slug)


@transaction.atomic
def end_candidate(*, line: Line, version: ModelVersion, by: User, reason: str, now: datetime | None = None) -> None:
    """Let a candidate no longer score the line. What it has answered stays."""
    line, _ = _ready(line, by, reason)
    if not Assignment.objects.current().filter(line=line, version=version, role=Role.CANDIDATE).exists():
        raise Conflict(f"{version} is no candidate on {line.name}.")
    end_assignment(line=line, version=version, by=by, now=now, reason=reason.strip())
    seals.seal_trail(line=line.slug)


def _ready(line: Line, by: User, reason: str, seen: int | None = None) -> tuple[Line, Policy]:
    """The line, locked until the change is written, and its policy. Raises what keeps this person from changing it."""
    must(by, May.PROPOSE)
    by.must_work_on(line)
    if not reason.strip():
        raise BadInput("Say why the line's versions change; the reason stands in the audit trail.")
    line = Line.objects.select_for_update().get(pk=line.pk)
    current = policies.in_force(line)
    policies.must_be_as_read(line, current, seen)
    return line, current


def _must_run(line: Line, current: Policy) -> None:
    if not Level(current.level).runs_model:
        raise Conflict(f"No version scores {line.name} at human only. Raise it to shadow first.")
