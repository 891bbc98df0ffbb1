"""Exports a line's judged parts as a data set: photos and a CSV that imports, trains and evaluates elsewhere."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from inspection import command
from inspection.actions.intake import find_line
from shadow.datasets import export_dataset
from shadow.days import read_span
from shadow.models import Split


class Command(command.Command):
    help = (
        "Export a line's judged parts into a new folder: photos and dataset.csv, which import_photos, train_model --data "
        "and evaluate_model --data read, and dataset.json, which says what was left out and why. Serials held out for "
        "ever are the split 'test': train with --split train. Nobody who judged is named. The folder is there whole or "
        "not at all."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that is not there yet, or empty")
        parser.add_argument("--line", required=True, help="slug of the line")
        parser.add_argument("--from", default="", dest="since", metavar="DAY", help="first day (2026-01-31) or moment")
        parser.add_argument("--to", default="", dest="until", metavar="DAY", help="last day, or moment before which")
        parser.add_argument(
            "--split", action="append", default=[], choices=Split.values,
            help="export only this split; may be given several times",
        )  # fmt: skip

    def run(
        self, *, folder: Path, line: str, since: str, until: str, split: list[str], **options: Any
    ) -> dict[str, Any]:
        place = find_line(line)
        answer = export_dataset(
            line=place, folder=folder.resolve(), by="export_dataset", span=read_span(since, until, place), splits=split,
            progress=self.progress,
        )  # fmt: skip
        self.progress("", last=True)
        return answer

    def table(self, answer: dict[str, Any]) -> str:
        def counts(of: dict[str, int]) -> str:
            return ", ".join(f"{(name or 'none').replace('_', ' ')} {count:,}" for name, count in of.items()) or "none"

        told = [
            f"{answer['parts']:,} parts with {answer['photos']:,} photos in {answer['folder']}",
            f"labels: {counts(answer['labels'])}", f"splits: {counts(answer['splits'])}",
            f"left out: {counts(answer['left_out'])}",
        ]  # fmt: skip
        return "\n".join(told + ([f"not dealt into splits: {answer['undealt']}"] if answer["undealt"] else []))
