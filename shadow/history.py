"""What happened to a compared part, told in order: judged, answered, decided, settled, looked at again, used."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from inspection.models import Containment, Correction, Disposition, Inspection, Outcome, Reference, User, Verdict
from inspection.people import names_for
from inspection.shown_again import second_looks
from shadow.models import Adjudication, Prediction, TrainingPart
from shadow.pairs import Pair
from shadow.uses import word_of


@dataclass(frozen=True)
class Told:
    """One thing that happened to a part. `kind` names its icon: person, model, supervisor, or part for what became of it."""

    at: datetime
    by: str
    words: str
    kind: str


def history(pair: Pair, reader: User) -> list[Told]:
    """What people and machines said and did about the part, oldest first.

    Who judged goes by a pseudonym; who settled, taught or kept signs with their name.
    """
    ways = (_judged, _decided, _answered, _settled, _looked_at_again, _used, _contained)
    told = [Told(pair.received_at, _("station"), _("The part arrived."), "part")]
    return sorted((*told, *(row for way in ways for row in way(pair, reader))), key=lambda row: row.at)


def _judged(pair: Pair, reader: User) -> Iterator[Told]:
    verdicts = list(Verdict.objects.filter(inspection=pair.inspection_id).select_related("inspector"))
    names = names_for(reader, [verdict.inspector for verdict in verdicts])
    for verdict in verdicts:
        comment = f", “{verdict.comment}”" if verdict.comment else ""
        words = f"{verdict.get_occasion_display()}: {_lower(verdict.get_outcome_display())}{comment}"
        yield Told(verdict.at, names.get(verdict.inspector_id or 0, _("import")), words, "person")
    for correction in Correction.objects.filter(verdict__inspection=pair.inspection_id).select_related("by"):
        author = names.get(correction.by_id, str(correction.by))  # who has not judged the part signs for it
        words = _("Corrected to {outcome}: {reason}")
        outcome = _lower(correction.get_outcome_display())
        yield Told(correction.at, author, words.format(outcome=outcome, reason=correction.reason), "person")


def _decided(pair: Pair, reader: User) -> Iterator[Told]:
    for disposition in Disposition.objects.filter(inspection=pair.inspection_id):
        who = _("machine") if disposition.by_machine else _("system")
        words = _("Disposition {outcome}: {reason}")
        outcome, reason = _lower(disposition.get_outcome_display()), _(disposition.reason) if disposition.reason else ""
        yield Told(disposition.at, who, words.format(outcome=outcome, reason=reason), "part")


def _answered(pair: Pair, reader: User) -> Iterator[Told]:
    for prediction in Prediction.objects.filter(inspection=pair.inspection_id).select_related("version"):
        answer = prediction.null_reason
        if not answer:
            words = _("{outcome}, score {score:.3f}")
            answer = words.format(outcome=_lower(prediction.get_outcome_display()), score=prediction.score)
        yield Told(prediction.at, prediction.version.name, _("Model: {answer}").format(answer=answer), "model")


def _settled(pair: Pair, reader: User) -> Iterator[Told]:
    rows = Adjudication.objects.filter(prediction__inspection=pair.inspection_id)
    for row in rows.select_related("by", "prediction__version"):
        words = f"{row.get_finding_display()}: {row.reason}"
        if row.prediction_id != pair.prediction_id:
            words = _("Against {model}: {finding}").format(model=row.prediction.version, finding=words)
        yield Told(row.at, str(row.by), words, "supervisor")


def _looked_at_again(pair: Pair, reader: User) -> Iterator[Told]:
    looks = second_looks(Inspection.objects.get(pk=pair.inspection_id))
    people = User.objects.filter(pk__in=[look.inspector_id for look in looks if look.inspector_id])
    names = names_for(reader, people)
    for look in looks:
        yield Told(look.asked_at, _signed(look.asked_by), _("Asked for a second look"), "supervisor")
        if look.at and look.inspector_id and look.outcome:
            words = _("Second person, blind: {outcome}").format(outcome=_lower(Outcome(look.outcome).label))
            yield Told(look.at, names[look.inspector_id], words, "person")


def _used(pair: Pair, reader: User) -> Iterator[Told]:
    for row in TrainingPart.objects.filter(inspection=pair.inspection_id).select_related("by"):
        words = (
            _("Into the training set as {label}: {reason}") if row.label else _("Left out of the training: {reason}")
        )
        label = word_of(row.label) if row.label else ""
        yield Told(row.at, str(row.by), words.format(label=label, reason=row.reason), "supervisor")
    for kept in Reference.objects.filter(inspection=pair.inspection_id).select_related("by", "retired_by"):
        words = _("Kept as a seeded part, known to be {truth}").format(truth=word_of(kept.truth))
        yield Told(kept.at, str(kept.by), words, "supervisor")
        if kept.retired_at:
            yield Told(kept.retired_at, str(kept.retired_by), _("No seeded part any more"), "supervisor")


def _contained(pair: Pair, reader: User) -> Iterator[Told]:
    for row in Containment.objects.filter(inspection=pair.inspection_id).select_related("closed_by"):
        words = _("Containment opened: {reason}").format(reason=_(row.reason))
        yield Told(row.opened_at, _signed(row.opened_by), words, "part")
        if row.closed_at:
            words = _("Containment closed: {cause}").format(cause=row.cause)
            yield Told(row.closed_at, str(row.closed_by), words, "part")


def _signed(username: str) -> str:
    """The name of who asked or opened, as under their other decisions; whatever the system did is the system's."""
    person = User.objects.filter(username=username).first()
    return str(person) if person else _(username)


def _lower(label: object) -> str:
    """A label inside a sentence."""
    return str(label).lower()
