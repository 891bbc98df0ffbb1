"""Backs the site up while it runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from config.backups import back_up
from inspection import command


class Command(command.Command):
    help = (
        "Write database, photos, weights and the keys of DATA_DIR into a folder, while the site runs. The same folder may "
        "be used again: photos and weights that it has are not copied twice. It holds secrets: keep it as you keep those."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="where to; on another disk than the site's")

    def run(self, *, folder: Path, **options: Any) -> dict[str, Any]:
        return back_up(folder, now=timezone.now(), tell=self.progress)

    def table(self, answer: dict[str, Any]) -> str:
        new = ", ".join(f"{number:,} of {what}" for what, number in answer["copied"].items())
        return (
            f"Backed up at {answer['at']}: the {answer['database']} database and {answer['photos']:,} photos; new were {new}.\n"
            f"Keys kept: {', '.join(answer['secrets']) or 'none, they come from the environment: keep that, too'}."
        )
