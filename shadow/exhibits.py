"""What a page shows of a compared part: its photos with the person's marks, the model's marks and the heat map."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from inspection.models import Correction, Defect, Disposition, Line, Photo, User, Verdict
from inspection.people import names_for
from shadow.models import Adjudication, HeatMap, Prediction
from shadow.pairs import Pair

Box = tuple[float, float, float, float]  # x, y, width, height in shares of the photo


@dataclass(frozen=True)
class Mark:
    """A box, or for a point a small one around it, with what it says."""

    box: Box
    words: str


@dataclass(frozen=True)
class View:
    """One photo of the part. `heat`: the prediction has a heat map of it."""

    photo: Photo
    person: tuple[Mark, ...]
    model: tuple[Mark, ...]
    heat: bool


@dataclass(frozen=True)
class Exhibit:
    """A pair with its photos; `first` is the one to look at first: marked by the person, or by the model."""

    pair: Pair
    views: tuple[View, ...]
    line: Line

    @property
    def first(self) -> View | None:
        for marked in (lambda view: view.person, lambda view: view.model):
            for view in self.views:
                if marked(view):
                    return view
        return self.views[0] if self.views else None

    def view(self, position: int | None) -> View | None:
        """The photo at a position, or the first to look at."""
        return next((view for view in self.views if view.photo.position == position), self.first)


def exhibits(found: Sequence[Pair]) -> list[Exhibit]:
    """The pairs with their photos, in five queries however many there are."""
    parts = [pair.inspection_id for pair in found]
    predictions = [pair.prediction_id for pair in found]
    photos = _by(Photo.objects.filter(inspection__in=parts).order_by("position"), "inspection_id")
    defects = _by(Defect.objects.filter(verdict__inspection__in=parts).select_related("kind"), "photo_id")
    marks = dict(Prediction.objects.filter(pk__in=predictions).values_list("pk", "marks"))
    heat = dict(HeatMap.objects.filter(prediction__in=predictions).values_list("prediction", "photos"))
    lines = Line.objects.in_bulk({pair.line for pair in found}, field_name="slug")
    return [
        Exhibit(pair, tuple(
            View(
                photo, tuple(Mark(_visible(d.box), f"{d.kind.name}, {d.severity}") for d in defects[photo.pk]),
                _model_marks(marks.get(pair.prediction_id), photo.position),
                photo.position < heat.get(pair.prediction_id, 0),
            )
            for photo in photos[pair.inspection_id]
        ), lines[pair.line])
        for pair in found
    ]  # fmt: skip


def _by(rows: Iterable[Any], key: str) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, key)].append(row)
    return found


def _model_marks(marks: Any, position: int) -> tuple[Mark, ...]:
    return tuple(
        Mark(_visible(mark["box"]), f"heat {mark['score']:.2f}") for mark in marks or () if mark["photo"] == position
    )


def _visible(box: Sequence[float]) -> Box:
    """A box that can be seen: a point or a line gets 2 % of the photo around it."""
    x, y, width, height = box
    more_x, more_y = max(0.0, 0.02 - width), max(0.0, 0.02 - height)
    return x - more_x / 2, y - more_y / 2, width + more_x, height + more_y


@dataclass(frozen=True)
class Told:
    """One thing that happened to a part."""

    at: datetime
    by: str
    words: str


def history(pair: Pair, reader: User) -> list[Told]:
    """What people and the machine said and did about the part, oldest first. Who judged goes by a pseudonym."""
    told = [Told(pair.received_at, _("station"), _("The part arrived."))]
    verdicts = list(Verdict.objects.filter(inspection=pair.inspection_id).select_related("inspector"))
    names = names_for(reader, [verdict.inspector for verdict in verdicts])
    for verdict in verdicts:
        comment = f", “{verdict.comment}”" if verdict.comment else ""
        words = f"{verdict.get_occasion_display()}: {_lower(verdict.get_outcome_display())}{comment}"
        told.append(Told(verdict.at, names.get(verdict.inspector_id or 0, _("import")), words))
    for correction in Correction.objects.filter(verdict__inspection=pair.inspection_id).select_related("by"):
        author = names.get(correction.by_id, str(correction.by))  # who has not judged the part signs for it
        words = _("Corrected to {outcome}: {reason}")
        outcome = _lower(correction.get_outcome_display())
        told.append(Told(correction.at, author, words.format(outcome=outcome, reason=correction.reason)))
    for disposition in Disposition.objects.filter(inspection=pair.inspection_id):
        who = _("machine") if disposition.by_machine else _("system")
        words = _("Disposition {outcome}: {reason}")
        outcome, reason = _lower(disposition.get_outcome_display()), _(disposition.reason) if disposition.reason else ""
        told.append(Told(disposition.at, who, words.format(outcome=outcome, reason=reason)))
    for prediction in Prediction.objects.filter(inspection=pair.inspection_id).select_related("version"):
        answer = prediction.null_reason
        if not answer:
            words = _("{outcome}, score {score:.3f}")
            answer = words.format(outcome=_lower(prediction.get_outcome_display()), score=prediction.score)
        told.append(Told(prediction.at, prediction.version.name, _("Model: {answer}").format(answer=answer)))
    for row in Adjudication.objects.filter(prediction=pair.prediction_id).select_related("by"):
        told.append(Told(row.at, str(row.by), f"{row.get_finding_display()}: {row.reason}"))
    return sorted(told, key=lambda row: row.at)


def _lower(label: str) -> str:
    """A label inside a sentence."""
    return str(label).lower()
