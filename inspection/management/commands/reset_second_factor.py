"""Takes a lost second factor off an account: for the admin whom no other admin can help."""

from typing import Any

from django.core.management.base import CommandParser

from inspection import actions, command
from inspection.models import User
from inspection.refusals import Conflict, Unknown


class Command(command.Command):
    help = "Take the second factor and the recovery codes off an account; its password is left. The audit trail tells of it."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def run(self, *, username: str, **options: Any) -> dict[str, Any]:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise Unknown(f"There is no user {username!r}.")
        if not actions.reset_second_factor(user=user, by="command line"):
            raise Conflict(f"{username} has no second factor.")
        return {"user": username, "second_factor": "none"}
