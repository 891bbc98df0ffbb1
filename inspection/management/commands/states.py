"""Prints the state diagram of an inspection, as `docs/states.md` holds it."""

from typing import Any

from inspection import command
from inspection.moves import diagram


class Command(command.Command):
    help = "Print the legal moves of an inspection as a Mermaid diagram: 'manage.py states > docs/states.md'."

    def run(self, **options: Any) -> dict[str, Any]:
        return {"diagram": f"# States of an inspection\n\n```mermaid\n{diagram()}```"}

    def table(self, answer: dict[str, Any]) -> str:
        return answer["diagram"]
