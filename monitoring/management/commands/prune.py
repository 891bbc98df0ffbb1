"""Deletes figures and notices that are older than the settings keep them."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from inspection import command
from monitoring.pruning import prune


class Command(command.Command):
    help = "Delete windows of figures and notices that are older than the KEEP_..._DAYS of the settings say."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would go, and delete nothing")

    def run(self, *, dry_run: bool, **options: Any) -> dict[str, Any]:
        done = 0

        def progress(rows: int) -> None:
            nonlocal done
            done += rows
            self.progress(f"{done:,} rows deleted")

        gone = prune(now=timezone.now(), dry_run=dry_run, progress=progress)
        self.progress("", last=True)
        return gone | {"dry_run": dry_run}
