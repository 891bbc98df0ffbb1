"""Measures a version on labelled photos that it has not seen."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from inspection import command
from inspection.refusals import BadInput
from shadow.actions import load_scorer
from shadow.models import ModelVersion
from shadow.training_data import rows_of
from shadow.versions import find_version
from shadow.vision.evaluation import figures
from shadow.vision.runtime import Answer, WeightsRefused

BATCH = 32


def scores_of(command: command.Command, version: ModelVersion, paths: list[Path]) -> list[Any]:
    """An Answer or Failure per photo, with progress. Raises BadInput when the version cannot run."""
    try:
        scorer = load_scorer(version)
    except (OSError, WeightsRefused) as error:
        raise BadInput(f"Model {version.name} cannot run: {error}.") from None
    answers: list[Any] = []
    for start in range(0, len(paths), BATCH):
        answers += scorer.score([[path] for path in paths[start : start + BATCH]])
        command.progress(f"{len(answers)} of {len(paths)} photos", last=len(answers) == len(paths))
    return answers


class Command(command.Command):
    help = (
        "Score the labelled photos of a CSV and print AUROC, average precision, miss and false alarm rate, ECE and "
        "coverage."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the version")
        parser.add_argument("--data", type=Path, required=True, help="a CSV of labelled photos")
        parser.add_argument("--split", help="use only this split")

    def run(self, *, name: str, data: Path, split: str | None, **options: Any) -> dict[str, Any]:
        version = find_version(name)
        rows = rows_of(data, split)
        answers = scores_of(self, version, [row.path for row in rows])
        scores = [answer.score if isinstance(answer, Answer) else None for answer in answers]
        return figures(scores, [row.label == "scratched" for row in rows], version.threshold)

    def table(self, answer: dict[str, Any]) -> str:
        def word(value: Any) -> str:
            return "not defined" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)

        return "\n".join(f"{name.replace('_', ' '):<20}{word(value):>12}" for name, value in answer.items())
