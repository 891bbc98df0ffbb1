"""The agreement report with what belongs beside it: people against people, and what happened meanwhile."""

from dataclasses import dataclass
from datetime import date, timedelta

from shadow.asked import Asked
from shadow.ceiling import Ceiling, ceiling
from shadow.days import Span
from shadow.reading import comparisons_of
from shadow.reports import AgreementReport, agreement_report
from shadow.showing import note_shown
from shadow.timeline import Happening, happenings


@dataclass(frozen=True)
class Dossier:
    """All that page, API and files tell. `happened` is oldest first."""

    report: AgreementReport
    people: Ceiling
    happened: tuple[Happening, ...]

    @property
    def asked(self) -> Asked:
        return self.report.asked


def dossier(asked: Asked) -> Dossier:
    """Count what was asked for. The cost is that of days and groups, of the newest seeded parts and of the events."""
    report = agreement_report(asked)
    _note_few(report)
    names = [version.name for version in asked.versions]
    happened = happenings(asked.lines, names, _told_of(report)) if report.days else ()
    return Dossier(report, ceiling(asked), happened)


FEW = 20  # parts whose answers a reader may tell from the counts: one lot of one part has a table of one


def _note_few(report: AgreementReport) -> None:
    """A report of a few parts tells what the model answered to each: its reader is no blind judge of them any more."""
    asked, n = report.asked, report.confusion.n + report.excluded["unsure"] + report.excluded["unjudged"]
    if asked.reader is None or not 0 < n < FEW:
        return
    parts = comparisons_of(asked).values_list("inspection", flat=True)
    note_shown(user=asked.reader, inspections=parts, where="report of few parts")


def _told_of(report: AgreementReport) -> Span:
    """The span asked for; where it has no beginning, from the day before the first that was counted."""
    asked = report.asked.span
    return Span(asked.start or date.fromisoformat(report.days[0].key) - timedelta(days=1), asked.end)
