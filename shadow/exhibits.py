"""What a page shows of a compared part: its photos with the person's marks, the model's marks and the heat map."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inspection.models import Defect, Line, Photo
from inspection.prepared import GivenKeys, Prepared
from shadow.models import HeatMap, Prediction
from shadow.pairs import Pair

AROUND = 0.01  # of the photo, both sides together

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


def exhibits(found: Sequence[Pair], lines: Iterable[Line] = ()) -> list[Exhibit]:
    """The pairs with their photos, in five queries however many there are; four where their `lines` are given."""
    parts = [pair.inspection_id for pair in found]
    predictions = [pair.prediction_id for pair in found]
    photos = _by(_PHOTOS(parts=parts), "inspection_id")
    defects = _by(_DEFECTS(parts=parts), "photo_id")
    marks = dict(_MARKS(predictions=predictions))
    heat = dict(_HEAT(predictions=predictions))
    line_of = {line.slug: line for line in lines} or Line.objects.in_bulk(
        {pair.line for pair in found}, field_name="slug"
    )
    return [
        Exhibit(pair, tuple(
            View(
                photo, tuple(Mark(_visible(d.box), f"{d.kind.name}, {d.severity}") for d in defects[photo.pk]),
                _model_marks(marks.get(pair.prediction_id), photo.position),
                photo.position < heat.get(pair.prediction_id, 0),
            )
            for photo in photos[pair.inspection_id]
        ), line_of[pair.line])
        for pair in found
    ]  # fmt: skip


_PHOTOS = Prepared(lambda: Photo.objects.filter(inspection__in=GivenKeys("parts")).order_by("position"))
_DEFECTS = Prepared(
    lambda: Defect.objects.filter(verdict__inspection__in=GivenKeys("parts")).select_related("kind").order_by("pk")
)
_MARKS = Prepared(lambda: Prediction.objects.filter(pk__in=GivenKeys("predictions")).values_list("pk", "marks"))
_HEAT = Prepared(
    lambda: HeatMap.objects.filter(prediction__in=GivenKeys("predictions")).values_list("prediction", "photos")
)


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
    """A box as it is drawn: a little outside what it marks, whose ends stay free; a point gets 2 % of the photo."""
    x, y, width, height = box
    more_x, more_y = max(AROUND, 0.02 - width), max(AROUND, 0.02 - height)
    return x - more_x / 2, y - more_y / 2, width + more_x, height + more_y
