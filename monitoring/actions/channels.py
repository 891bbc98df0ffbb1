"""Every write about who is told of alarms: an admin sets up a channel, and lets what was given up be tried again."""

import secrets
from datetime import datetime
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection import audit
from inspection.disposition_records import newest_settled
from inspection.models import User
from inspection.refusals import BadInput
from inspection.roles import May, must
from monitoring.actions.dead_letters import send_dead_letters_again
from monitoring.models import Channel, Delivery, Feed, Parcel, Sending

DISPOSITIONS_BY_WEBHOOK = _("Dispositions go to a program: choose a webhook for them.")


@transaction.atomic
def write_channel(*, channel: Channel, by: User) -> Channel:
    """Write a new or changed channel; a webhook gets a secret of its own. Raises BadInput for what makes no sense.

    Dispositions are told from now on, and again from then on where they had been left out for a while. The trail says who
    is told without the addresses, which are people's own, and without what opens a webhook.
    """
    must(by, May.SET_UP)
    known = channel.pk is not None
    if channel.kind == Channel.Kind.WEBHOOK and not channel.secret:
        channel.secret = secrets.token_urlsafe(32)
    try:
        channel.full_clean()
    except ValidationError as error:
        raise BadInput(*error.messages) from None
    if channel.tells_dispositions and channel.kind != Channel.Kind.WEBHOOK:
        raise BadInput(str(DISPOSITIONS_BY_WEBHOOK))
    channel.save()
    if channel.tells_dispositions:
        Feed.objects.get_or_create(channel=channel, defaults={"upto": newest_settled(timezone.now())})
    else:
        Feed.objects.filter(channel=channel).delete()
    _record("channel_changed" if known else "channel_set_up", channel, by)
    return channel


@transaction.atomic
def remove_channel(*, channel: Channel, by: User) -> None:
    """Remove a channel with what it was told and was still to be told."""
    must(by, May.SET_UP)
    _record("channel_removed", channel, by)
    channel.delete()


@transaction.atomic
def renew_secret(*, channel: Channel, by: User) -> Channel:
    """Give a webhook another secret, at once: the receiver has to learn it."""
    must(by, May.SET_UP)
    channel.secret = secrets.token_urlsafe(32)
    channel.save(update_fields=["secret"])
    _record("channel_secret_renewed", channel, by)
    return channel


@transaction.atomic
def deliver_again(*, channel: Channel, by: User, now: datetime | None = None) -> int:
    """Let what was given up or waits after a failure be tried at once; how many messages that are."""
    must(by, May.SET_UP)
    now = now or timezone.now()
    trying = (
        Delivery.objects.filter(channel=channel, state=Sending.DUE).exclude(error="").update(attempts=1, due_at=now)
    )
    trying += Parcel.objects.filter(channel=channel, state=Sending.DUE).exclude(error="").update(due_at=now)
    Channel.objects.filter(pk=channel.pk).update(rests_until=None)
    return trying + send_dead_letters_again(by=by, channel=channel.pk, now=now)


def _record(action: str, channel: Channel, by: User) -> None:
    line = channel.line.slug if channel.line else ""
    audit.record(
        action, by=by, line=line, subject=channel, name=channel.name, kind=channel.kind, to=told(channel),
        alarms=channel.tells_alarms, dispositions=channel.tells_dispositions, least=channel.least, quiet=f"{channel.quiet_from or ''}-{channel.quiet_to or ''}", paused=channel.paused,
    )  # fmt: skip


def told(channel: Channel) -> str:
    """Where a channel leads, as far as everybody may read it: the host, or how many addresses there."""
    if channel.kind == Channel.Kind.WEBHOOK:
        return urlsplit(channel.target).hostname or ""
    hosts = [address.rpartition("@")[2].strip() for address in channel.target.split(",")]
    return ", ".join(f"{hosts.count(host)} x {host}" for host in sorted(set(hosts)))
