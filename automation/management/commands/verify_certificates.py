"""Holds every certificate against the rows as they stood at its moment, and names what differs."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from automation.models import Change
from automation.verifying import verify
from inspection import command
from inspection.models import Line
from inspection.refusals import Unknown


class Command(command.Command):
    help = (
        "Count the evidence of every certificate again from verdicts, corrections, predictions and what was shown, as "
        "they stood at its moment; exit 1 when one was altered or the rows say otherwise."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--line", help="only the certificates of this line")
        parser.add_argument("--change", type=int, help="only those of the change of this number")

    def run(self, *, line: str | None, change: int | None, **options: Any) -> dict[str, Any]:
        found = _line(line) if line else None
        if change is not None and not Change.objects.filter(pk=change).exists():
            raise Unknown(f"There is no change {change}.")
        held = []
        for certificate in verify(line=found, change=change):
            held.append(certificate)
            self.progress(f"{len(held)} certificates", last=False)
        differing = [certificate for certificate in held if certificate.differs]
        answer: dict[str, Any] = {"certificates": len(held), "differing": [asdict(row) for row in differing]}
        if differing:
            first = differing[0]
            answer["failed"] = (
                f"{len(differing)} of {len(held)} certificates are not what the rows say. "
                f"Change {first.change} of {first.line}: {'; '.join(first.differs[:3])}."
            )
        return answer

    def table(self, answer: dict[str, Any]) -> str:
        lines = [f"certificates: {answer['certificates']}, differing: {len(answer['differing'])}"]
        for row in answer["differing"]:
            where = f"policy {row['policy']}, applied by change" if row["policy"] else "proposal, change"
            lines.append(f"{row['line']}, {row['level']}, {where} {row['change']} of {row['at']}:")
            lines += [f"  {words}" for words in row["differs"]]
        return "\n".join(lines)


def _line(slug: str) -> Line:
    line = Line.objects.filter(slug=slug).first()
    if line is None:
        known = ", ".join(Line.objects.values_list("slug", flat=True)) or "none yet"
        raise Unknown(f"There is no line {slug!r}. Known lines: {known}.")
    return line
