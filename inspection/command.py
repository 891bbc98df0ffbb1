"""The base of every command: `--json` prints one line for machines, a refusal is one clear sentence and exit code 1."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inspection.refusals import Refused


class Command(BaseCommand):
    """Subclasses write `run(**options) -> dict`, the answer, and may write `table(answer)`, its words for people."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one line of JSON instead of words")
        self.arguments(parser)

    def arguments(self, parser: CommandParser) -> None:
        """The command's own arguments."""

    def run(self, *args: Any, **options: Any) -> dict[str, Any]:
        raise NotImplementedError

    def table(self, answer: dict[str, Any]) -> str:
        return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in answer.items())

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = self.run(**options)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(json.dumps(answer, default=str) if options["json"] else self.table(answer))
        if answer.get("failed"):
            raise CommandError(str(answer["failed"]))

    def progress(self, words: str, *, last: bool = False) -> None:
        """Say how far it is, over the same line of a terminal; silent where nobody watches."""
        if self.stderr.isatty():
            self.stderr.write(f"\r\033[K{words}", ending="\n" if last else "")
            self.stderr.flush()
