"""People take parts and give them back; a part is never with two people."""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from inspection import audit
from inspection.actions.moving import lock, move
from inspection.models import Inspection, Lease, Line, Skip, User
from inspection.moves import State
from inspection.refusals import BadInput, Conflict
from inspection.roles import oversees

MAX_HELD = 8
LEASE_GONE = (
    "This part is no longer yours: the lease ended or was freed, or another person has taken it. Claim the next part."
)


@transaction.atomic
def claim(*, line: Line, by: User, now: datetime | None = None) -> Lease | None:
    """Take the oldest part that waits for this person, or None when there is none.

    Raises Conflict when the person holds 8 already.
    """
    now = now or timezone.now()
    by.must_work_on(line)
    # One person's claims go one after the other, or two at once could both be the eighth.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if Lease.objects.filter(user=by, expires_at__gt=now).count() >= MAX_HELD:
        raise Conflict(f"You hold {MAX_HELD} parts. Judge or release one before you take another.")
    queue = line.inspections.awaiting(by, now=now, supervisor=oversees(by))
    passed_over: list[int] = []
    while inspection := queue.exclude(pk__in=passed_over).select_for_update(skip_locked=True, of=("self",)).first():
        # The lock was had, but another claim may have committed between our reading and our locking: look again.
        if not queue.filter(pk=inspection.pk).exists():
            passed_over.append(inspection.pk)
            continue
        return _take(inspection, line, by, now)
    return None


def _take(inspection: Inspection, line: Line, by: User, now: datetime) -> Lease:
    if inspection.state == State.HELD:
        move(inspection, State.WAITING, now=now)  # from here on it is a person's, for good
    Lease.objects.filter(inspection=inspection).delete()  # one that has expired
    return Lease.objects.create(
        inspection=inspection, user=by, token=secrets.token_urlsafe(32), opened_at=now,
        expires_at=now + timedelta(seconds=line.lease_seconds),
    )  # fmt: skip


def held_lease(inspection: Inspection, by: User, token: str) -> Lease:
    """The lease that this person holds under this token. Raises Conflict when it is gone.

    A lease past its time that nobody has taken over still counts: the person has looked, and nobody else has.
    """
    lease = Lease.objects.filter(inspection=inspection, user=by, token=token).first()
    if lease is None:
        raise Conflict(LEASE_GONE)
    return lease


@transaction.atomic
def renew(*, inspection: Inspection, by: User, token: str, now: datetime | None = None) -> Lease:
    lock(inspection)
    lease = held_lease(inspection, by, token)
    lease.expires_at = (now or timezone.now()) + timedelta(seconds=inspection.line.lease_seconds)
    lease.save(update_fields=["expires_at"])
    return lease


@transaction.atomic
def release(*, inspection: Inspection, by: User, token: str) -> None:
    """Give a part back unjudged; it is offered again at once, to this person too."""
    lock(inspection)
    held_lease(inspection, by, token).delete()


@transaction.atomic
def skip(*, inspection: Inspection, by: User, token: str, reason: str) -> None:
    """Pass a part on to somebody else, with a reason."""
    if not reason.strip():
        raise BadInput("Say why you pass this part on.")
    lock(inspection)
    held_lease(inspection, by, token).delete()
    Skip.objects.create(inspection=inspection, by=by, reason=reason.strip()[:300])
    audit.record("part_skipped", by=by, line=inspection.line.slug, subject=inspection, reason=reason.strip()[:300])


@transaction.atomic
def free_lease(*, inspection: Inspection, by: User) -> None:
    """A supervisor frees a part that somebody holds. Harmless when nobody does."""
    lock(inspection)
    lease = Lease.objects.filter(inspection=inspection).select_related("user").first()
    if lease:
        lease.delete()
        audit.record("lease_freed", by=by, line=inspection.line.slug, subject=inspection, held_by=lease.user.username)
