"""Training items from a CSV, or from the verdicts of a line."""

from collections import defaultdict
from pathlib import Path

from django.db.models import Exists, OuterRef, Q

from inspection.importing import Row, read_list
from inspection.models import DispositionOutcome, Inspection, Line, Outcome, Reference, Truth
from inspection.photos import path_of
from inspection.refusals import BadInput
from shadow.models import TrainingPart
from shadow.vision.marks import Box
from shadow.vision.training import TrainingItem


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
    return [TrainingItem(row.path, row.label == "scratched", row.group, row.mask) for row in rows_of(data, split)]


def _boxes(part: Inspection) -> dict[int, list[Box]]:
    """Where people marked scratches, by photo; empty when nobody marked any."""
    boxes: dict[int, list[Box]] = defaultdict(list)
    for verdict in part.verdicts.all():
        for defect in verdict.defects.all():
            if verdict.outcome == Outcome.SCRATCHED and defect.kind.rejects:
                boxes[defect.photo_id].append((defect.x, defect.y, defect.width, defect.height))
    return boxes


def items_of_line(line: Line, split: str | None) -> list[TrainingItem]:
    """The judged parts of a line, each photo with the outcome that people gave it; a serial's photos are one group.

    Where a supervisor settled a part's label that one holds, and an empty one takes the part out. Photos that measure
    people are never taught: neither seeded parts nor the references behind them.
    """
    settled = _settled_labels(line)
    taught = Exists(TrainingPart.objects.filter(inspection=OuterRef("pk")))
    parts = Inspection.objects.unseeded().filter(Q(state="decided") | Q(taught), line=line)
    parts = parts.exclude(Exists(Reference.objects.filter(inspection=OuterRef("pk"), retired_at=None)))
    parts = parts.order_by("pk").prefetch_related("photos", "dispositions", "verdicts__defects__kind")
    if split:
        parts = parts.filter(split=split)
    items = [item for part in parts for item in _items_of(part, settled.get(part.pk, _judged(part)))]
    if not items:
        raise BadInput(f"{line.name} has no judged part to train on. Judge parts, or import history first.")
    return items


def _settled_labels(line: Line) -> dict[int, str]:
    """What supervisors settled, by part; the last row of a part holds."""
    rows = TrainingPart.objects.filter(inspection__line=line).order_by("pk")
    return dict(rows.values_list("inspection_id", "label"))


def _judged(part: Inspection) -> str:
    """What people made of the part; empty: nothing, and the machine's own decisions teach nothing."""
    by_people = [disposition for disposition in part.dispositions.all() if not disposition.by_machine]
    if not by_people:
        return ""
    return Truth.SCRATCHED if by_people[-1].outcome == DispositionOutcome.REJECT else Truth.OK


def _items_of(part: Inspection, label: str) -> list[TrainingItem]:
    if not label:
        return []
    scratched = label == Truth.SCRATCHED
    boxes = _boxes(part) if scratched else {}
    return [
        TrainingItem(
            path_of(photo.stored), scratched, part.serial, part=str(part.pk), boxes=tuple(boxes.get(photo.pk, ()))
        )
        for photo in part.photos.all()
        if photo.pk in boxes or not boxes  # a photo without a mark, beside one with, may show nothing
    ]
