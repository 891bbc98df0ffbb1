"""Which alarms there are for a reader, and the one sentence that sums them up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Unknown
from monitoring.models import Alarm, AlarmAction, AlarmQuerySet, Finding, Severity, State

STATES = tuple(State.values)


@dataclass(frozen=True)
class AlarmRow:
    """An alarm with where it stands and what people did about it, oldest first."""

    alarm: Alarm
    state: State
    actions: tuple[AlarmAction, ...]

    @property
    def waits(self) -> bool:
        """Whether nobody is on it."""
        return self.state in (State.WARNING, State.OPEN)

    @property
    def acknowledgement(self) -> AlarmAction | None:
        """The last one, whether or not it still holds."""
        taken = (action for action in reversed(self.actions) if action.action == AlarmAction.Action.ACKNOWLEDGED)
        return next(taken, None)

    @property
    def closing(self) -> AlarmAction | None:
        return self.actions[-1] if self.state == State.CLOSED else None


def alarms_of(by: User, *, line: str = "", state: str = "", now: datetime | None = None) -> AlarmQuerySet:
    """The alarms that a person may read, newest first. `open` holds all that are not over: the warnings, too, and the
    acknowledged ones."""
    lines = [find_line(line, by)] if line else Line.objects.for_user(by)
    found = Alarm.objects.filter(line__in=lines).select_related("line", "station").prefetch_related("actions__by")
    now = now or timezone.now()
    match state:
        case "":
            return found
        case State.OPEN:
            return found.open()
        case State.WARNING:
            return found.waiting(now).filter(severity=Severity.WARNING)
        case State.ACKNOWLEDGED:
            return found.acknowledged(now)
        case State.CLOSED:
            return found.closed()
    raise BadInput(f"'state' is {state!r}. Allowed: {', '.join(STATES)}.")


def rows_of(alarms: Iterable[Alarm], now: datetime | None = None) -> list[AlarmRow]:
    now = now or timezone.now()
    return [AlarmRow(alarm, alarm.state_at(now), tuple(alarm.actions.all())) for alarm in alarms]


def gravest_first(rows: Iterable[AlarmRow]) -> list[AlarmRow]:
    """Critical ones first; of the same severity those that nobody is on, then the newest."""
    return sorted(rows, key=lambda row: (-Severity(row.alarm.severity).rank, not row.waits))


def by_line(rows: Iterable[AlarmRow]) -> list[tuple[Line, int, int]]:
    """How many alarms each line has, and how many of them are critical: where to look first."""
    counts: dict[Line, list[int]] = {}
    for row in rows:
        count = counts.setdefault(row.alarm.line, [0, 0])
        count[0] += 1
        count[1] += row.alarm.severity == Severity.CRITICAL
    found = [(line, number, critical) for line, (number, critical) in counts.items()]
    return sorted(found, key=lambda count: (-count[2], -count[1], count[0].name))


def find_alarm(pk: int, by: User) -> Alarm:
    """The alarm of that number. Raises Unknown when there is none on the person's lines."""
    found = Alarm.objects.filter(pk=pk, line__in=Line.objects.for_user(by))
    alarm = found.select_related("line", "station").prefetch_related("actions__by").first()
    if alarm is None:
        raise Unknown(f"There is no alarm {pk} on your lines.")
    return alarm


def findings_read() -> QuerySet[Finding]:
    """Findings with what they are shown by, in the order in which they were seen."""
    return Finding.objects.select_related("stream__station", "stream__version", "stream__line")


def sentence(rows: list[AlarmRow]) -> str:
    """The open alarms in one sentence, the critical ones first."""
    if not rows:
        return _("All quiet: no alarm is open.")
    critical = sum(row.alarm.severity == Severity.CRITICAL for row in rows)
    waiting = sum(row.waits for row in rows)
    if len(rows) == 1 and waiting:
        return (
            _("1 critical alarm is open; nobody is on it yet.")
            if critical
            else _("1 alarm is open; nobody is on it yet.")
        )
    if len(rows) == 1:
        return (
            _("1 critical alarm is open, and somebody is on it.")
            if critical
            else _("1 alarm is open, and somebody is on it.")
        )
    grave = _(", {n} of them critical").format(n=critical) if critical else ""
    words = _("{n} alarms are open{critical}; {waiting} waiting for somebody.")
    return words.format(n=len(rows), critical=grave, waiting=waiting or _("none"))
