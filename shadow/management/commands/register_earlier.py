"""Registers an earlier inspection system as a version of its own."""

from typing import Any

from django.core.management.base import CommandParser

from inspection import command
from inspection.refusals import BadInput
from shadow.actions import register_earlier
from shadow.earlier import BAR, WITHIN, Declaration


class Command(command.Command):
    help = (
        "Register an earlier inspection system as a model version without weights: its answers are sent to the API. The same "
        "declaration again changes nothing."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the version")
        parser.add_argument("--outcomes", action="store_true", help="it only says ok or scratched, and gives no score")
        parser.add_argument("--threshold", type=float, default=BAR, help="a score from here on means scratched")
        parser.add_argument("--thresholds", help="the order of pass thresholds, strict to loose: 0.05,0.1,0.2")
        parser.add_argument(
            "--within", type=int, default=WITHIN, help="seconds after a part's arrival; later is no answer"
        )
        parser.add_argument("--about", default="", help="what it is: maker, release, place")

    def run(
        self, *, name: str, outcomes: bool, threshold: float, thresholds: str | None, within: int, about: str,
        **options: Any,
    ) -> dict[str, Any]:  # fmt: skip
        declaration = Declaration(
            name=name, says="outcome" if outcomes else "score", threshold=threshold,
            thresholds=order_of(thresholds) or (threshold,), within=within, about=about.strip(),
        )  # fmt: skip
        version, new = register_earlier(declaration=declaration, by="register_earlier")
        return {
            "model": version.name, "id": version.pk, "new": new, "declaration_sha256": version.weights_sha256,
            "threshold": version.threshold, "thresholds": version.thresholds,
        }  # fmt: skip


def order_of(text: str | None) -> tuple[float, ...]:
    """Scores as people write them, with commas or spaces between. Raises BadInput."""
    try:
        return tuple(float(part) for part in (text or "").replace(",", " ").split())
    except ValueError:
        raise BadInput(f"{text!r} is no list of scores. Write them as 0.05, 0.1, 0.2.") from None
