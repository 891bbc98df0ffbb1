"""Figures whose alarms nobody acts on: proposed to be watched no more, for an alarm that is ignored teaches to ignore."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q

from inspection.models import Line
from monitoring.actions.watching import policy_of
from monitoring.figures import BY_NAME
from monitoring.models import Alarm, AlarmAction, Baseline, Cause, Finding

SPAN = timedelta(days=90)
IGNORED = timedelta(days=7)  # an alarm that nobody has touched for so long; a younger one may be on somebody's desk


@dataclass(frozen=True)
class Proposal:
    """A figure of a line with how many alarms it had a part in, of which nobody made anything."""

    line: Line
    figure: str
    alarms: int

    @property
    def label(self) -> str:
        return str(BY_NAME[self.figure].label) if self.figure in BY_NAME else self.figure


def proposals_for(line: Line, *, now: datetime) -> list[Proposal]:
    """What nobody acted on in 90 days: watched for so long, seen to move, and each time ignored or a false alarm.

    What lowers the level by itself is acted on by itself, and is never proposed.
    """
    policy, since = policy_of(line), now - SPAN
    false = Q(action=AlarmAction.Action.CLOSED, cause=Cause.FALSE_ALARM)
    done = AlarmAction.objects.filter(alarm=OuterRef("pk"))
    acted = done.exclude(false)
    alarms = Alarm.objects.filter(line=line, opened_at__gte=since)
    findings = Finding.objects.filter(alarm__in=alarms.order_by()).order_by()
    useful = findings.filter(alarm__in=alarms.filter(Exists(acted)).order_by()).values("stream__figure")
    long_watched = Baseline.objects.filter(stream__line=line, learned_to__lte=since).order_by().values("stream__figure")
    over = alarms.filter(Q(opened_at__lte=now - IGNORED) | Exists(done.filter(false)))
    ignored = findings.filter(alarm__in=over.order_by(), stream__figure__in=long_watched)
    ignored = ignored.exclude(stream__figure__in=useful)
    counts = ignored.values_list("stream__figure").annotate(Count("alarm", distinct=True))
    kept = {*policy.unwatched, *policy.critical}
    return [Proposal(line, figure, number) for figure, number in sorted(counts) if figure not in kept]
