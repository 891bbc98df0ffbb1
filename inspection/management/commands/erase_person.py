"""Erases a person: the account closes, the names leave the history, the verdicts stay under the pseudonym."""

from typing import Any

from django.core.management.base import CommandParser

from inspection import actions, command
from inspection.models import User
from inspection.refusals import Unknown


class Command(command.Command):
    help = (
        "Erase a person for ever: account, names, sessions, tokens and preferences go; verdicts stay under the pseudonym,"
        " and the audit trail still verifies. A run that was cut short goes on where it was."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the user name; of an erasure that is under way, too")
        parser.add_argument("--confirm", metavar="USERNAME", help="the user name again, where nobody can be asked")

    def run(self, *, username: str, confirm: str | None, **options: Any) -> dict[str, Any]:
        person = User.objects.filter(username=username).first()
        if person is None:
            raise Unknown(f"There is no user {username!r}.")
        if confirm is None:
            confirm = input(f"Erase {username} for ever? Type the user name again: ")
        erasure = actions.begin_erasure(person=person, confirmed=confirm, by="command line")
        while not erasure.done_at:
            erasure = actions.erase_some(erasure=erasure)
            self.progress(f"{erasure.events:,} events without the name")
        self.progress("", last=True)
        return {"pseudonym": erasure.person.pseudonym, "events": erasure.events}
