"""Messages that were given up: notices of alarms and parcels of dispositions, in one list."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inspection.refusals import Unknown
from monitoring.delivering import words_of
from monitoring.models import Channel, Delivery, Parcel, Sending

ALARM, DISPOSITIONS = "alarm", "dispositions"
MODELS: dict[str, type[Delivery] | type[Parcel]] = {ALARM: Delivery, DISPOSITIONS: Parcel}
AT_ONCE = 500  # of each kind on one page; who has more sends or drops some first


@dataclass(frozen=True)
class DeadLetter:
    """One message that was given up. `kind` and `pk` name it; `events` is how many things it tells."""

    kind: str
    pk: int
    channel: Channel
    words: str
    events: int
    attempts: int
    error: str
    at: datetime  # of the last try

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.pk}"


def rows_of(kind: str, channel: int | None = None) -> QuerySet:
    """The given-up rows of a kind, newest first. Raises Unknown for a kind that there is not."""
    if kind not in MODELS:
        raise Unknown(_("There is no such message."))
    found = MODELS[kind]._default_manager.filter(state=Sending.GIVEN_UP).select_related("channel").order_by("-pk")
    return found.filter(channel=channel) if channel else found


def dead_letters(*, channel: int | None = None) -> list[DeadLetter]:
    """What was given up, the latest first."""
    notices = rows_of(ALARM, channel).select_related("channel", "alarm__line")[:AT_ONCE]
    found = [_letter(ALARM, row, _told(row), 1) for row in notices]
    for row in rows_of(DISPOSITIONS, channel)[:AT_ONCE]:
        number = len(row.dispositions)
        words = ngettext("{n} disposition", "{n} dispositions", number).format(n=number)
        found.append(_letter(DISPOSITIONS, row, words, number))
    return sorted(found, key=lambda letter: letter.at, reverse=True)


def _told(row: Delivery) -> str:
    told = {"event": words_of(row.event), "line": row.alarm.line.name, "message": row.alarm.message}
    return _("{event}, {line}: {message}").format(**told)


def _letter(kind: str, row: Delivery | Parcel, words: str, events: int) -> DeadLetter:
    return DeadLetter(kind, row.pk, row.channel, words, events, row.attempts, row.error, row.due_at)
