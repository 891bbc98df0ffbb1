"""Tells channels of dispositions: rows are read by a cursor and packed, and a parcel is sent until it arrives.

Nothing is written when a part is decided. The cursor and the parcel are written in one transaction, so a worker or a
broker that dies loses nothing and invents nothing; what was on its way is sent again under the same ids. One parcel of a
channel is on its way at a time: what became of a part arrives in its order.
"""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import tracing
from inspection.disposition_records import newest_settled, of_production, records_of
from inspection.models import Disposition, Line
from monitoring.delivering import LEASE, REST, WAITS
from monitoring.models import Channel, Feed, Parcel, Sending
from monitoring.webhooks import Undelivered, post

log = structlog.get_logger(__name__)

AT_ONCE = 100  # dispositions of one message
BUSY = 30.0  # seconds after which a sender lets others have its worker; the next wake-up goes on
# Of a message that the receiver read and refused, or that a person sent again: it keeps the next ones waiting for
# minutes, not for a day.
SOON = WAITS[:3]


def fed_channels(*, now: datetime) -> list[int]:
    """Keys of the channels that are told of dispositions and do not rest after a failure."""
    due = Parcel.objects.filter(channel=OuterRef("pk"), state=Sending.DUE)
    fed = Channel.objects.filter(Q(tells_dispositions=True) | Exists(due), paused=False)
    return list(fed.exclude(rests_until__gt=now).order_by("pk").values_list("pk", flat=True))


def feed(channel_pk: int, *, now: datetime | None = None) -> int:
    """Send a channel what is due to it, parcel by parcel, until nothing is left, one fails or BUSY is over; return of how
    many dispositions it told. `now` stands still where it is given."""
    told, end = 0, time.monotonic() + BUSY
    while time.monotonic() < end:
        sent = _feed_one(channel_pk, now or timezone.now())
        told += sent
        if not sent:
            break
    return told


def _feed_one(channel_pk: int, now: datetime) -> int:
    parcel = _take(channel_pk, now=now)
    if parcel is None:
        return 0
    try:
        send(parcel, now=now)
    except Undelivered as trouble:
        _try_again(parcel, trouble, now=now)
        return 0
    Parcel.objects.filter(pk=parcel.pk).update(state=Sending.SENT, sent_at=now, error="")
    Channel.objects.filter(pk=channel_pk).update(rests_until=None)
    return len(parcel.dispositions)


@transaction.atomic
def _take(channel_pk: int, *, now: datetime) -> Parcel | None:
    """Lease the oldest parcel that is due, or pack the next one; None while one is on its way or waits, or without any."""
    channel = Channel.objects.select_for_update().filter(pk=channel_pk, paused=False).first()
    if channel is None or (channel.rests_until and channel.rests_until > now):
        return None
    parcel = Parcel.objects.filter(channel=channel, state=Sending.DUE).first() or _pack(channel, now=now)
    if parcel is None or parcel.due_at > now:
        return None
    parcel.attempts += 1
    parcel.due_at = now + max(LEASE, _wait(parcel))
    if parcel.attempts > len(_waits(parcel)) + 1:  # its sender was killed each time
        parcel.state, parcel.error = Sending.GIVEN_UP, _("Sending it never came to an end.")
    parcel.save()
    return parcel if parcel.state == Sending.DUE else None


def _pack(channel: Channel, *, now: datetime) -> Parcel | None:
    """The next dispositions of the channel as a parcel; the cursor moves on with it."""
    cursor = Feed.objects.filter(channel=channel).first()
    if cursor is None or not channel.tells_dispositions:
        return None
    upto = newest_settled(now)
    rows = of_production(after=cursor.upto, upto=upto, lines=lines_of(channel))
    keys = list(rows.values_list("pk", flat=True)[:AT_ONCE])
    following = keys[-1] if len(keys) == AT_ONCE else upto
    if following > cursor.upto:
        Feed.objects.filter(channel=channel).update(upto=following)
    return Parcel.objects.create(channel=channel, dispositions=keys, due_at=now) if keys else None


def lines_of(channel: Channel) -> QuerySet[Line]:
    """The lines that a channel is told of."""
    return Line.objects.filter(pk=channel.line_id) if channel.line_id else Line.objects.all()


def _waits(parcel: Parcel, *, refused: bool = False) -> Sequence[int]:
    return SOON if refused or parcel.sent_again else WAITS


def _wait(parcel: Parcel) -> timedelta:
    return timedelta(seconds=WAITS[min(parcel.attempts, len(WAITS)) - 1])


def _try_again(parcel: Parcel, trouble: Undelivered, *, now: datetime) -> None:
    """Wait longer each time, and give up in the end: the next parcels go on, and this one is a dead letter."""
    log.warning("dispositions not delivered", channel=parcel.channel.name, trouble=str(trouble), parcel=parcel.pk)
    over = parcel.attempts > len(_waits(parcel, refused=trouble.refused))
    fields: dict[str, Any] = {"state": Sending.GIVEN_UP, "due_at": now} if over else {"due_at": now + _wait(parcel)}
    Parcel.objects.filter(pk=parcel.pk, state=Sending.DUE).update(error=str(trouble)[:300], **fields)
    if not trouble.refused:  # the way is shut for alarms, too
        Channel.objects.filter(pk=parcel.channel_id).update(rests_until=now + min(REST, _wait(parcel)))


def send(parcel: Parcel, *, now: datetime) -> None:
    """Post the parcel's dispositions. Raises Undelivered with the reason."""
    channel = parcel.channel
    body = json.dumps({"channel": channel.name, "at": now.isoformat(), "events": events_of(parcel.dispositions)})
    parts = Disposition.objects.filter(pk__in=parcel.dispositions).values_list("inspection", flat=True)
    with tracing.step("webhook", parts):
        post(channel.target, body.encode(), secret=channel.secret, at=now, allowed=settings.WEBHOOK_ALLOW)


def events_of(keys: Sequence[int]) -> list[dict[str, Any]]:
    """These dispositions as events. An event's `id` stays the same when it is sent again."""
    found = of_production(after=min(keys) - 1, upto=max(keys), lines=Line.objects.all())
    rows = list(found.filter(pk__in=keys))
    return [
        {
            "id": f"disposition:{row.pk}",
            "event": "disposition_changed" if row.changed else "disposition",  # type: ignore[attr-defined]
            "disposition": record,
        }
        for row, record in zip(rows, records_of(rows), strict=True)
    ]
