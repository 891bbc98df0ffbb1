"""Training items from a CSV, or from the verdicts of a line."""

from collections import defaultdict
from pathlib import Path

from inspection.importing import Row, read_list
from inspection.models import Inspection, Line, Outcome
from inspection.photos import path_of
from inspection.refusals import BadInput
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
    """The judged parts of a line, each photo with the outcome that people gave it; a serial's photos are one group."""
    judged = Inspection.objects.filter(line=line, state="decided").order_by("pk")
    parts = judged.prefetch_related("photos", "dispositions", "verdicts__defects__kind")
    if split:
        parts = parts.filter(split=split)
    items = []
    for part in parts:
        by_people = [disposition for disposition in part.dispositions.all() if not disposition.by_machine]
        if not by_people:
            continue  # the machine's own decisions teach nothing
        scratched = by_people[-1].outcome == "reject"
        boxes = _boxes(part) if scratched else {}
        items += [
            TrainingItem(
                path_of(photo.stored), scratched, part.serial, part=str(part.pk), boxes=tuple(boxes.get(photo.pk, ()))
            )
            for photo in part.photos.all()
            if photo.pk in boxes or not boxes  # a photo without a mark, beside one with, may show nothing
        ]
    if not items:
        raise BadInput(f"{line.name} has no judged part to train on. Judge parts, or import history first.")
    return items
