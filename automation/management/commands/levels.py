"""Prints how a line moves between the levels, as `docs/levels.md` holds it."""

from typing import Any

from automation import ladder
from inspection import command


class Command(command.Command):
    help = "Print the legal moves of a line and of a change as Mermaid diagrams: 'manage.py levels > docs/levels.md'."

    def run(self, **options: Any) -> dict[str, Any]:
        return {"document": ladder.document()}

    def table(self, answer: dict[str, Any]) -> str:
        return answer["document"].rstrip("\n")
