"""Which inspections a person may read or judge: asked by page and API alike."""

from django.db.models import Q, QuerySet

from inspection.models import Disposition, DispositionOutcome, Inspection, Lease, Line, Outcome, User, Verdict
from inspection.moves import OPEN
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


def own_disposition(user: User, inspection: Inspection) -> Disposition | None:
    """What the person's own verdict came to: nothing before it, nor while another person's is awaited.

    It reads the same whether the part was an audit or not: where the machine's decision stands because the person
    agreed, it reads as theirs.
    """
    disposition = inspection.disposition
    own = [verdict for verdict in inspection.verdicts.all() if verdict.inspector_id == user.pk]
    if disposition is None or not own or inspection.state in OPEN:
        return None
    if disposition.by_machine:
        word = Outcome.OK if disposition.outcome == DispositionOutcome.PASS else Outcome.SCRATCHED
        disposition = Disposition(outcome=disposition.outcome, reason=f"judged {word}", at=own[-1].at)
    return disposition
