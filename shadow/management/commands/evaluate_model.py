"""Measures a version on labelled photos that it has not seen, and writes the result down for the version's page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.urls import reverse

from inspection import command
from inspection.importing import Row
from inspection.refusals import BadInput
from shadow.actions import keep_picture, load_scorer, record_evaluation
from shadow.models import Evaluation, ModelVersion
from shadow.studies import retrospective_sentence
from shadow.training_data import rows_of
from shadow.versions import find_version
from shadow.vision.evaluation import curves_of, figures, safe_coverage
from shadow.vision.gallery import picture_of, worst
from shadow.vision.runtime import Answer, Failure, WeightsRefused

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


def gallery_of(rows: Sequence[Row], answers: Sequence[Any], threshold: float) -> list[dict[str, Any]]:
    """The worst misses and false alarms with their pictures, which are kept."""
    scores = [answer.score if isinstance(answer, Answer) else None for answer in answers]
    found = worst(scores, [row.label == "scratched" for row in rows], threshold)
    kinds = [("miss", row) for row in found.misses] + [("false_alarm", row) for row in found.false_alarms]
    return [
        {
            "kind": kind, "score": answers[row].score, "photo": rows[row].path.name,
            "picture": keep_picture(picture_of(rows[row].path)),
            "marks": [list(mark.box) for mark in answers[row].marks],
        }
        for kind, row in kinds
    ]  # fmt: skip


class Command(command.Command):
    help = (
        "Score the labelled photos of a CSV and print AUROC, average precision, miss and false alarm rate, ECE, "
        "coverage, and how many originals could safely have passed; the version's page keeps it with curves and the "
        "worst failures. Retrospective: it certifies nothing."
    )

    evaluation: Evaluation

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the version")
        parser.add_argument("--data", type=Path, required=True, help="a CSV of labelled photos")
        parser.add_argument("--split", help="use only this split")

    def run(self, *, name: str, data: Path, split: str | None, **options: Any) -> dict[str, Any]:
        version = find_version(name)
        rows = rows_of(data, split)
        answers = scores_of(self, version, [row.path for row in rows])
        scores = [answer.score if isinstance(answer, Answer) else None for answer in answers]
        labels = [row.label == "scratched" for row in rows]
        found = figures(scores, labels, version.threshold)
        originals = [row.original or row.group for row in rows]
        held = asdict(safe_coverage(scores, labels, originals, version.thresholds))
        nulls = Counter(answer.reason for answer in answers if isinstance(answer, Failure))
        self.evaluation = record_evaluation(
            version=version, source=f"{data.name}, split {split}" if split else data.name,
            figures={**found, "nulls": dict(nulls.most_common())}, curves=curves_of(scores, labels, version.thresholds),
            gallery=gallery_of(rows, answers, version.threshold), retrospective=held, by="evaluate_model",
        )  # fmt: skip
        return {**found, "retrospective": held}

    def table(self, answer: dict[str, Any]) -> str:
        def word(value: Any) -> str:
            return "not defined" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)

        shown = {name: value for name, value in answer.items() if name != "retrospective"}
        lines = [f"{name.replace('_', ' '):<20}{word(value):>12}" for name, value in shown.items()]
        lines += [f"{'excluded':<20}{n:>12}  {reason}" for reason, n in self.evaluation.figures["nulls"].items()]
        page = reverse("model_card", args=[self.evaluation.version.name])
        return "\n".join([
            *lines, retrospective_sentence(answer["retrospective"]), f"Curves and the worst failures: {page}",
        ])  # fmt: skip
