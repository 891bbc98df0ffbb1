"""Which alarms there are for a reader, and the one sentence that sums them up."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Unknown
from monitoring.models import Alarm, AlarmAction, AlarmQuerySet, Severity

STATES = ("open", "acknowledged", "closed")


@dataclass(frozen=True)
class AlarmRow:
    """An alarm with what people did about it, oldest first."""

    alarm: Alarm
    actions: tuple[AlarmAction, ...]

    @property
    def state(self) -> str:
        return self.actions[-1].action if self.actions else "open"


def alarms_of(by: User, *, line: str = "", state: str = "") -> AlarmQuerySet:
    """The alarms that a person may read, newest first. `open` holds the acknowledged ones: they are not over."""
    lines = [find_line(line, by)] if line else Line.objects.for_user(by)
    found = Alarm.objects.filter(line__in=lines).select_related("line").prefetch_related("actions__by")
    if state not in ("", *STATES):
        raise BadInput(f"'state' is {state!r}. Allowed: {', '.join(STATES)}.")
    if state == "closed":
        return found.filter(Exists(_action(AlarmAction.Action.CLOSED)))
    if state == "acknowledged":
        return found.open().filter(Exists(_action(AlarmAction.Action.ACKNOWLEDGED)))
    return found.open() if state == "open" else found


def _action(action: str):
    return AlarmAction.objects.filter(alarm=OuterRef("pk"), action=action)


def rows_of(alarms: AlarmQuerySet | list[Alarm]) -> list[AlarmRow]:
    return [AlarmRow(alarm, tuple(alarm.actions.all())) for alarm in alarms]


def find_alarm(pk: int, by: User) -> Alarm:
    """The alarm of that number. Raises Unknown when there is none on the person's lines."""
    alarm = Alarm.objects.filter(pk=pk, line__in=Line.objects.for_user(by)).first()
    if alarm is None:
        raise Unknown(f"There is no alarm {pk} on your lines.")
    return alarm


def sentence(rows: list[AlarmRow]) -> str:
    """The open alarms in one sentence, the critical ones first."""
    if not rows:
        return _("All quiet: no alarm is open.")
    critical = sum(row.alarm.severity == Severity.CRITICAL for row in rows)
    waiting = sum(row.state == "open" for row in rows)
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
