"""Imports what an earlier inspection system said of past parts: retrospective, it never certifies."""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from inspection import command
from inspection.actions.intake import find_line
from inspection.refusals import BadInput
from shadow.actions import record_answers
from shadow.earlier import MOST_ANSWERS, Sent
from shadow.versions import find_version

SHOWN = 20  # refusals that are told one by one


class Command(command.Command):
    help = (
        "Import an earlier system's answers on past parts from a CSV with the columns serial (or inspection) and score or "
        "outcome, and as you like captured_at, failure and at (times with their zone). They are retrospective: reports may "
        "read them, and they never certify. The same file again adds nothing."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the version")
        parser.add_argument("path", type=Path, metavar="CSV")
        parser.add_argument("--line", required=True, help="slug of the line")

    def run(self, *, name: str, path: Path, line: str, **options: Any) -> dict[str, Any]:
        version, place = find_version(name), find_line(line)
        rows = list(rows_of(path, place.slug))
        answer: dict[str, Any] = {"model": name, "line": line, "recorded": 0, "known": 0, "refused": 0, "reasons": []}
        for start in range(0, len(rows), MOST_ANSWERS):
            batch = rows[start : start + MOST_ANSWERS]
            done = record_answers(version=version, answers=batch, by="import_predictions", history=True)
            for status in ("recorded", "known", "refused"):
                answer[status] += done.count(status)
            answer["reasons"] += [f"line {start + row.row + 2}: {row.fate.reason}" for row in done.refused][:SHOWN]
            self.progress(f"{start + len(batch)} of {len(rows)} answers", last=start + len(batch) == len(rows))
        answer["reasons"] = answer["reasons"][:SHOWN]
        if answer["refused"]:
            answer["failed"] = f"{answer['refused']} of {len(rows)} answers were refused; {answer['reasons'][0]}."
        return answer


def rows_of(path: Path, line: str) -> Iterator[Sent]:
    """The answers that a CSV lists, of one line. Raises BadInput."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark in front
            reader = csv.DictReader(file)
            names = set(reader.fieldnames or [])
            if not names & {"serial", "inspection"} or not names & {"score", "outcome"}:
                raise BadInput(
                    f"{path} has no columns 'serial' or 'inspection' and 'score' or 'outcome' in its first line."
                )
            for number, fields in enumerate(reader, 2):
                yield _row(f"{path}, line {number}", {k: (v or "").strip() for k, v in fields.items() if k}, line)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} is not a CSV file in UTF-8: {error}.") from None


def _row(where: str, fields: dict[str, str], line: str) -> Sent:
    try:
        return Sent(
            inspection=int(fields["inspection"]) if fields.get("inspection") else None,
            serial=fields.get("serial", ""), line=line, captured_at=_moment(fields.get("captured_at")),
            score=float(fields["score"]) if fields.get("score") else None, outcome=fields.get("outcome", "").lower(),
            failure=fields.get("failure", "")[:200], at=_moment(fields.get("at")),
        )  # fmt: skip
    except ValueError as error:
        raise BadInput(f"{where}: {error}.") from None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = parse_datetime(text)
    if moment is None or is_naive(moment):
        raise ValueError(f"{text!r} is no moment with its zone, as 2026-03-02T12:00:00+01:00")
    return moment
