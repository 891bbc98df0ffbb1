"""Prints an API token of a user."""

from typing import Any

from django.core.management.base import CommandParser

from inspection import actions, command
from inspection.actions.intake import find_line
from inspection.models import Scope, User
from inspection.refusals import Unknown


class Command(command.Command):
    help = "Make an API token and print it; it is shown this once, and only its digest is kept."

    def arguments(self, parser: CommandParser) -> None:
        scopes = "; ".join(f"{scope.value}: {scope.label}" for scope in Scope)
        parser.add_argument("username")
        parser.add_argument("--days", type=int, default=365, help="how long it is valid (default 365)")
        parser.add_argument("--scope", default=Scope.ALL.value, help=f"what it is for (default all). {scopes}")
        parser.add_argument("--line", action="append", default=[], help="bind it to this line; may be repeated")
        parser.add_argument("--label", default="", help="what the list of tokens calls it")

    def run(
        self, *, username: str, days: int, scope: str, line: list[str], label: str, **options: Any
    ) -> dict[str, Any]:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise Unknown(f"There is no active user {username!r}.")
        lines = [find_line(slug) for slug in line]
        secret = actions.issue_token(
            user=user, by="command line", days=days, scope=scope, lines=lines, label=label
        )  # fmt: skip
        return {"token": secret}

    def table(self, answer: dict[str, Any]) -> str:
        return answer["token"]
