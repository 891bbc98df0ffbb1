"""Every write about messages that were given up: an admin has them sent again, or drops them with a reason."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import User
from inspection.reasons import stated
from inspection.refusals import Unknown
from inspection.roles import May, must
from monitoring.dead_letters import ALARM, MODELS, rows_of
from monitoring.models import Channel, Sending

State = Sending


@transaction.atomic
def send_dead_letters_again(
    *, by: User, kind: str = "", pk: int | None = None, channel: int | None = None, now: datetime | None = None
) -> int:
    """Have one message tried again at once, or all of them, of a channel or of every one; how many that are.

    A call for one that is no dead letter any more raises Unknown; one for all of none is harmless.
    """
    must(by, May.SET_UP)
    now, number = now or timezone.now(), 0
    for each in [kind] if kind else list(MODELS):
        rows = rows_of(each, channel).order_by()
        rows = rows.filter(pk=pk) if pk is not None else rows
        told = sorted(set(rows.values_list("channel__name", flat=True)))
        channels = list(rows.values_list("channel", flat=True).distinct())
        # A notice with one try behind it is told although its alarm may be over (see delivering).
        again = {"attempts": 1} if each == ALARM else {"attempts": 0, "sent_again": True}
        sent = rows.update(state=State.DUE, due_at=now, **again)
        if sent:
            Channel.objects.filter(pk__in=channels).update(rests_until=None)
            audit.record(
                "dead_letters_sent_again", by=by, subject=f"channels {', '.join(told)}", kind=each, messages=sent
            )
        number += sent
    if pk is not None and not number:
        raise _gone()
    return number


@transaction.atomic
def drop_dead_letter(*, by: User, kind: str, pk: int, reason: str) -> None:
    """Say that a message need not arrive any more, and why. Raises Unknown for one that is no dead letter any more."""
    must(by, May.SET_UP)
    reason = stated(reason, _("Say why it need not arrive any more."))
    row = rows_of(kind).filter(pk=pk).first()
    # A second person may send it again meanwhile: only what is still given up is dropped.
    if row is None or not rows_of(kind).order_by().filter(pk=pk).update(state=State.DROPPED):
        raise _gone()
    told = {"alarm": row.alarm_id} if kind == ALARM else {"dispositions": row.dispositions}
    audit.record(
        "dead_letter_dropped", by=by, subject=row.channel, name=row.channel.name, reason=reason, error=row.error, **told
    )  # fmt: skip


def _gone() -> Unknown:
    return Unknown(_("This message is not given up any more: it was sent again, or dropped."))
