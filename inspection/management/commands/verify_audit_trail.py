"""Walks the audit trail's hash chains and names what was edited or is missing."""

from typing import Any

from inspection import command, seals


class Command(command.Command):
    help = "Verify the hash chain of every line's audit trail; exit 1 when a row was edited, moved or is missing."

    def run(self, **options: Any) -> dict[str, Any]:
        report = seals.verify_trail()
        answer: dict[str, Any] = {"sealed": report.sealed, "unsealed": report.unsealed, "broken": report.broken}
        if report.broken:
            places = "; ".join(report.broken[:5])
            answer["failed"] = f"The audit trail is broken in {len(report.broken)} places: {places}."
        return answer
