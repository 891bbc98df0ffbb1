"""The agreement report as a PDF that can be handed to an auditor: who made it, of what, how, and how to check it."""

import io
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, KeepTogether, PageBreak, SimpleDocTemplate, Spacer

from inspection.models import User
from shadow.audit_layout import (
    BOTTOM,
    COLUMN,
    INSET,
    MARGIN,
    TOP,
    Numbered,
    boxed,
    heads,
    plain,
    ruled,
    said,
    shaded,
    table,
)
from shadow.audit_words import DEFINITIONS, FORMULAS, HOW_TO_CHECK, NO_CERTIFICATE, SIGNED
from shadow.dossier import Dossier
from shadow.drawing import Chart
from shadow.imprint import filters, made, models, rows_counted
from shadow.people_page import people_notes, people_rows, people_sentence
from shadow.report_page import EVIDENCE, PERCENT, Row, Shown, figures_of, left_out, rows, tiles
from shadow.reports import sentence
from shadow.score_page import score_plots, why_no_scores
from shadow.tables import digest_of, software
from shadow.trends import Course, course

Story = list[Any]
GAP, BAR = Spacer(0, 3 * mm), 24 * mm


def report_pdf(found: Dossier, by: User, *, step: str = "", now: datetime | None = None) -> bytes:
    """The report as `by` has asked for it; `step` draws the trend by day or week. Raises BadInput for another step."""
    now, digest, line = now or timezone.now(), digest_of(found), found.asked.lines[0]
    run = course(found, step)
    title = f"{_('Agreement report')} - {_where(found)}"
    maker = f"{by}, {now.astimezone(line.zone):%Y-%m-%d %H:%M %z}"
    file = io.BytesIO()
    paper = SimpleDocTemplate(
        file, leftMargin=MARGIN - INSET, rightMargin=MARGIN - INSET, topMargin=TOP - INSET, bottomMargin=BOTTOM - INSET, title=title, author=str(by),
        subject=sentence(found.report), creator=software(),
    )  # fmt: skip
    story = [*_first(found, by, now), *_counted(found)]
    if found.report.confusion.n:
        story += [*_people(found), *_trends(run), *_scores(found), *_groups(found, run)]
    story += [PageBreak(), *_methods(), *_identity(found, digest), *_signatures()]
    paper.build(story, canvasmaker=partial(Numbered, title=title, maker=maker, digest=digest))
    return file.getvalue()


def _where(found: Dossier) -> str:
    return ", ".join(line.name for line in found.asked.lines)


def _facts(facts: Sequence[tuple[str, str]]) -> Any:
    return table([[said(name, quiet=True), said(value)] for name, value in facts], (1, 3), head=False)


def _short_facts(facts: Sequence[tuple[str, str]]) -> Any:
    """Facts of a few words, two in a row."""
    cells = [[said(name, quiet=True), said(value)] for name, value in facts]
    cells += [["", ""]] * (len(cells) % 2)
    return table(
        [[*left, *right] for left, right in zip(cells[::2], cells[1::2], strict=True)], (1, 1.6, 1, 1.6), head=False
    )


def _first(found: Dossier, by: User, now: datetime) -> Story:
    """The sentence, who and when, what was asked for, and what kind of evidence it is."""
    kind = found.asked.evidence
    title, result = said(_("Agreement of people and model"), "title"), said(sentence(found.report), "sentence")
    # xgettext:no-python-format
    confidence = _("95 % confidence, two-sided")
    facts = [*made(found, by, now), *filters(found), (_("Intervals"), confidence)]
    label = said(_("Evidence: {kind}").format(kind=_(kind)), bold=True)
    note = table([[[label, said(EVIDENCE[kind])]]], (1,), head=False, more=shaded())
    long = _facts([*models(found)[:3], (_("Rows"), rows_counted(found))])
    return [title, result, GAP, _short_facts(facts), long, GAP, note]


def _counted(found: Dossier) -> Story:
    """The 2x2 table, every figure with its counts and interval, and what is in none of them."""
    report = found.report
    both_ok, overkill, escape, both_scratched = tiles(report)
    cells = [
        heads("", _("Model: ok"), _("Model: scratched")),
        [said(_("Person: ok"), bold=True), _cell(both_ok), _cell(overkill)],
        [said(_("Person: scratched"), bold=True), _cell(escape), _cell(both_scratched)],
    ]
    # xgettext:no-python-format
    interval = _("95 % interval")
    figures = [heads(_("Figure"), _("Value"), interval, "", _("In words"), right=(1,))]
    figures += [_figure(figure) for figure in figures_of(report)]
    left = [heads(_("Not counted"), _("Pairs"), _("Why"), right=(1,))]
    left += [[said(row.words), said(f"{row.n:,}", right=True), said(row.why)] for row in left_out(report)]
    told = table(left, (2.4, 0.8, 3.4)) if len(left) > 1 else said(_("Every pair that was asked for is counted."))
    return [
        KeepTogether([said(_("Person and model"), "heading"), table(cells, (1.2, 2, 2), more=boxed())]),
        KeepTogether([said(_("Figures"), "heading"), table(figures, (1.4, 0.75, 1.25, 1.3, 3.2))]),
        KeepTogether([said(_("What is not counted, and why"), "heading"), told]),
    ]


def _cell(tile: Any) -> list[Any]:
    words = [said(tile.label, "small", quiet=True), said(f"{tile.count:,}", "sentence", bold=True)]
    return [*words, said(tile.note, "small", quiet=True)] if tile.note else words


def _figure(figure: Shown) -> list[Any]:
    if not figure.defined:
        return [said(figure.name), "", "", "", said(figure.words, quiet=True)]
    bar = Chart(figure.bar, BAR)
    return [
        said(figure.name),
        said(figure.words, bold=True, right=True),
        bar,
        said(figure.between),
        said(figure.counts),
    ]


def _people(found: Dossier) -> Story:
    """People against people beside person and model."""
    told = people_rows(found)
    shown = [said(_("People against people, the ceiling"), "heading"), said(people_sentence(found) or _(
        "No two people have judged the same part in this span, so there is no ceiling to hold the model against."
    ))]  # fmt: skip
    if len(told) > 1:
        rows_ = [heads(_("Who"), _("Agreement"), _("Positive agreement"), _("Kappa"))]
        rows_ += [
            [[said(row.name, bold=True), said(row.about, "small", quiet=True)], *map(_short, row.figures)]
            for row in told
        ]
        shown += [
            GAP,
            table(rows_, (2.4, 1.6, 1.6, 1.6)),
            *(said(note, "small", quiet=True) for note in people_notes(found.people)),
        ]
    return [KeepTogether(shown)]


def _short(figure: Shown) -> list[Any]:
    if not figure.defined:
        return [said(figure.words, "small", quiet=True)]
    counts = f"{figure.between} (n {figure.parts:,})"
    return [said(figure.words, bold=True), Chart(figure.bar, BAR), said(counts, "small", quiet=True)]


def _trends(run: Course) -> Story:
    """The charts of the page, and what is marked on them in words."""
    half = COLUMN / 2 - 4 * mm
    charts = [
        [said(trend.title, bold=True), Chart(trend.chart, half) if trend.chart else said(trend.whole.words)]
        for trend in run.trends
    ]
    words: Story = [said(_("Releases, level changes and alarms"), bold=True)]
    for mark in run.marks:
        for event in mark.events:
            words.append(said(f"{event.day.isoformat()}  {event.words}", "small"))
    if not run.marks:
        words.append(said(_("None in this span."), quiet=True))
    few = len(words) < 14
    grid: list[list[Any]] = [[charts[0], charts[1]], [charts[2], words if few else ""]]
    drawn = KeepTogether([said(_("Trend"), "heading"), table(grid, (1, 1), head=False, more=plain())])
    return [drawn, *([] if few else words)]


def _scores(found: Dossier) -> Story:
    plots = score_plots(found.report)
    if not plots:
        return [said(_("Scores"), "heading"), said(why_no_scores(found.report))]
    third = COLUMN / 3 - 4 * mm
    row: list[Any] = [
        [said(plot.name, bold=True), Chart(plot.svg, third), said(plot.reading, "small", quiet=True)] for plot in plots
    ]
    return [KeepTogether([said(_("Scores"), "heading"), table([row], (1, 1, 1), head=False, more=plain())])]


def _groups(found: Dossier, run: Course) -> Story:
    """The table of the page, and the numbers behind the trend where that is another."""
    group_by = found.asked.group_by
    story = [*_group_table(group_by, rows(found.report.groups))]
    if group_by != run.step:
        story += _group_table(run.step, run.rows)
    return story


def _group_table(group_by: str, found: Sequence[Row]) -> Story:
    head = heads(
        _(group_by).capitalize(), _("Parts"), _("Both ok"), _("Overkill"), _("Escape"), _("Both scratched"), _("Miss rate"),
        _("False-alarm rate"), _("Agreement"), right=range(1, 6),
    )  # fmt: skip
    body = [head]
    for row in found:
        counts = row.group.confusion
        numbers = (counts.n, counts.both_ok, counts.overkill, counts.escape, counts.both_scratched)
        body.append([
            said(row.group.name, "small"), *(said(f"{n:,}", "small", right=True) for n in numbers),
            *(said(_rate(figure), "small") for figure in row.figures),
        ])  # fmt: skip
    title = _("By {group}").format(group=_(group_by))
    return [
        CondPageBreak(40 * mm),
        said(title, "heading", alone=True),
        table(body, (1.3, 0.7, 0.7, 0.95, 0.85, 1.05, 1.75, 1.7, 1.7)),
    ]


def _rate(figure: Shown) -> str:
    return f"{figure.words} ({figure.between.rstrip(PERCENT)})" if figure.defined else "-"


def _methods() -> Story:
    formulas = [heads(_("Figure"), _("Computed as"), _("Source"))]
    formulas += [[said(row.name), said(row.formula), said(row.source, "small", quiet=True)] for row in FORMULAS]
    return [
        said(_("How the figures are computed"), "heading"), table(formulas, (1.3, 2.8, 2.6)), GAP, said(NO_CERTIFICATE),
        said(_("What the words mean"), "heading"), _short_facts([(str(name), str(words)) for name, words in DEFINITIONS]),
    ]  # fmt: skip


def _identity(found: Dossier, digest: str) -> Story:
    facts = [
        (_("Software"), software()),
        *models(found),
        (_("Rows"), rows_counted(found)),
        (_("SHA-256 of the JSON export"), digest),
    ]
    return [
        KeepTogether(
            [said(_("What it was made with, and how to check it"), "heading"), _facts(facts), GAP, said(HOW_TO_CHECK)]
        )
    ]


def _signatures() -> Story:
    """A line each for whoever answers for the report."""
    gap, under = Spacer(0, 11 * mm), _("name, date, signature")
    boxes = [
        [
            [gap, ruled(COLUMN / 3 - 12), said(words, "small", bold=True), said(under, "small", quiet=True)]
            for words in SIGNED
        ]
    ]
    return [KeepTogether([said(_("Signatures"), "heading"), table(boxes, (1, 1, 1), head=False, more=plain())])]
