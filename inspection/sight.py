"""Which inspections a person may read or judge: asked by page and API alike."""

from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from inspection.models import Disposition, DispositionOutcome, Inspection, Lease, Line, Origin, Outcome, User, Verdict
from inspection.moves import OPEN, State
from inspection.prepared import Given, Prepared
from inspection.refusals import Unknown
from inspection.roles import JUDGES, OVERSEERS, May, judges_blind, may, oversees


def readable(user: User) -> QuerySet[Inspection]:
    """The inspections that a user may read: a station its own, an inspector those held or judged, others all."""
    parts = Inspection.objects.filter(line__in=Line.objects.for_user(user))
    if oversees(user):
        return parts
    held = Lease.objects.filter(user=user).values("inspection")
    judged = Verdict.objects.filter(inspector=user).values("inspection")
    own = Q(received_by=user) if may(user, May.SEND) else Q()
    return parts.filter(Q(pk__in=held) | Q(pk__in=judged) | own)


def blind_judges(line: int) -> QuerySet[User]:
    """Who judges blind on a line now, as `judges_blind` says of one person: active, bound there or nowhere."""
    roles = User.groups.through.objects.filter(user=OuterRef("pk"))
    bound = User.lines.through.objects.filter(user=OuterRef("pk"))
    return User.objects.filter(
        Exists(roles.filter(group__name__in=JUDGES)),
        ~Exists(roles.filter(group__name__in=OVERSEERS)),
        Exists(bound.filter(line=line)) | ~Exists(bound),
        is_active=True, is_superuser=False,
    )  # fmt: skip


def find_readable(user: User, pk: int) -> Inspection:
    inspection = readable(user).select_related("line", "station", "variant").filter(pk=pk).first()
    if inspection is None:
        raise Unknown(_("There is no inspection %(number)s that you may read.") % {"number": pk})
    return inspection


ON_LINES = Prepared(
    lambda: (
        Inspection.objects.select_related("line")
        .filter(pk=Given("part"), line__in=Line.objects.for_user(Given("user")))
    )
)  # fmt: skip


def find_judged(user: User, pk: int) -> Inspection:
    """An inspection of a line that the user works on; whether they hold it is the lease's question."""
    inspection = ON_LINES.first(part=pk, user=user.pk) if pk <= BigIntegerField.MAX_BIGINT else None
    if inspection is None or not user.reaches(inspection.line_id):
        raise Unknown(_("There is no inspection %(number)s on your lines.") % {"number": pk})
    return inspection


def find_correctable(user: User, pk: int) -> Verdict:
    """A verdict of one's own, or for overseers any on their lines; whether its time is over is the action's question."""
    verdict = Verdict.objects.select_related("inspection__line", "inspector").filter(pk=pk).first()
    if verdict is None or not (oversees(user) or verdict.inspector_id == user.pk):
        raise Unknown(_("There is no verdict {number} that you may correct.").format(number=pk))
    user.must_work_on(verdict.inspection.line)
    return verdict


def own_disposition(user: User, inspection: Inspection) -> Disposition | None:
    """What the person's own verdict came to: nothing before it, nor while another person's is awaited."""
    own = [verdict for verdict in inspection.verdicts.all() if verdict.inspector_id == user.pk]
    return as_of(own[-1], inspection.disposition, inspection.state) if own else None


def as_of(own: Verdict, disposition: Disposition | None, state: str) -> Disposition | None:
    """A part's disposition as the person of that verdict may know it.

    It reads the same whether the part was an audit or not: where the machine's decision stands because the person
    agreed, it reads as theirs.
    """
    if disposition is None or state in OPEN:
        return None
    if disposition.by_machine:
        word = Outcome.OK if disposition.outcome == DispositionOutcome.PASS else Outcome.SCRATCHED
        return Disposition(outcome=disposition.outcome, reason=f"judged {word}", at=own.at)
    return disposition


def origin_for(user: User, inspection: Inspection) -> str:
    """Where the part came from, as this reader may know it: to its judge a seeded part is one of the line's own."""
    if inspection.origin == Origin.SEEDED and judges_blind(user):
        return Origin.SIMULATED if inspection.line.demo else Origin.LIVE
    return inspection.origin


def state_for(user: User, inspection: Inspection) -> str:
    """The part's state as this reader may know it.

    To its inspector every open part looks alike, or an audit could be told from a part that waits. So does a seeded
    part that was closed without an answer: an ordinary one would wait for a supervisor.
    """
    withdrawn = inspection.origin == Origin.SEEDED and inspection.state == State.CLOSED
    if judges_blind(user) and (withdrawn or inspection.state in OPEN):
        return State.WAITING
    return inspection.state


def in_state(user: User, state: State) -> Q:
    """The parts that read as in this state to the user."""
    if not judges_blind(user):
        return Q(state=state)
    withdrawn = Q(origin=Origin.SEEDED, state=State.CLOSED)
    if state == State.WAITING:
        return Q(state__in=OPEN) | withdrawn
    return Q(state=state) & ~Q(state__in=OPEN) & ~withdrawn
