"""Sends what channels are to be told: all that is due to one goes as one message, failures are tried again for a day."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from monitoring.models import Alarm, AlarmAction, Channel, Delivery
from monitoring.notices import LAPSED, OPENED, WORSE, announce_lapses
from monitoring.webhooks import Undelivered, post

log = structlog.get_logger(__name__)

State = Delivery.State
AT_ONCE = 100  # of one message: a storm of alarms is a few messages, not a thousand
LISTED = 20  # of an e-mail; the others are counted
LEASE = timedelta(seconds=60)  # a worker that is killed while it sends: another takes the message up after this
HOURS = 3600
WAITS = (10, 60, 300, 900, *[HOURS] * 23)  # seconds between one try and the next: about a day, then it is given up
REST = timedelta(minutes=5)  # at most, in which nothing at all is tried after a failure


def due_channels(*, now: datetime) -> list[int]:
    """Keys of the channels that have something to be told now and do not rest after a failure."""
    announce_lapses(now=now)
    due = Delivery.objects.filter(state=State.DUE, due_at__lte=now, channel__paused=False)
    return list(due.exclude(channel__rests_until__gt=now).order_by().values_list("channel", flat=True).distinct())


def deliver_to(channel_pk: int, *, now: datetime | None = None) -> int:
    """Send one channel what is due to it, in one message; return of how many events it told."""
    now = now or timezone.now()
    channel = Channel.objects.select_related("line").filter(pk=channel_pk, paused=False).first()
    if channel is None:
        return 0
    rows = _worth_sending(_take(channel, now=now))
    if not rows:
        return 0
    try:
        part = send(channel, rows, now=now)
    except Undelivered as trouble:
        _try_again(channel, rows, str(trouble), now=now)
        return 0
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(state=State.SENT, sent_at=now, error=part[:300])
    Channel.objects.filter(pk=channel.pk).update(rests_until=None)
    return len(rows)


@transaction.atomic
def _take(channel: Channel, *, now: datetime) -> list[Delivery]:
    """Lease what is due, so that no other worker sends it meanwhile; nothing is locked while it is sent.

    A sender that is killed each time is waited for ever longer, and given up, too.
    """
    Channel.objects.select_for_update().get(pk=channel.pk)
    due = Delivery.objects.filter(channel=channel, state=State.DUE, due_at__lte=now)
    rows = list(due.select_related("alarm__line", "alarm__station")[:AT_ONCE])
    for row in rows:
        row.attempts += 1
        row.due_at = now + max(LEASE, _wait(row))
        if row.attempts > len(WAITS) + 1:
            row.state, row.error = State.GIVEN_UP, _("Sending it never came to an end.")
    Delivery.objects.bulk_update(rows, ["attempts", "due_at", "state", "error"])
    return [row for row in rows if row.state == State.DUE]


def _wait(row: Delivery) -> timedelta:
    """How long after its last try the next one is."""
    return timedelta(seconds=WAITS[min(row.attempts, len(WAITS)) - 1])


def _worth_sending(rows: list[Delivery]) -> list[Delivery]:
    """Leave out alarms that were over before anybody was told, as in quiet hours: they would only wake people."""
    alarms = {row.alarm_id for row in rows}
    over = Alarm.objects.closed().filter(pk__in=alarms)
    tried = Delivery.objects.filter(
        Q(state=State.SENT) | Q(attempts__gt=1), channel__in={row.channel_id for row in rows}
    )
    moot = set(over.exclude(pk__in=tried.filter(alarm__in=alarms).values("alarm")).values_list("pk", flat=True))
    Delivery.objects.filter(pk__in=[row.pk for row in rows if row.alarm_id in moot]).update(state=State.MOOT)
    return [row for row in rows if row.alarm_id not in moot]


def _try_again(channel: Channel, rows: Sequence[Delivery], trouble: str, *, now: datetime) -> None:
    """Wait longer each time, and give up after a day; meanwhile the channel rests for a while."""
    log.warning("notice not delivered", channel=channel.name, trouble=trouble, notices=len(rows))
    for row in rows:
        over = row.attempts > len(WAITS)
        fields: dict[str, Any] = {"state": State.GIVEN_UP, "due_at": now} if over else {"due_at": now + _wait(row)}
        Delivery.objects.filter(pk=row.pk, state=State.DUE).update(error=trouble[:300], **fields)
    rest = min(REST, *(_wait(row) for row in rows))
    Channel.objects.filter(pk=channel.pk).update(rests_until=now + rest)


def send(channel: Channel, rows: Sequence[Delivery], *, now: datetime) -> str:
    """Send one message; return what of it did not arrive, if only some of it did. Raises Undelivered with the reason."""
    if channel.kind == Channel.Kind.WEBHOOK:
        body = json.dumps(message_of(channel, rows, now=now)).encode()
        post(channel.target, body, secret=channel.secret, at=now, allowed=settings.WEBHOOK_ALLOW)
        return ""
    return _mail(channel, subject_of(rows), text_of(channel, rows))


def send_test(channel: Channel, *, now: datetime) -> None:
    """A message that tells of nothing, to see whether one arrives. Raises Undelivered with the reason, also where it
    arrives at some of the addresses only: nobody is told twice of an alarm by it."""
    if channel.kind == Channel.Kind.WEBHOOK:
        body = json.dumps({"channel": channel.name, "at": now.isoformat(), "events": []}).encode()
        post(channel.target, body, secret=channel.secret, at=now, allowed=settings.WEBHOOK_ALLOW)
    else:
        words = _("This is a test of the channel {channel}. Alarms will arrive here.")
        part = _mail(channel, _("Shadowline: a test"), words.format(channel=channel.name))
        if part:
            raise Undelivered(part)


def _mail(channel: Channel, subject: str, text: str) -> str:
    """Send it to all addresses at once. Returns a sentence where the server refused some of them: the others have it, so
    it is not sent again, and whoever looks at the channel sees that an address is wrong."""
    if not settings.EMAIL_SET:
        raise Undelivered(_("No mail server is set: EMAIL_URL names it (see docs/operator.md)."))
    to = addresses_of(channel.target)
    try:
        refused = _refused(EmailMessage(" ".join(subject.split()), text, to=to[:1], bcc=to[1:]))
    except (OSError, SMTPException) as error:  # OSError: no connection, or a time limit
        raise Undelivered(_refusal(error)) from None  # not even in a traceback
    if not refused:
        return ""
    words = _("The mail server refused {n} of {all} addresses ({codes}): the others have it.")
    part = words.format(n=len(refused), all=len(to), codes=_codes(refused))
    log.warning("notice not delivered to all", channel=channel.name, trouble=part)
    return part


def _refused(mail: EmailMessage) -> Mapping[str, tuple[int, bytes]]:
    """Send it; whom of its addressees the server refused, which Django's own sending drops."""
    connection = get_connection()
    if not isinstance(connection, EmailBackend):
        mail.send()
        return {}
    with connection:
        if connection.connection is None:  # it would have raised
            raise OSError
        to = [sanitize_address(address, "utf-8") for address in mail.recipients()]
        sender = sanitize_address(mail.from_email, "utf-8")
        content = mail.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own kind
        return connection.connection.sendmail(sender, to, content)


def _codes(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(sorted({str(code) for code, _words in refused.values()}))


def _refusal(error: OSError | SMTPException) -> str:
    """Why a message was not taken, by its number alone where the server spoke: its own words name people's addresses."""
    if isinstance(error, SMTPRecipientsRefused):
        return _("The mail server takes none of the addresses ({codes}).").format(codes=_codes(error.recipients))
    if isinstance(error, SMTPResponseException):
        return _("The mail server did not take it: its answer was {code}.").format(code=error.smtp_code)
    return _("The mail server did not take it: {error}").format(error=error)


def addresses_of(target: str) -> list[str]:
    return [address for part in target.split(",") if (address := part.strip())]


def words_of(event: str) -> str:
    """What happened, in the reader's language."""
    words = {
        OPENED: _("New"), WORSE: _("Worse"), LAPSED: _("Nobody is on it any more"),
        "acknowledged": _("Somebody is on it"), "closed": _("Closed"),
    }  # fmt: skip
    return words.get(event, event)


def subject_of(rows: Sequence[Delivery]) -> str:
    """One line: the alarm itself, or how many of them."""
    first = rows[0]
    if len(rows) == 1:
        alarm = first.alarm
        told = {"severity": alarm.get_severity_display(), "line": alarm.line.name, "message": alarm.message}
        if first.event == OPENED:
            return _("{severity}, {line}: {message}").format(**told)
        return _("{event}: {severity}, {line}: {message}").format(event=words_of(first.event), **told)
    lines = sorted({row.alarm.line.name for row in rows})
    words = ngettext("{n} event of alarms on {lines}", "{n} events of alarms on {lines}", len(rows))
    return words.format(n=len(rows), lines=", ".join(lines))


def text_of(channel: Channel, rows: Sequence[Delivery]) -> str:
    """An e-mail's text: each event with its alarm, what to do, and where to read on."""
    said = [_said(row) for row in rows[:LISTED]]
    if len(rows) > LISTED:
        said.append(_("And {n} more: {url}").format(n=len(rows) - LISTED, url=address_of("alarms")))
    said.append(_("Sent to the channel {channel} of Shadowline.").format(channel=channel.name))
    return "\n\n".join(said) + "\n"


def _said(row: Delivery) -> str:
    alarm = row.alarm
    place = alarm.line.name
    if alarm.station:
        place = _("{line}, {station}").format(line=alarm.line.name, station=alarm.station)
    at = date_format(alarm.opened_at.astimezone(alarm.line.zone), "Y-m-d H:i")
    told = _("{event}: {message}").format(event=words_of(row.event), message=alarm.message)
    lines = [told, f"{alarm.get_severity_display()} · {place} · {at}"]
    if alarm.suggestion:
        lines.append(alarm.suggestion)
    if action := _action(row):
        words = _("{by}: {comment}") if action.comment else "{by}"
        lines.append(words.format(by=action.by, comment=action.comment))
    return "\n".join([*lines, address_of("alarm", alarm.pk)])


def _action(row: Delivery) -> AlarmAction | None:
    """What a person did, where the event is that."""
    if row.event in (OPENED, WORSE):
        return None
    return AlarmAction.objects.filter(pk=row.occasion).select_related("by").first()


def message_of(channel: Channel, rows: Sequence[Delivery], *, now: datetime) -> dict[str, Any]:
    """A webhook's JSON. An event's `id` stays the same when it is sent again: the receiver tells copies by it."""
    return {
        "channel": channel.name,
        "at": now.isoformat(),
        "events": [
            {
                "id": row.pk,
                "event": row.event,
                "alarm": {
                    "id": row.alarm_id, "line": row.alarm.line.slug,
                    "station": row.alarm.station.slug if row.alarm.station else None, "rule": row.alarm.rule,
                    "severity": row.alarm.severity, "message": row.alarm.message, "suggestion": row.alarm.suggestion,
                    "remedy": row.alarm.remedy, "opened_at": row.alarm.opened_at.isoformat(),
                    "url": address_of("alarm", row.alarm_id),
                },
            }
            for row in rows
        ],
    }  # fmt: skip


def address_of(name: str, *args: int) -> str:
    """A page's whole address, for whoever reads it elsewhere."""
    return settings.SITE_URL.rstrip("/") + reverse(name, args=args)
