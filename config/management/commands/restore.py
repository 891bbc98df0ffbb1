"""Brings a backup back into an empty site."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from config import backups
from inspection import command


class Command(command.Command):
    help = (
        "Bring a backup into this site, whose database must be empty, and hold it against what it says of itself: every "
        "row's photo, and the audit trail with its heads. Exit 1 where something does not fit."
    )
    requires_system_checks: list[str] = []  # there are no tables yet

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="what back_up wrote")

    def run(self, *, folder: Path, **options: Any) -> dict[str, Any]:
        manifest, damaged = backups.restore(folder, tell=self.progress)
        found = backups.check(manifest)
        answer: dict[str, Any] = {
            "at": manifest["at"],
            "photos": found.photos,
            "missing": len(found.missing),
            "damaged": len(damaged),
        }
        answer |= {"trail": found.trail[:5], "same_draw_key": found.same_draw_key}
        wrong = [f"{len(damaged)} of its files are damaged, as {damaged[0]}"] if damaged else []
        wrong += [f"{len(found.missing)} photos are missing, as {found.missing[0]}"] if found.missing else []
        wrong += [f"the audit trail is broken: {found.trail[0]}"] if found.trail else []
        if wrong:
            answer["failed"] = f"The backup is in place, but {', '.join(wrong)}."
        return answer

    def table(self, answer: dict[str, Any]) -> str:
        drawn = "" if answer["same_draw_key"] else " Parts will be drawn with another key: set DRAW_SECRET as it was."
        return (
            f"The site is as it was at {answer['at']}, with {answer['photos']:,} photos.{drawn} Run manage.py migrate and "
            "verify_certificates, then start web, workers and beat."
        )
