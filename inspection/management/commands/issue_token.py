"""Prints an API token of a user."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from inspection import audit, command
from inspection.models import ApiToken, User
from inspection.refusals import BadInput, Unknown

MAX_DAYS = 3650


class Command(command.Command):
    help = "Make an API token and print it; it is shown this once, and only its digest is kept."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--days", type=int, default=365, help="how long it is valid (default 365)")

    def run(self, *, username: str, days: int, **options: Any) -> dict[str, Any]:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise Unknown(f"There is no active user {username!r}.")
        if not 1 <= days <= MAX_DAYS:
            raise BadInput(f"A token is valid for 1 to {MAX_DAYS} days.")
        with transaction.atomic():
            audit.record("token_issued", by="command line", subject=f"user {username}", days=days)
            return {"token": ApiToken.issue(user, days=days)}

    def table(self, answer: dict[str, Any]) -> str:
        return answer["token"]
