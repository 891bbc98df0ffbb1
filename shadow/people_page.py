"""How the report shows people against people beside person against model, and what it says of the parts behind it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shadow.agreement import Confusion, PeopleTable
from shadow.ceiling import NEWEST, Ceiling, People
from shadow.charts import percent
from shadow.dossier import Dossier
from shadow.report_page import Shown, scale_of, shown

IN_ROWS = ("agreement", "positive_agreement", "kappa")
ROWS = {
    "drawn": (gettext_lazy("Two people"), gettext_lazy("parts drawn at random and shown again")),
    "chosen": (gettext_lazy("Two people"), gettext_lazy("parts of known truth: chosen, not drawn")),
    "looked": (gettext_lazy("Two people"), gettext_lazy("second looks: asked for because somebody doubted")),
    "within": (gettext_lazy("The same person twice"), gettext_lazy("parts shown again to their first judge")),
}


@dataclass(frozen=True)
class PeopleRow:
    """One pair of judges: who they are, which parts, and how far they agree. `model`: one of the two is the model."""

    name: str
    about: str
    model: bool
    figures: tuple[Shown, ...]


def people_rows(found: Dossier) -> list[PeopleRow]:
    """Person and model first, then people against people; ways in which no part was judged twice are left out."""
    ways = {way: getattr(found.people, way) for way in ROWS}
    tables = {way: people.table for way, people in ways.items() if people.table.n}
    scales = {
        name: scale_of([getattr(table, name) for table in (found.report.confusion, *tables.values())], name)
        for name in IN_ROWS
    }

    def row(name: str, about: str, table: Confusion | PeopleTable, model: bool) -> PeopleRow:
        return PeopleRow(name, about, model, tuple(shown(each, table, **scales[each]) for each in IN_ROWS))

    rows = [row(_("Person and model"), _("the parts of this report"), found.report.confusion, True)]
    for way, table in tables.items():
        rows.append(row(str(ROWS[way][0]), _about(way, ways[way]), table, False))
    return rows


def _about(way: str, people: People) -> str:
    """Which parts these are. Answers to one part hang together, so several of them are told from several parts."""
    words = [str(ROWS[way][1])]
    if people.parts < people.table.n:
        words.append(
            _("{n:,} pairs on {parts:,} parts, so the interval is too narrow").format(
                n=people.table.n, parts=people.parts
            )
        )
    if people.table.unsure:
        words.append(_("{n:,} more unsure").format(n=people.table.unsure))
    return "; ".join(words)


def people_sentence(found: Dossier) -> str:
    """The ceiling in a sentence; empty where no two people judged the same part."""
    best = found.people.best.table
    if not best.n:
        return ""
    people, model = shown("agreement", best), found.report.confusion.agreement
    if model.value is None:
        words = _("Two people agree on {share} of the parts both judged, {between}.")
        return words.format(share=people.words, between=people.between)
    words = _("Two people agree on {share} of the parts both judged, {between}; person and model on {model}.")
    return words.format(share=people.words, between=people.between, model=percent(model.value))


def people_notes(found: Ceiling) -> list[str]:
    """What must be known to read these figures."""
    notes = []
    if found.best.table.n and not found.drawn.table.n:
        notes.append(_(
            "The parts that two people judged were chosen, not drawn at random, and such parts are often harder or "
            "plainer than the line's own: the figure is no ceiling of the line's parts."
        ))  # fmt: skip
    if found.cut:
        notes.append(_("The newest {n:,} parts shown again stand for the span.").format(n=NEWEST))
    if found.best.table.n:
        notes.append(_("Nobody saw the model's answer to these parts; neither of the two is held right."))
    return notes
