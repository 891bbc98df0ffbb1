"""Scores past inspections with a version: retrospective, never certifying."""

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Exists, OuterRef
from django.utils import timezone

from automation.actions import score_and_settle
from inspection import command
from inspection.actions.intake import find_line
from inspection.models import Inspection
from shadow import jobs
from shadow.models import Prediction
from shadow.versions import find_version


class Command(command.Command):
    help = "Score every past inspection of a line that the version has not answered. The answers never certify."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name of the version")
        parser.add_argument("--line", required=True, help="slug of the line")

    def run(self, *, name: str, line: str, **options: Any) -> dict[str, Any]:
        version, place = find_version(name), find_line(line)
        answered = Prediction.objects.filter(version=version, inspection=OuterRef("pk"))
        parts = list(Inspection.objects.filter(line=place).exclude(Exists(answered)).values_list("pk", flat=True))
        made = jobs.make_replay_jobs(version=version, parts=parts, now=timezone.now())
        # Other workers may take some of the jobs; this one goes on until none is left to take.
        scored = 0
        while jobs.to_do(now=timezone.now()):
            scored += score_and_settle()
            self.progress(f"{scored} answers written, {made} parts to replay")
        self.progress("", last=True)
        done = Prediction.objects.filter(version=version, inspection__in=parts)
        return {"model": name, "line": line, "replayed": done.count(), "nulls": done.filter(score=None).count()}
