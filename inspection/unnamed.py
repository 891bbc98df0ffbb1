"""An event of the audit trail without names: what its seal is over, and what an erasure leaves of it.

Accounts have a pseudonym for ever, and a user name until they are erased. A seal is made over the pseudonyms, so it fits
the row before its names are erased and after, and no name can be guessed from a digest (docs/adr/0020).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inspection.models import AuditEvent, User

# Where the data of an event holds user names, by the event's action. A new event with one has its row here.
USER_NAMES: dict[str, tuple[str, ...]] = {
    "lease_freed": ("held_by",),
    "containment_taken": ("owner", "before"),
    "demo_seeded": ("users",),
}
ABOUT_USERS = frozenset({"user_set_up", "user_changed"})  # their data tells the full name, which may change
OF_A_USER = "user "  # the subject begins so where it is an account

Word = Callable[[str], str]


@dataclass(frozen=True)
class Known:
    """Accounts by their user names: the pseudonym, and since when the name is theirs; before, it was somebody else's or a
    process's."""

    accounts: Mapping[str, tuple[str, datetime]]

    def at(self, moment: datetime) -> Word:
        """What a name is called in an event of that moment; a name of no account is itself."""

        def word(name: str) -> str:
            pseudonym, since = self.accounts.get(name, (name, moment))
            return pseudonym if since <= moment else name

        return word


def known(events: Iterable[AuditEvent] | None = None) -> Known:
    """The accounts that these events name; without events all of them."""
    rows = User.objects.order_by()
    if events is not None:
        rows = rows.filter(username__in={name for event in events for name in names_in(event)})
    return Known(
        {name: (called, since) for name, called, since in rows.values_list("username", "pseudonym", "date_joined")}
    )


def names_in(event: AuditEvent) -> set[str]:
    """What may be user names in an event."""
    found: set[str] = set()

    def note(name: str) -> str:
        found.add(name)
        return name

    without_names(event, note)
    return found


def sealed_words(event: AuditEvent, known: Known) -> list[Any]:
    """What the seal is over. Full names are left out: who signed stands in `by`, whose account it is in the subject."""
    by, subject, data = without_names(event, known.at(event.at))
    if event.action in ABOUT_USERS:
        data.pop("name", None)
    if _signature(data):
        data["signed"] = data["signed"] | {"name": ""}
    return [event.pk, event.at.isoformat(), by, event.action, event.line, subject, data]


def without_names(event: AuditEvent, word: Word) -> tuple[str, str, dict[str, Any]]:
    """The event's actor, subject and data, each user name replaced by its word."""
    data = dict(event.data)
    for key in USER_NAMES.get(event.action, ()):
        if key in data:
            data[key] = [word(name) for name in data[key]] if isinstance(data[key], list) else word(data[key])
    subject = event.subject
    if subject.startswith(OF_A_USER):
        subject = OF_A_USER + word(subject.removeprefix(OF_A_USER))
    return word(event.by), subject, data


def erased(event: AuditEvent, *, username: str, pseudonym: str) -> tuple[str, str, dict[str, Any]] | None:
    """The event's actor, subject and data without that person's names; None: it held none of them."""

    def word(name: str) -> str:
        return pseudonym if name == username else name

    by, subject, data = without_names(event, word)
    if event.action in ABOUT_USERS and event.subject == OF_A_USER + username:
        data.pop("name", None)
    if event.by == username and _signature(data):
        data["signed"] = data["signed"] | {"name": pseudonym}
    after = (by, subject, data)
    return None if after == (event.by, event.subject, event.data) else after


def _signature(data: Mapping[str, Any]) -> bool:
    return isinstance(data.get("signed"), dict) and "name" in data["signed"]
