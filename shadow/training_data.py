"""What there is to learn from: the photos of a CSV, or the judged parts of a line with whose label each has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from inspection.importing import Row, read_list
from inspection.models import DispositionOutcome, Inspection, Line, Outcome, Photo, Reference, Truth, Verdict
from inspection.models.part import InspectionQuerySet
from inspection.photos import path_of
from inspection.refusals import BadInput
from shadow.models import TrainingPart
from shadow.vision.splits import TrainingItem

if TYPE_CHECKING:
    from scoring.marks import Box

AT_ONCE = 500  # parts read together: SQLite takes no longer lists
WITH_A_PART = ("photos", "dispositions__verdict", "verdicts__defects__kind")  # what `labelled` looks at


@dataclass(frozen=True)
class Labelled:
    """A part with its label, and whose it is: a supervisor's who settled it, or a verdict's."""

    part: Inspection
    label: str
    taught: TrainingPart | None
    verdict: Verdict | None
    boxes: Mapping[int, Sequence[Box]]  # by photo

    @property
    def items(self) -> list[TrainingItem]:
        return items_of_part(self.part, self.part.photos.all(), self.label, self.boxes)


def rows_of(data: Path, split: str | None) -> list[Row]:
    """The labelled photos of a CSV, of one split or of all. Raises BadInput when there is none."""
    rows = [row for row in read_list(data) if row.label]
    if split:
        named = sorted({row.split for row in rows} - {""})
        rows = [row for row in rows if row.split == split]
        if not rows:
            known = ", ".join(named) or "none"
            raise BadInput(f"{data} has no labelled photo of split {split!r}. Its splits: {known}.")
    if not rows:
        raise BadInput(f"{data} has no labelled photo.")
    return rows


def items_of_csv(data: Path, split: str | None) -> list[TrainingItem]:
    """A photo each; photos of one phone, original or serial are one group and never straddle a split."""
    return [_item_of(row) for row in rows_of(data, split)]


def _item_of(row: Row) -> TrainingItem:
    part = f"{row.group}/{row.inspection}" if row.inspection else ""
    return TrainingItem(row.path, row.label == "scratched", row.group, row.mask, part=part, boxes=row.boxes)


def labelled_parts(line: Line, split: str | None = None) -> Iterator[Labelled]:
    """The judged parts of a line, each with the outcome that people gave it.

    Where a supervisor settled a part's label that one holds, and an empty one takes the part out.
    """
    settled = settled_on(line)
    parts = judged_parts(line).order_by("pk").prefetch_related(*WITH_A_PART)
    if split:
        parts = parts.filter(split=split)
    for part in parts.iterator(chunk_size=AT_ONCE):
        if found := labelled(part, settled.get(part.pk)):
            yield found


def judged_parts(line: Line) -> InspectionQuerySet:
    """Parts that were decided, or whose label a supervisor settled, and by which nobody is measured."""
    taught = Exists(TrainingPart.objects.filter(inspection=OuterRef("pk")))
    return unmeasuring_parts(line).filter(Q(state="decided") | Q(taught))


def unmeasuring_parts(line: Line) -> InspectionQuerySet:
    """Photos that measure people are never taught: neither seeded parts nor the references behind them."""
    references = Reference.objects.filter(inspection=OuterRef("pk"), retired_at=None)
    return Inspection.objects.unseeded().filter(line=line).exclude(Exists(references))


def settled_on(line: Line) -> dict[int, TrainingPart]:
    """What supervisors settled, by part; the last row of a part holds."""
    return {row.inspection_id: row for row in TrainingPart.objects.filter(inspection__line=line).order_by("pk")}


def labelled(part: Inspection, settled: TrainingPart | None) -> Labelled | None:
    """The machine's own decisions teach nothing."""
    by_people = [disposition for disposition in part.dispositions.all() if not disposition.by_machine]
    if settled:
        label, verdict = settled.label, None
    elif by_people:
        rejected = by_people[-1].outcome == DispositionOutcome.REJECT
        label, verdict = (Truth.SCRATCHED if rejected else Truth.OK).value, by_people[-1].verdict
    else:
        return None
    return Labelled(part, label, settled, verdict, _boxes(part) if label == Truth.SCRATCHED else {}) if label else None


def _boxes(part: Inspection) -> dict[int, list[Box]]:
    """Where people marked scratches, by photo; empty when nobody marked any."""
    boxes: dict[int, list[Box]] = defaultdict(list)
    for verdict in part.verdicts.all():
        for defect in verdict.defects.all():
            if verdict.outcome == Outcome.SCRATCHED and defect.kind.rejects:
                boxes[defect.photo_id].append((defect.x, defect.y, defect.width, defect.height))
    return dict(boxes)


def items_of_part(
    part: Inspection, photos: Iterable[Photo], label: str, boxes: Mapping[int, Sequence[Box]], split: str | None = None
) -> list[TrainingItem]:
    """The photos of a part as a training takes them; a serial's photos are one group."""
    return [
        TrainingItem(
            path_of(photo.stored), label == Truth.SCRATCHED, part.serial, split=split, part=str(part.pk),
            boxes=tuple(boxes.get(photo.pk, ())),
        )
        for photo in telling(photos, boxes)
    ]  # fmt: skip


def telling(photos: Iterable[Photo], boxes: Mapping[int, Sequence[Box]]) -> list[Photo]:
    """The photos of a part that its label tells of: one without a mark, beside one with, may show nothing."""
    return [photo for photo in photos if photo.pk in boxes or not boxes]


def items_of_line(line: Line, split: str | None) -> list[TrainingItem]:
    """The photos of `labelled_parts`. Raises BadInput when there is none."""
    items = [item for found in labelled_parts(line, split) for item in found.items]
    if not items:
        raise BadInput(f"{line.name} has no judged part to train on. Judge parts, or import history first.")
    return items
