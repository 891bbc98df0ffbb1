"""Scores photos of a disk with a version; nothing is stored."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from inspection import command
from inspection.refusals import BadInput
from shadow.management.commands.evaluate_model import scores_of
from shadow.versions import find_version
from shadow.vision.runtime import Answer, Failure


def _told(path: Path, answer: Answer | Failure, threshold: float) -> dict[str, Any]:
    if isinstance(answer, Failure):
        return {"path": str(path), "score": None, "outcome": None, "null_reason": answer.reason, "marks": []}
    outcome = "scratched" if answer.score >= threshold else "ok"
    marks = [list(mark.box) for mark in answer.marks]
    return {"path": str(path), "score": answer.score, "outcome": outcome, "null_reason": "", "marks": marks}


class Command(command.Command):
    help = "Score photos and print each one's probability of a scratch, the outcome, and why where there is none."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the version")
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")

    def run(self, *, name: str, paths: list[Path], **options: Any) -> dict[str, Any]:
        version = find_version(name)
        if missing := [path for path in paths if not path.is_file()]:
            raise BadInput(f"{missing[0]} is not a file.")
        answers = scores_of(self, version, paths)
        photos = [_told(path, answer, version.threshold) for path, answer in zip(paths, answers, strict=True)]
        return {"model": name, "threshold": version.threshold, "photos": photos}

    def table(self, answer: dict[str, Any]) -> str:
        def line(photo: dict[str, Any]) -> str:
            score = f"{photo['score']:.4f}" if photo["score"] is not None else "   -  "
            return f"{score}  {photo['outcome'] or photo['null_reason']:<10}  {photo['path']}"

        return "\n".join([f"{answer['model']}, threshold {answer['threshold']:.4f}", *map(line, answer["photos"])])
