"""Changes the key of the draws."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from automation.draw_keys import rotate_draw_key
from inspection import command
from inspection.models import User
from inspection.refusals import Unknown


class Command(command.Command):
    help = (
        "Write a new key for the draws (canary, audit, blind) over the one in DATA_DIR and note who did. Parts that were "
        "drawn stay as they are. Start web and workers anew afterwards: until then they draw with the key before."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, metavar="USERNAME", help="the admin who changes it")
        parser.add_argument("--reason", required=True, help="why; it stands in the audit trail")

    def run(self, *, by: str, reason: str, **options: Any) -> dict[str, Any]:
        user = User.objects.filter(username=by, is_active=True).first()
        if user is None:
            raise Unknown(f"There is no active user {by!r}.")
        row = rotate_draw_key(by=user, reason=reason, now=timezone.now())
        return {"key": row.key, "by": row.by, "at": row.at.isoformat()}

    def table(self, answer: dict[str, Any]) -> str:
        return (
            f"New parts are drawn with the key {answer['key']} as soon as web and workers are started anew. "
            "Nothing of the key before was kept."
        )
