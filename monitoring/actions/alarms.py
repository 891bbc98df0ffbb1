"""Every write about an alarm: it opens, somebody acknowledges it, somebody closes it."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Line, User
from inspection.refusals import BadInput, Conflict
from monitoring.actions.adapting import Lessons, adapt_to, chosen, lessons_for
from monitoring.actions.watching import policy_of
from monitoring.adapting import Adapt
from monitoring.models import Alarm, AlarmAction, Cause, Severity
from monitoring.notices import announce

Action = AlarmAction.Action


@transaction.atomic
def open_alarm(
    *, line: Line, rule: str, severity: str, message: str, suggestion: str = "", now: datetime | None = None
) -> Alarm:
    """Open an alarm, or return the one of this line and rule that is open: the same cause again adds nothing.

    A warning that has become critical is made critical where it stands, or the level would not be lowered for it.
    """
    if severity not in Severity.values:
        raise ValueError(f"The severity {severity!r} is not one of {', '.join(Severity.values)}.")
    line = Line.objects.select_for_update().get(pk=line.pk)  # two detectors at once open one alarm
    known = Alarm.objects.open().filter(line=line, rule=rule).first()
    if known is None:
        alarm = Alarm.objects.create(
            line=line, rule=rule, severity=severity, message=message[:300], suggestion=suggestion[:300],
            opened_at=now or timezone.now(),
        )  # fmt: skip
        audit.record(
            "alarm_opened", by="system", line=line.slug, subject=alarm, rule=rule, severity=severity, message=message
        )
        announce(alarm, "opened", now=alarm.opened_at)
        return alarm
    if severity == Severity.CRITICAL and known.severity != Severity.CRITICAL:
        known.severity, known.message, known.suggestion = severity, message[:300], suggestion[:300]
        known.save(update_fields=["severity", "message", "suggestion"])
        audit.record("alarm_became_critical", by="system", line=line.slug, subject=known, rule=rule, message=message)
        announce(known, "worse", now=now or timezone.now())
    return known


@transaction.atomic
def acknowledge_alarm(
    *, alarm: Alarm, by: User, comment: str = "", until: datetime | None = None, now: datetime | None = None
) -> AlarmAction:
    """Say that somebody is on it, for good or until a time; after that the alarm counts as open again.

    While it holds, the same again returns the first. Raises Conflict for a closed alarm, BadInput for a time gone by.
    """
    now = now or timezone.now()
    if until is not None and until <= now:
        raise BadInput(_("An acknowledgement holds until a time yet to come."))
    alarm = _locked(alarm, by)
    _must_be_open(alarm)
    last = alarm.actions.filter(action=Action.ACKNOWLEDGED).last()
    if last and last.holds(now) and last.until == until:
        return last
    return _act(alarm, Action.ACKNOWLEDGED, by=by, comment=comment, until=until, now=now)


def close_alarm(
    *,
    alarm: Alarm,
    by: User,
    comment: str,
    cause: str = "",
    adapt: str = "",
    seen: int | None = None,
    now: datetime | None = None,
) -> AlarmAction:
    """Close an alarm with what was found and its cause (none is `other`); `adapt` says how the watch goes on after it.

    `seen` is the number of the watch policy under which the ways to go on were read and replayed; None: none was.
    Raises BadInput without a comment, for a cause that there is not and for a way to go on that does not go with it;
    Conflict when the alarm is closed, or the line is watched otherwise by now than as it was read.
    """
    now, cause = now or timezone.now(), cause or Cause.OTHER
    if not comment.strip():
        raise BadInput(_("Say what was found before you close the alarm."))
    if cause not in Cause.values:
        words = _("There is no cause {cause!r}. The causes are {causes}.")
        raise BadInput(words.format(cause=cause, causes=", ".join(Cause.values)))
    by.must_work_on(alarm.line)
    _must_be_open(alarm)
    way = chosen(Cause(cause), adapt)
    lessons = lessons_for(alarm, way, now=now)
    return _close(alarm, comment, cause, way, lessons, by=by, seen=seen, now=now)


@transaction.atomic
def _close(
    alarm: Alarm, comment: str, cause: str, way: Adapt, lessons: Lessons, *, by: User, seen: int | None, now: datetime
) -> AlarmAction:
    alarm = _locked(alarm, by)
    _must_be_open(alarm)  # somebody else may have closed it meanwhile
    _must_be_watched_as_read(alarm, seen)
    row = _act(alarm, Action.CLOSED, by=by, comment=comment, cause=cause, now=now, adapt=way)
    adapt_to(alarm, way, lessons, by=by, reason=row.comment, now=now)
    return row


def _locked(alarm: Alarm, by: User) -> Alarm:
    """The line before its alarm, as whoever files a finding does; its parts go on coming in meanwhile."""
    Line.objects.select_for_update(no_key=True).get(pk=alarm.line_id)
    alarm = Alarm.objects.select_for_update(of=("self",)).select_related("line").get(pk=alarm.pk)
    by.must_work_on(alarm.line)
    return alarm


def _must_be_open(alarm: Alarm) -> None:
    closed = alarm.actions.filter(action=Action.CLOSED).select_related("by").first()
    if closed:
        words = _("This alarm is closed already, by {by}: {comment}")
        raise Conflict(words.format(by=closed.by, comment=closed.comment))


def _must_be_watched_as_read(alarm: Alarm, seen: int | None) -> None:
    """A replay says what would have been under one policy; another one needs a new replay."""
    if seen is not None and seen != policy_of(alarm.line).number:
        words = _(
            "{line} is watched otherwise since you read what would have been. Read it again, then close the alarm."
        )
        raise Conflict(words.format(line=alarm.line.name))


def _act(
    alarm: Alarm, action: Action, *, by: User, comment: str, now: datetime, adapt: str = "", **fields: Any
) -> AlarmAction:
    row = AlarmAction.objects.create(alarm=alarm, action=action, comment=comment.strip()[:500], by=by, at=now, **fields)
    told = {name: str(value) for name, value in {**fields, "adapt": adapt}.items() if value}
    audit.record(
        f"alarm_{action}", by=by, line=alarm.line.slug, subject=alarm, rule=alarm.rule, comment=row.comment, **told
    )
    announce(alarm, action.value, now=now, occasion=row.pk)
    return row
