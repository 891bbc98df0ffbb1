"""Which inspections a person may read or judge: asked by page and API alike."""

from django.db.models import Q, QuerySet

from inspection.models import Inspection, Lease, Line, User, Verdict
from inspection.refusals import Unknown
from inspection.roles import May, may, oversees


def readable(user: User) -> QuerySet[Inspection]:
    """The inspections that a user may read: a station its own, an inspector those held or judged, others all."""
    parts = Inspection.objects.filter(line__in=Line.objects.for_user(user))
    if oversees(user):
        return parts
    held = Lease.objects.filter(user=user).values("inspection")
    judged = Verdict.objects.filter(inspector=user).values("inspection")
    own = Q(received_by=user) if may(user, May.SEND) else Q()
    return parts.filter(Q(pk__in=held) | Q(pk__in=judged) | own)


def find_readable(user: User, pk: int) -> Inspection:
    inspection = readable(user).select_related("line", "station", "variant").filter(pk=pk).first()
    if inspection is None:
        raise Unknown(f"There is no inspection {pk} that you may read.")
    return inspection


def find_judged(user: User, pk: int) -> Inspection:
    """An inspection of a line that the user works on; whether they hold it is the lease's question."""
    inspection = Inspection.objects.select_related("line").filter(pk=pk).first()
    if inspection is None or not Line.objects.for_user(user).filter(pk=inspection.line_id).exists():
        raise Unknown(f"There is no inspection {pk} on your lines.")
    return inspection
