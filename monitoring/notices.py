"""Which channels are told of what happened to an alarm: a row each, sent by a task."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from monitoring.models import Alarm, AlarmAction, Channel, Delivery, Severity

OPENED, WORSE, LAPSED = "opened", "worse", "lapsed"
REMEMBERED = timedelta(days=1)  # a lapse that nobody could be told of by then is no news


def announce(alarm: Alarm, event: str, *, now: datetime, occasion: int = 0) -> None:
    """Write down who is to be told of an event: opened, worse, acknowledged, lapsed or closed.

    Call it in the transaction of the change: a notice is neither lost nor invented. `occasion` tells one time from the
    next; an alarm that gets worse does so once for each severity.
    """
    occasion = Severity(alarm.severity).rank if event == WORSE else occasion
    channels = Channel.objects.filter(Q(line=alarm.line_id) | Q(line=None), paused=False, tells_alarms=True)
    told = [channel for channel in channels if Severity(channel.least).rank <= Severity(alarm.severity).rank]
    Delivery.objects.bulk_create(
        (
            Delivery(
                channel=channel, alarm=alarm, event=event, occasion=occasion, due_at=due_at(channel, alarm, now=now)
            )
            for channel in told
        ),
        ignore_conflicts=True,
    )


def due_at(channel: Channel, alarm: Alarm, *, now: datetime) -> datetime:
    """When a channel is told: at once, or when its quiet hours end. Critical alarms do not wait."""
    if alarm.severity == Severity.CRITICAL:
        return now
    return quiet_until(channel.quiet_from, channel.quiet_to, now=now, zone=alarm.line.zone) or now


def quiet_until(start: time | None, end: time | None, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The end of the quiet hours that now is in; they may cross midnight. None: it is not in any."""
    if start is None or end is None or start == end:
        return None
    local = now.astimezone(zone)
    clock = local.time()
    quiet = start <= clock < end if start < end else clock >= start or clock < end
    if not quiet:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, tzinfo=zone)


def announce_lapses(*, now: datetime) -> None:
    """Tell of the acknowledgements that ran out: the alarm waits for somebody again."""
    ran_out = AlarmAction.objects.filter(
        action=AlarmAction.Action.ACKNOWLEDGED, until__lte=now, until__gt=now - REMEMBERED,
        alarm__in=Alarm.objects.waiting(now),
    )  # fmt: skip
    for action in ran_out.select_related("alarm__line"):
        announce(action.alarm, LAPSED, now=now, occasion=action.pk)
