"""Counts all pairs anew from their rows, while the line goes on."""

from typing import Any

from django.core.management.base import CommandParser

from inspection import command
from inspection.actions.intake import find_line
from inspection.models import Line
from shadow import rollups


class Command(command.Command):
    help = "Count all pairs of a line, or of all lines, anew from their rows. Reports stay right meanwhile."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--line", help="slug of the line; left out: all lines")

    def run(self, *, line: str | None, **options: Any) -> dict[str, Any]:
        lines = [find_line(line)] if line else list(Line.objects.all())
        done = 0

        def progress(parts: int) -> None:
            nonlocal done
            done += parts
            self.progress(f"{done:,} parts looked through")

        rollups.follow_calendars(lines, at_once=None)
        pairs, mended = rollups.recount(lines, progress=progress)
        rollups.catch_up()
        self.progress("", last=True)
        return {"lines": len(lines), "pairs": pairs, "mended": mended}
