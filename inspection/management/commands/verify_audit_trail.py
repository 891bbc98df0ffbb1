"""Walks the audit trail's hash chains and names what was edited or is missing."""

import re
from typing import Any

from django.core.management.base import CommandParser

from inspection import command, seals
from inspection.refusals import BadInput

HEAD = re.compile(r"([-\w]*)=([0-9a-f]{64})")  # no line: the factory's chain


class Command(command.Command):
    help = "Verify the hash chain of every line's audit trail; exit 1 when a row was edited, moved or is missing."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head", action="append", default=[], metavar="LINE=DIGEST",
            help="a digest that was the last of the line's chain once (=DIGEST: the factory's); may be given several times",
        )  # fmt: skip
        parser.add_argument(
            "--heads", action="store_true", help="print the last digest of each chain, to be kept elsewhere"
        )

    def run(self, *, head: list[str], heads: bool, **options: Any) -> dict[str, Any]:
        report = seals.verify_trail([_known(text) for text in head])
        answer: dict[str, Any] = {"sealed": report.sealed, "unsealed": report.unsealed, "broken": report.broken}
        if report.purged:
            answer["purged"] = report.purged
        if heads:
            answer["heads"] = seals.heads()
        if report.broken:
            places = "; ".join(report.broken[:5])
            answer["failed"] = f"The audit trail is broken in {len(report.broken)} places: {places}."
        return answer


def _known(text: str) -> tuple[str, str]:
    found = HEAD.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"--head is {text!r}. Write the line and the 64 digits of its link: line-a=0f3c...")
    line, digest = found.groups()
    return line, digest
