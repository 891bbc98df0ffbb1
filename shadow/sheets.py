"""The agreement report as a workbook: a sheet each for what was asked, figures, groups, days, scores and what is left out.

Rows are written and let go one by one, and every text is written as text: no cell becomes a formula or a link.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter
from django.utils import timezone
from django.utils.translation import gettext as _
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from inspection.models import User
from shadow.dossier import Dossier
from shadow.imprint import imprint
from shadow.report_page import FIGURES as SHOWN
from shadow.report_page import figures_of, left_out
from shadow.reports import FIGURES, Group, counts
from shadow.tables import EDGES, WAYS, group_cells, people_json, report_json

# Nothing that a person has typed is run: not as a formula, not as a link.
OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
CELLS = ("both_ok", "overkill", "escape", "both_scratched")


class _Sheet:
    """A sheet that is written downwards; widths are in letters."""

    def __init__(self, sheet: Worksheet, formats: Mapping[str, Format], widths: Sequence[int]):
        self.sheet, self.formats, self.at = sheet, formats, 0
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)

    def head(self, cells: Iterable[Any]) -> None:
        self.row(cells, style="head")

    def row(self, cells: Iterable[Any], *, style: str = "plain") -> None:
        """A number as number, anything else as text; None leaves the cell empty."""
        for column, cell in enumerate(cells):
            if isinstance(cell, int | float) and not isinstance(cell, bool):
                self.sheet.write_number(self.at, column, cell, self.formats[style])
            elif cell is not None:
                self.sheet.write_string(self.at, column, str(cell), self.formats[style])
        self.at += 1

    def freeze(self) -> None:
        self.sheet.freeze_panes(self.at, 0)


def workbook(found: Dossier, by: User, *, now: datetime | None = None) -> bytes:
    """The report as an XLSX file that `by` has made."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, OPTIONS)
    formats = {
        "plain": book.add_format({"valign": "top"}), "head": book.add_format({"bold": True, "bottom": 1}),
        "title": book.add_format({"bold": True, "font_size": 14}),
    }  # fmt: skip
    book.set_properties({"title": _("Agreement report"), "author": str(by)})

    def sheet(name: str, widths: Sequence[int]) -> _Sheet:
        return _Sheet(book.add_worksheet(name), formats, widths)

    _summary(sheet(_("Summary"), (34, 90)), found, by, now or timezone.now())
    _figures(sheet(_("Figures"), (26, 12, 12, 12, 12, 60)), found)
    _groups(sheet(_("Groups"), (16, 24)), found.asked.group_by, found.report.groups)
    _groups(sheet(_("Days"), (16, 24)), "day", found.report.days)
    _scores(sheet(_("Scores"), (14, 14, 14, 14)), found)
    _left_out(sheet(_("Excluded"), (16, 12, 60, 70)), found)
    book.close()
    return file.getvalue()


def _summary(sheet: _Sheet, found: Dossier, by: User, now: datetime) -> None:
    sheet.row([_("Agreement report")], style="title")
    for words, value in imprint(found, by, now):
        sheet.row([words, value])
    sheet.row([])
    sheet.head([_("Day"), _("Release, level change or alarm")])
    for event in found.happened:
        sheet.row([event.day.isoformat(), event.words])


def _figures(sheet: _Sheet, found: Dossier) -> None:
    sheet.head([_("Person and model"), _("Parts")])
    for cell, n in counts(found.report.confusion).items():
        sheet.row([cell, n])
    sheet.row([])
    sheet.head([_("Figure"), *EDGES, _("In words")])
    for name, figure in zip(SHOWN, figures_of(found.report), strict=True):
        sheet.row([name, figure.value if figure.defined else None, figure.low, figure.high, figure.n, figure.sentence])
    sheet.row([])
    _people(sheet, people_json(found.people))


def _people(sheet: _Sheet, told: Mapping[str, Any]) -> None:
    """People against people, a row for each way in which parts came to be judged twice."""
    names, cells = ("agreement", "positive_agreement", "kappa"), ("both_ok", "differ", "both_scratched", "unsure")
    sheet.head([_("People against people"), "parts", *cells, *(f"{name}_{edge}" for name in names for edge in EDGES)])
    for way in WAYS:
        figures = (told[way][name][edge] for name in names for edge in EDGES)
        sheet.row([way, told[way]["parts"], *(told[way][cell] for cell in cells), *figures])


def _groups(sheet: _Sheet, group_by: str, groups: Sequence[Group]) -> None:
    edges = [f"{name}_{edge}" for name in FIGURES for edge in EDGES]
    sheet.head([group_by, "name", *CELLS, *edges])
    sheet.freeze()
    for group in groups:
        sheet.row([group.key, group.name, *group_cells(group)])


def _scores(sheet: _Sheet, found: Dossier) -> None:
    scores = report_json(found)["scores"]
    if scores is None:
        sheet.row([_("The scores of several models have no common scale: ask for one model.")])
        return
    sheet.head(["low", "high", "ok", "scratched"])
    for bar in scores["histogram"]:
        sheet.row(bar.values())
    sheet.row([])
    names = ("coverage", "risk", "miss")
    sheet.head(["threshold", *(f"{name}_{edge}" for name in names for edge in EDGES)])
    for point in scores["risk_coverage"]:
        sheet.row([point["threshold"], *(point[name][edge] for name in names for edge in EDGES)])
    sheet.row([])
    sheet.head(["low", "high", "n", "mean_score", *(f"scratched_{edge}" for edge in EDGES)])
    for group in scores["reliability"]:
        cells = [group[name] for name in ("low", "high", "n", "mean_score")]
        sheet.row([*cells, *(group["scratched"][edge] for edge in EDGES)])
    sheet.row([])
    sheet.row(["expected_calibration_error", scores["expected_calibration_error"]])


def _left_out(sheet: _Sheet, found: Dossier) -> None:
    sheet.head([_("Reason"), _("Pairs"), _("What they are"), _("Why they are not counted")])
    for left in left_out(found.report):
        sheet.row([left.name, left.n, left.words, left.why])
