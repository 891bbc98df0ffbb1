"""An escape is contained: a task that names what else may have left with the part, and is closed with its cause."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import BigIntegerField, Exists, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inspection import audit
from inspection.escapes import found_escape, why_not_contained
from inspection.models import Containment, Disposition, DispositionOutcome, Inspection, Line, User
from inspection.refusals import BadInput, Conflict, Unknown
from inspection.roles import OVERSEERS, May, must

AGAIN = 20_000  # dispositions looked through once more each time: rows may commit out of the order of their keys
AT_A_TIME = 500  # candidates whose history is read in one go
_looked_through = 0  # the key up to which this process has looked; a new process looks through all of them once
ESCAPED = gettext_noop("The machine passed this part and a person found it scratched.")
ESCAPED_A_PERSON = gettext_noop("A person passed this part, and it was found scratched when it had left.")


def contain_escapes(*, now: datetime | None = None) -> int:
    """Open a containment for every part that people reject after it had left as passed, and return how many are new.

    A part has left when the machine passed it, or when a person's pass could be undone no more. A worker calls this every
    few seconds. The verdict itself opens none, or its time would tell the inspector that the machine had passed the part.
    """
    global _looked_through
    newest = Disposition.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    escapes = [(part, passing) for part in _rejected_after_a_pass(_looked_through) if (passing := found_escape(part))]
    opened = 0
    for part, passing in escapes:
        reason = ESCAPED if passing.by_machine else ESCAPED_A_PERSON
        opened += _open(part, reason=reason, by="system", now=now or timezone.now())[1]
    _looked_through = newest
    return opened


def _rejected_after_a_pass(looked_through: int) -> Iterator[Inspection]:
    """The parts that people reject now and that are not contained, without most of those that never left.

    Where a person's pass was undone at once, as hands slip all day, the database says so; the rule is `found_escape`.
    """
    undo = timedelta(seconds=Line.objects.aggregate(least=Min("undo_seconds"))["least"] or 0)
    passed = Disposition.objects.filter(inspection=OuterRef("inspection"), pk__lt=OuterRef("pk"))
    passed = passed.filter(Q(by_machine=True) | Q(at__lt=OuterRef("at") - undo), outcome=DispositionOutcome.PASS)
    in_force = Disposition.objects.filter(inspection=OuterRef("inspection")).order_by("-pk").values("pk")[:1]
    contained = Containment.objects.filter(inspection=OuterRef("inspection"))
    found = Disposition.objects.filter(
        pk__gt=looked_through - AGAIN, by_machine=False, outcome=DispositionOutcome.REJECT
    )
    found = found.filter(Exists(passed), pk=Subquery(in_force)).exclude(Exists(contained))
    found = found.select_related("inspection__line")
    found = found.prefetch_related("inspection__dispositions__verdict__corrections")
    return (row.inspection for row in found.iterator(chunk_size=AT_A_TIME))


@transaction.atomic
def open_containment(
    *, inspection: Inspection, reason: str, by: User, now: datetime | None = None
) -> Containment:  # fmt: skip
    """Open the containment of a part that passed and that a supervisor finds scratched, and return it.

    A part has one: the same again, or one that a worker opened first, is returned as it is, closed or not. Raises
    BadInput without a reason, Conflict for a part that never passed or is not the line's own.
    """
    must(by, May.SUPERVISE)
    by.must_work_on(inspection.line)
    if not reason.strip():
        raise BadInput(_("Say what was found before you open a containment."))
    if reasons := why_not_contained(inspection):
        raise Conflict(*reasons)
    return _open(inspection, reason=reason.strip()[:300], by=by, now=now or timezone.now())[0]


@transaction.atomic
def _open(inspection: Inspection, *, reason: str, by: User | str, now: datetime) -> tuple[Containment, bool]:
    """The part's containment and whether it is new; two who open it at once open one."""
    known = {"reason": reason, "opened_by": audit.name_of(by), "opened_at": now}
    row, new = Containment.objects.get_or_create(inspection=inspection, defaults=known)
    if new:
        audit.record("containment_opened", by=by, line=inspection.line.slug, subject=inspection, reason=reason)
    return row, new


def owners_for(line: Line) -> QuerySet[User]:
    """Who may own the line's containments: whoever supervises and works on it."""
    supervise = User.objects.filter(Q(groups__name__in=OVERSEERS) | Q(is_superuser=True), is_active=True)
    bound = User.lines.through.objects.filter(user=OuterRef("pk"))
    return supervise.filter(Exists(bound.filter(line=line)) | ~Exists(bound)).distinct()


def containments_on(lines: QuerySet[Line]) -> QuerySet[Containment]:
    """The containments of some lines, with what a list tells. By the part's key: SQLite else begins with all parts."""
    parts = Inspection.objects.filter(pk=OuterRef("inspection"), line__in=lines)
    rows = Containment.objects.filter(Exists(parts)).select_related("inspection__line", "owner", "closed_by")
    return rows.prefetch_related("inspection__dispositions")


def find_containment(pk: int, user: User) -> Containment:
    """A containment of a line that the user works on. Raises Unknown, or NotAllowed on another line."""
    rows = Containment.objects.select_related("inspection__line", "inspection__station", "owner", "closed_by")
    containment = rows.filter(pk=pk).first() if pk <= BigIntegerField.MAX_BIGINT else None
    if containment is None:
        raise Unknown(_("There is no containment {number}.").format(number=pk))
    user.must_work_on(containment.inspection.line)
    return containment


def _lock_open(containment: Containment, by: User) -> Containment:
    """The row as it is now, locked, for somebody who may work on it. Raises Conflict when it is closed."""
    must(by, May.SUPERVISE)
    rows = Containment.objects.select_for_update(of=("self",)).select_related("inspection__line", "owner")
    locked = rows.get(pk=containment.pk)
    by.must_work_on(locked.inspection.line)
    if locked.closed_at:
        raise Conflict(_("This containment is closed already."))
    return locked


@transaction.atomic
def take_containment(*, containment: Containment, owner: User, by: User) -> Containment:
    """Name who owns the containment, and return it; the same owner again changes nothing.

    Raises BadInput for an owner who does not supervise the line, Conflict when the containment is closed.
    """
    containment = _lock_open(containment, by)
    line, before = containment.inspection.line, containment.owner
    if not owners_for(line).filter(pk=owner.pk).exists():
        words = _("{person} cannot own this containment: the owner supervises and works on {line}.")
        raise BadInput(words.format(person=owner, line=line))
    if before != owner:
        containment.owner = owner
        containment.save(update_fields=["owner"])
        told = {"owner": owner.username, "before": before.username if before else ""}
        audit.record("containment_taken", by=by, line=line.slug, subject=containment.inspection, **told)
    return containment


@transaction.atomic
def close_containment(*, containment: Containment, cause: str, by: User, now: datetime | None = None) -> Containment:
    """Close the containment with its cause, and return it. Raises BadInput without one, Conflict when it is closed."""
    if not cause.strip():
        raise BadInput(_("Name the cause before you close the containment."))
    containment = _lock_open(containment, by)
    containment.cause, containment.closed_by, containment.closed_at = cause.strip()[:500], by, now or timezone.now()
    containment.save(update_fields=["cause", "closed_by", "closed_at"])
    inspection = containment.inspection
    audit.record("containment_closed", by=by, line=inspection.line.slug, subject=inspection, cause=containment.cause)
    return containment
