"""People take parts and give them back; a part is never with two people."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inspection import audit
from inspection.actions.moving import lock, lock_all, move
from inspection.models import Inspection, Lease, Line, Origin, Skip, UrgentLot, User
from inspection.moves import State
from inspection.prepared import MOMENT, TEXT, Given, Prepared
from inspection.refusals import BadInput, Conflict
from inspection.roles import oversees

APART = timedelta(minutes=15)  # of two computers' clocks: to take a part out of somebody's hands wants more than a hold
MAX_HELD = 8
MAX_LOT = 80
LEASE_GONE = gettext_lazy(
    "This part is no longer yours: the lease ended or was freed, or another person has taken it. Claim the next part."
)

LOCKED_USER = Prepared(
    lambda: User.objects.select_for_update(no_key=True).filter(pk=Given("user")).order_by().values_list("pk")
)


def _held_and_urgent() -> QuerySet:
    """How many parts the person holds, and whether the line has urgent lots."""
    held = Lease.objects.filter(user=Given("user"), expires_at__gt=Given("now", MOMENT)).order_by().values("user")
    count = Coalesce(Subquery(held.annotate(count=Count("pk")).values("count")), 0)
    return Line.objects.filter(pk=Given("line")).values_list(count, Exists(URGENT_LOTS))


URGENT_LOTS = UrgentLot.objects.filter(line=Given("line")).values("lot")
HELD_AND_URGENT = Prepared(_held_and_urgent)


@cache
def _queue(which: str, *, supervisor: bool) -> Prepared:
    """The oldest part of a line that waits for a person, locked: of `all` parts, of the `urgent` lots, or of one `serial`."""

    def build() -> QuerySet:
        queue = Inspection.objects.queued([Given("line")])
        queue = queue.awaiting(Given("user"), now=Given("now", MOMENT), supervisor=supervisor)
        if which == "urgent":
            # Sorted by what no index holds, so the database takes the lots' index and does not walk the whole queue.
            queue = queue.filter(lot__in=URGENT_LOTS).order_by(Coalesce("received_at", "received_at"), "pk")
        if which == "serial":
            # A part that is scanned is there: no seeded one that has its serial opens in its place. Where no part has
            # it, the seeded one does: who put it back could tell it by its refusal.
            there = Inspection.objects.unseeded().filter(serial=Given("serial", TEXT))
            queue = queue.filter(serial=Given("serial", TEXT)).exclude(Q(Exists(there), origin=Origin.SEEDED))
        return queue.select_for_update(skip_locked=True).values_list("pk")[:1]

    return Prepared(build)


def _still_free() -> QuerySet[Inspection]:
    """A part with what is told of it, if nobody holds it. Its state is behind our lock, its verdicts are behind the lease."""
    leased = Lease.objects.filter(inspection=OuterRef("pk"), expires_at__gt=Given("now", MOMENT))
    parts = Inspection.objects.filter(~Exists(leased), pk=Given("part")).order_by()
    return parts.select_related("line", "station", "variant")


STILL_FREE = Prepared(_still_free)


@transaction.atomic
def claim(*, line: Line, by: User, serial: str | None = None, now: datetime | None = None) -> Lease | None:
    """Take the next part that waits for this person, or None when there is none: urgent lots first, then the oldest.

    With a serial, take the part of that serial, a seeded one only where no part has ever had it; what the person holds
    already is theirs. Raises Conflict when the person holds 8 parts.
    """
    by.must_work_on(line)
    return take_next(line=line, by=by, serial=serial, now=now or timezone.now())


def take_next(*, line: Line, by: User, now: datetime, serial: str | None = None) -> Lease | None:
    """What `claim` does, inside the caller's transaction. The caller knows that the person may work on the line."""
    # One person's claims go one after the other, or two at once could both be the eighth.
    LOCKED_USER(user=by.pk)
    own = _own(line, by, serial, now) if serial is not None else None
    if own and own.inspection.origin != Origin.SEEDED:
        return own
    held, urgent = HELD_AND_URGENT(user=by.pk, line=line.pk, now=now)[0]
    if held >= MAX_HELD and own:
        return own
    if held >= MAX_HELD:
        raise Conflict(
            _("You hold %(count)s parts. Judge or release one before you take another.") % {"count": MAX_HELD}
        )
    if serial is not None:
        # A seeded part in hand opens as any other would, unless the part itself waits.
        return _take_first("serial", line, by, now, serial=serial) or own
    return (urgent and _take_first("urgent", line, by, now)) or _take_first("all", line, by, now)


def _own(line: Line, by: User, serial: str, now: datetime) -> Lease | None:
    """The part of that serial which the person holds; a seeded one only where they hold no other of it."""
    held = Lease.objects.held_by(by, now=now).filter(inspection__line=line, inspection__serial=serial)
    held = held.select_related("inspection__line", "inspection__station", "inspection__variant")
    return min(held, key=lambda lease: lease.inspection.origin == Origin.SEEDED, default=None)


def _take_first(which: str, line: Line, by: User, now: datetime, **more: str) -> Lease | None:
    queue = _queue(which, supervisor=oversees(by))
    while found := queue.first(line=line.pk, user=by.pk, now=now, **more):
        # The lock was had, but another claim may have committed between our reading and our locking: look again.
        if inspection := STILL_FREE.first(part=found[0], now=now):
            return _take(inspection, by, now)
    return None


def _take(inspection: Inspection, by: User, now: datetime) -> Lease:
    if inspection.state == State.HELD:
        move(inspection, State.WAITING, now=now)  # from here on it is a person's, for good
    lease = Lease(
        inspection=inspection, user=by, token=secrets.token_urlsafe(32), opened_at=now,
        expires_at=now + timedelta(seconds=inspection.line.lease_seconds),
    )  # fmt: skip
    fields = ["user", "token", "opened_at", "expires_at"]
    # In the place of one that has expired, if there is one.
    Lease.objects.bulk_create([lease], update_conflicts=True, unique_fields=["inspection"], update_fields=fields)
    return lease


LEASE = Prepared(lambda: Lease.objects.filter(inspection=Given("part"), user=Given("user"), token=Given("token", TEXT)))


def held_lease(inspection: Inspection, by: User, token: str) -> Lease:
    """The lease that this person holds under this token. Raises Conflict when it is gone.

    A lease past its time that nobody has taken over still counts: the person has looked, and nobody else has.
    """
    lease = LEASE.first(part=inspection.pk, user=by.pk, token=token)
    if lease is None:
        raise Conflict(str(LEASE_GONE))
    return lease


@transaction.atomic
def renew(*, inspection: Inspection, by: User, token: str, now: datetime | None = None) -> Lease:
    lock(inspection)
    lease = held_lease(inspection, by, token)
    lease.expires_at = (now or timezone.now()) + timedelta(seconds=inspection.line.lease_seconds)
    lease.save(update_fields=["expires_at"])
    return lease


@transaction.atomic
def renew_all(*, tokens: Collection[str], by: User, now: datetime | None = None) -> list[Lease]:
    """Renew those of the leases that are still this person's, in one go, and return them; the others are gone."""
    now = now or timezone.now()
    own = Lease.objects.filter(user=by, token__in=tokens)
    parts = lock_all(own.values_list("inspection_id", flat=True))
    leases = list(own.filter(inspection__in=parts).order_by("opened_at", "pk"))  # as they are behind the locks
    for lease in leases:
        lease.expires_at = now + timedelta(seconds=parts[lease.inspection_id].line.lease_seconds)
    Lease.objects.bulk_update(leases, ["expires_at"])
    return leases


@dataclass(frozen=True)
class HeldLease:
    """A lease as the holder last heard of it. The time tells it from the same lease renewed since."""

    token: str
    expires_at: datetime


@transaction.atomic
def leave(*, leases: Sequence[HeldLease], by: User) -> int:
    """Give several parts back at once, and say how many; a lease that was renewed since stays.

    A page says so when it closes. If it was only reloaded, its successor has renewed the leases before this is heard.
    """
    same = Q(pk__in=[])
    for lease in leases:
        same |= Q(token=lease.token, expires_at=lease.expires_at)
    return Lease.objects.filter(same, user=by).delete()[0]


@transaction.atomic
def release(*, inspection: Inspection, by: User, token: str) -> None:
    """Give a part back unjudged; it is offered again at once, to this person too."""
    lock(inspection)
    held_lease(inspection, by, token).delete()


@transaction.atomic
def skip(*, inspection: Inspection, by: User, token: str, reason: str) -> None:
    """Pass a part on to somebody else, with a reason."""
    if not reason.strip():
        raise BadInput(_("Say why you pass this part on."))
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


def end_long_leases(*, line: Line, now: datetime) -> int:
    """Free the parts that are held for longer ahead than anybody may hold one, and return how many.

    The clock was set back after they had been taken; a person who left since would keep them for as long as it was.
    """
    furthest = now + timedelta(seconds=line.lease_seconds) + APART
    held = Lease.objects.filter(inspection__line=line, expires_at__gt=furthest)
    if not held.exists():
        return 0  # nothing is written, so nobody waits for the writer
    with transaction.atomic():
        ended, _by_table = held.delete()
        audit.record("leases_ended", by="system", line=line.slug, subject=line, parts=ended)
    return ended


@transaction.atomic
def mark_lot_urgent(*, line: Line, lot: str, by: User, now: datetime | None = None) -> UrgentLot:
    """Have the parts of a lot judged before all others of the line. Harmless when it is urgent already."""
    by.must_work_on(line)
    lot = lot.strip()
    if not 1 <= len(lot) <= MAX_LOT:
        raise BadInput(_("Name the lot, in at most %(count)s characters.") % {"count": MAX_LOT})
    urgent, new = UrgentLot.objects.get_or_create(line=line, lot=lot, defaults={"by": by, "at": now or timezone.now()})
    if new:
        audit.record("lot_marked_urgent", by=by, line=line.slug, subject=line, lot=lot)
    return urgent


@transaction.atomic
def end_urgency(*, line: Line, lot: str, by: User) -> None:
    """Let the parts of a lot wait their turn again. Harmless when it is not urgent."""
    by.must_work_on(line)
    if UrgentLot.objects.filter(line=line, lot=lot.strip()).delete()[0]:
        audit.record("lot_urgency_ended", by=by, line=line.slug, subject=line, lot=lot.strip())
