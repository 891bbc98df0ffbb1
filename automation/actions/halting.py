"""Halt a line or the whole factory, and resume it: a flag beside the level; undecided parts go to people at once."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from automation import policies
from automation.actions.signing import Password, Signature, must_be_signed, sign, signed_words
from automation.models import Halt
from inspection import actions as floor
from inspection import audit, seals
from inspection.models import Line, User
from inspection.reasons import stated
from inspection.refusals import Conflict, NotAllowed
from inspection.roles import May, may, must


def may_halt_factory(user: User) -> bool:
    """Whether the whole factory is theirs to halt: those who are bound to lines halt these."""
    return may(user, May.SUPERVISE) and not user.lines.exists()


def set_halt(
    *, line: Line | None, on: bool, by: User, reason: str, password: Password = "", now: datetime | None = None
) -> Halt:
    """Halt or resume a line, or with no line the whole factory. Undecided parts go to people at once.

    Halting grants what inspectors have asked for on these lines. To resume, a line that asks for signatures asks for
    the password; to halt, nothing does. Raises Conflict where a line is resumed that the factory's halt holds, NotAllowed
    where somebody bound to lines means the whole factory.
    """
    must(by, May.SUPERVISE)
    signature = None if on else sign(by=by, password=password)
    return _halt(line, on, by, reason, signature=signature, now=now or timezone.now())


@transaction.atomic
def _halt(line: Line | None, on: bool, by: User, reason: str, *, signature: Signature | None, now: datetime) -> Halt:
    reason = stated(reason, "Say why; the reason stands in the audit trail.")
    if line is None and not may_halt_factory(by):
        raise NotAllowed("You are bound to some lines: halt and resume each of them. The whole factory is for others.")
    # By their keys, as everywhere: two who halt the factory at once never wait for each other.
    lines = Line.objects.select_for_update().filter(**({"pk": line.pk} if line else {})).order_by("pk")
    halted = list(lines)
    for one in halted:
        by.must_work_on(one)
        if not on:
            must_be_signed(policies.in_force(one), by, signature)
    if line and not on:
        _must_be_its_own(line)
    halt = Halt.objects.create(line=line, on=on, by=by.username, reason=reason, at=now)
    if on:
        floor.release_holds(lines=halted, now=now)
        floor.grant_halts(lines=halted, by=by, reason=reason, now=now)
    slug = line.slug if line else ""
    audit.record(
        "halted" if on else "resumed", by=by, line=slug, subject=halt, reason=reason,
        **signed_words(signature, "resumed", now),
    )  # fmt: skip
    seals.seal_trail(line=slug)
    return halt


def _must_be_its_own(line: Line) -> None:
    """Raise Conflict where the factory's halt holds on a line: to resume the line alone would change nothing."""
    held = policies.halt_of(line)
    if held and not held.line_id:
        raise Conflict(
            f"The whole factory is halted (by {held.by}: {held.reason}), and {line.name} with it. Resume the factory."
        )
