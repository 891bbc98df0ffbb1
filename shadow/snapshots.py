"""Takes a line's judged parts down as they are now, says what each is for, and reads them back to train on."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Line, User
from inspection.refusals import BadInput
from shadow.models import Adjudication, HeldOut, Snapshot, SnapshotPart, Split
from shadow.training_data import AT_ONCE, Labelled, items_of_part, labelled_parts
from shadow.vision.splits import TrainingItem, split_by_group

WRITTEN = 1000  # rows of a statement


def is_held(key: str, serial: str, share: float) -> bool:
    """Whether no training learns from a serial: a keyed hash decides, so nobody can choose, and it never changes.

    >>> sum(is_held("k", f"SN{n}", 0.15) for n in range(10_000))
    1561
    """
    digest = hmac.new(key.encode(), f"held:{serial}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def held_out() -> Callable[[str], bool]:
    """Says of a serial whether it is held out."""
    row, _new = HeldOut.objects.get_or_create(pk=1)
    return lambda serial: is_held(row.key, serial, row.share)


def deal(items: Sequence[TrainingItem], held: Callable[[str], bool], seed: int) -> dict[str, Split]:
    """What each serial is for: those held out to test, the others dealt to learn from and to calibrate on.

    Raises NotEnoughData.
    """
    dealt = split_by_group([item for item in items if not held(item.group)], seed)
    splits = {group: Split.CALIBRATE if split == "calibrate" else Split.TRAIN for group, split in dealt.items()}
    return splits | {item.group: Split.TEST for item in items if held(item.group)}


def take_snapshot(*, line: Line, by: User | str, now: datetime, seed: int = 0, only: str | None = None) -> Snapshot:
    """Write down the line's judged parts with their labels. `only` takes those whose import named that split.

    Raises BadInput without a judged part, NotEnoughData (a ValueError) where they cannot be split.
    """
    return written(dealt_parts(line, seed=seed, only=only), line=line, by=by, now=now)


Dealt = tuple[list[SnapshotPart], str]  # the rows to write, and the digest of what they teach


def dealt_parts(line: Line, *, seed: int = 0, only: str | None = None) -> Dealt:
    """What a snapshot holds, read and dealt but not written: a long history takes minutes, in which nothing may be locked."""
    found = list(labelled_parts(line, only))
    if not found:
        words = _("{line} has no judged part to train on. Judge parts, or import history first.")
        raise BadInput(words.format(line=line.name))
    splits = deal([item for one in found for item in one.items], held_out(), seed)
    findings = _findings(line)
    rows = [_row(one, splits[one.part.serial], findings.get(one.part.pk, "")) for one in found]
    return rows, _digest(zip(rows, found, strict=True))


@transaction.atomic
def written(dealt: Dealt, *, line: Line, by: User | str, now: datetime) -> Snapshot:
    """Write the rows of a snapshot."""
    rows, digest = dealt
    snapshot = Snapshot.objects.create(line=line, digest=digest, size=len(rows), by=audit.name_of(by), at=now)
    for row in rows:
        row.snapshot = snapshot
    SnapshotPart.objects.bulk_create(rows, batch_size=WRITTEN)
    return snapshot


def _findings(line: Line) -> dict[int, str]:
    """What supervisors found last on any version's answer, by part."""
    rows = Adjudication.objects.filter(prediction__inspection__line=line).order_by("pk")
    return dict(rows.values_list("prediction__inspection_id", "finding"))


def _row(one: Labelled, split: Split, finding: str) -> SnapshotPart:
    return SnapshotPart(
        inspection=one.part, label=one.label, split=split, taught=one.taught, verdict=one.verdict, finding=finding,
        boxes={str(photo): boxes for photo, boxes in one.boxes.items()},
    )  # fmt: skip


def _digest(rows: Iterable[tuple[SnapshotPart, Labelled]]) -> str:
    """Of what is taught: the photos by their content, never who judged them."""
    told = hashlib.sha256()
    for row, one in rows:
        photos = [photo.stored for photo in one.part.photos.all()]
        told.update(json.dumps([one.part.serial, row.label, row.split, photos, row.boxes]).encode())
    return told.hexdigest()


def items_of(snapshot: Snapshot) -> list[TrainingItem]:
    """The snapshot's photos as a training takes them."""
    return [item for row in rows_of(snapshot) for item in items_of_row(row)]


def rows_of(snapshot: Snapshot, split: Split | None = None) -> Iterator[SnapshotPart]:
    """Its parts with their photos at hand, of one split or of all."""
    rows = snapshot.parts.select_related("inspection").prefetch_related("inspection__photos")
    return iter((rows.filter(split=split) if split else rows).iterator(chunk_size=AT_ONCE))


def items_of_row(row: SnapshotPart) -> list[TrainingItem]:
    boxes = {int(photo): [tuple(box) for box in marked] for photo, marked in row.boxes.items()}
    return items_of_part(row.inspection, row.inspection.photos.all(), row.label, boxes, row.split)
