"""Every write about an alarm: it opens, somebody acknowledges it, somebody closes it."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Line, User
from inspection.refusals import BadInput, Conflict
from monitoring.models import Alarm, AlarmAction, Severity

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
        return alarm
    if severity == Severity.CRITICAL and known.severity != Severity.CRITICAL:
        known.severity, known.message, known.suggestion = severity, message[:300], suggestion[:300]
        known.save(update_fields=["severity", "message", "suggestion"])
        audit.record("alarm_became_critical", by="system", line=line.slug, subject=known, rule=rule, message=message)
    return known


@transaction.atomic
def acknowledge_alarm(*, alarm: Alarm, by: User, comment: str = "", now: datetime | None = None) -> AlarmAction:
    """Say that somebody is on it. A second acknowledgement returns the first; a closed alarm raises Conflict."""
    alarm = _locked(alarm, by)
    _must_be_open(alarm)
    earlier = alarm.actions.filter(action=Action.ACKNOWLEDGED).first()
    return earlier or _act(alarm, Action.ACKNOWLEDGED, by=by, comment=comment, now=now)


@transaction.atomic
def close_alarm(*, alarm: Alarm, by: User, comment: str, now: datetime | None = None) -> AlarmAction:
    """Close an alarm with what was found. Raises BadInput without a comment, Conflict when it is closed."""
    if not comment.strip():
        raise BadInput(_("Say what was found before you close the alarm."))
    alarm = _locked(alarm, by)
    _must_be_open(alarm)
    return _act(alarm, Action.CLOSED, by=by, comment=comment, now=now)


def _locked(alarm: Alarm, by: User) -> Alarm:
    alarm = Alarm.objects.select_for_update(of=("self",)).select_related("line").get(pk=alarm.pk)
    by.must_work_on(alarm.line)
    return alarm


def _must_be_open(alarm: Alarm) -> None:
    closed = alarm.actions.filter(action=Action.CLOSED).select_related("by").first()
    if closed:
        words = _("This alarm is closed already, by {by}: {comment}")
        raise Conflict(words.format(by=closed.by, comment=closed.comment))


def _act(alarm: Alarm, action: str, *, by: User, comment: str, now: datetime | None) -> AlarmAction:
    row = AlarmAction.objects.create(
        alarm=alarm, action=action, comment=comment.strip()[:500], by=by, at=now or timezone.now()
    )
    audit.record(f"alarm_{action}", by=by, line=alarm.line.slug, subject=alarm, rule=alarm.rule, comment=row.comment)
    return row
