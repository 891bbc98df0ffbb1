"""A line's judged parts as a data set to take along: a folder of photos and a CSV that imports, trains and evaluates."""

import csv
import getpass
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.importing import boxes_as_text
from inspection.models import DefectKind, Inspection, Line, Photo, Truth
from inspection.models.part import InspectionQuerySet
from inspection.photos import path_of
from inspection.refusals import BadInput
from shadow.days import EVERYTHING, Calendar, Span
from shadow.models import Prediction, Split
from shadow.pairs import pairs_of
from shadow.snapshots import deal, held_out
from shadow.training_data import (
    AT_ONCE,
    WITH_A_PART,
    Labelled,
    items_of_part,
    judged_parts,
    labelled,
    settled_on,
    telling,
    unmeasuring_parts,
)
from shadow.truth import Found, against, what_is_found
from shadow.vision.splits import NotEnoughData, TrainingItem

INDEX, CARD = "dataset.csv", "dataset.json"
COLUMNS = (
    "path", "label", "split", "serial", "inspection", "view", "lot", "station", "variant", "kind", "boxes",
    "received_at", "sha256",
)  # fmt: skip
IN_A_FOLDER = 1000  # parts


@dataclass(frozen=True)
class Chosen:
    """What goes into a data set: rows of its CSV without their split, by serial, and what stays behind, by reason."""

    rows: list[dict[str, str]] = field(default_factory=list)
    items: list[TrainingItem] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # parts, or photos where the reason begins so


def export_dataset(
    *, line: Line, folder: Path, by: str, span: Span = EVERYTHING, splits: Collection[str] = (),
    progress: Callable[[str], Any] = lambda words: None, now: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write a line's judged parts into a new folder, whole or not at all, and return what its card says.

    Labels are those that a training takes, but for a part that a supervisor's finding says more of. Serials held out
    for ever are `test`; the others are dealt as a training deals them, or have no split where they are too few. Nobody
    who judged is named. `splits` takes only those. Raises BadInput for a folder that is not new or cannot be written,
    and where nothing is left to export; StoreAway when the photos cannot be reached.
    """
    with hidden_beside(folder) as hidden:
        chosen = choose(line, span, progress)
        dealt, undealt = _dealt(chosen.items)
        rows = [{**row, "split": dealt[row["serial"]]} for row in chosen.rows]
        wanted = [row for row in rows if not splits or row["split"] in splits]
        chosen.left_out["of_another_split"] = len(_parts(rows)) - len(_parts(wanted))
        kept = list(_with_photos(wanted, hidden, chosen.left_out, progress))
        if not kept:
            raise _nothing_to_export(line, chosen.left_out)
        digest = _write_index(hidden / INDEX, kept)
        told = {
            "from": str(span.start or ""), "to": str(span.end or ""),
            "parts": len(_parts(kept)), "photos": len(kept), "labels": _counted(kept, "label"),
            "splits": _counted(kept, "split"), "left_out": _told(chosen.left_out), "undealt": undealt, "sha256": digest,
        }  # fmt: skip
        card = {"line": line.slug, **told, "exported_at": (now or timezone.now()).isoformat()}
        _write(hidden / CARD, json.dumps(card, indent=2).encode() + b"\n")
        os.sync()  # the folder takes its name when all of it would outlive a power cut
        with transaction.atomic():
            audit.record("data_set_exported", by=by, line=line.slug, folder=str(folder), account=_account(), **told)
            _renamed(hidden, folder)
    return {"folder": str(folder), **card}


def _nothing_to_export(line: Line, left_out: Counter[str]) -> BadInput:
    counts = [f"{reason.replace('_', ' ')} {count}" for reason, count in _told(left_out).items()]
    words = _("{line} has nothing to export here. Left out: {reasons}.")
    return BadInput(words.format(line=line.name, reasons=", ".join(counts) or _("nothing")))


@contextmanager
def hidden_beside(folder: Path) -> Iterator[Path]:
    """A new hidden folder beside `folder`, which is gone at the end unless it was renamed.

    Raises BadInput when `folder` is there and not empty, and when the disk refuses.
    """
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise BadInput(_("{folder} is there already. Name a new folder.").format(folder=folder))
        folder.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _renamed(hidden: Path, folder: Path) -> None:
    try:
        os.rename(hidden, folder)
    except OSError as error:  # somebody has made it meanwhile
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> BadInput:
    words = _("The data set cannot be written to {folder}: {reason}.")
    return BadInput(words.format(folder=folder, reason=error.strerror or error))


# ---- What goes in


def choose(line: Line, span: Span, progress: Callable[[str], Any]) -> Chosen:
    """The parts of a span by which something can be learnt, with their labels, and how many are left out and why."""
    chosen, calendar = Chosen(), Calendar(line)
    settled, found = settled_on(line), _found_on(line)
    judged = _received(judged_parts(line), span, line)
    _count_the_rest(chosen.left_out, line, span, judged, calendar)
    total = judged.count()
    parts = judged.order_by("pk").select_related("station", "variant").prefetch_related(*WITH_A_PART)
    for number, part in enumerate(parts.iterator(chunk_size=AT_ONCE), 1):
        if span.holds(part.received_at, calendar):
            one = labelled(part, settled.get(part.pk))
            findings = found.get(part.pk)
            if one is None:
                chosen.left_out["taken_out_by_a_supervisor" if part.pk in settled else "decided_by_the_machine"] += 1
            elif findings and not one.taught and against(findings):
                chosen.left_out["contested"] += 1
            else:
                _take(chosen, one if one.taught or not findings else _as_found(one, findings))
        if number % AT_ONCE == 0 or number == total:
            progress(f"{number:,} of {total:,} parts looked through")
    return chosen


def _found_on(line: Line) -> dict[int, Found]:
    """What supervisors' findings come to, by part."""
    settled = Prediction.objects.filter(inspection__line=line, adjudications__isnull=False).distinct()
    pairs = defaultdict(list)
    for pair in pairs_of(settled):
        pairs[pair.inspection_id].append(pair)
    return {part: what_is_found(found[0].serial, found) for part, found in pairs.items()}


def _as_found(one: Labelled, found: Found) -> Labelled:
    return replace(one, label=found.truth, boxes=one.boxes if found.truth == Truth.SCRATCHED else {})


def _received(parts: InspectionQuerySet, span: Span, line: Line) -> InspectionQuerySet:
    """Those that arrived in a span, and some of the days beside it: its calendar says which."""
    start, end = span.moments(line)
    parts = parts.filter(received_at__gte=start) if start else parts
    return parts.filter(received_at__lt=end) if end else parts


def _count_the_rest(
    left_out: Counter[str], line: Line, span: Span, judged: InspectionQuerySet, calendar: Calendar
) -> None:
    everything, unmeasuring = (
        _received(parts, span, line) for parts in (Inspection.objects.filter(line=line), unmeasuring_parts(line))
    )

    def count(parts: InspectionQuerySet, without: InspectionQuerySet) -> int:
        arrived = parts.exclude(pk__in=without.values("pk")).values_list("received_at", flat=True)
        if span == EVERYTHING:
            return arrived.count()
        return sum(span.holds(at, calendar) for at in arrived.iterator(chunk_size=5000))

    left_out["measures_people"] = count(everything, unmeasuring)
    left_out["not_judged"] = count(unmeasuring, judged)


def _take(chosen: Chosen, one: Labelled) -> None:
    part, photos = one.part, list(one.part.photos.all())
    shown = telling(photos, one.boxes)
    chosen.left_out["photos_without_the_mark"] += len(photos) - len(shown)
    chosen.items.extend(items_of_part(part, photos, one.label, one.boxes))
    kinds = _kinds(one)
    fields = {
        "label": one.label, "serial": part.serial, "inspection": str(part.pk), "lot": part.lot,
        "station": part.station.slug if part.station else "", "variant": part.variant.slug if part.variant else "",
        "received_at": part.received_at.isoformat(),
    }  # fmt: skip
    chosen.rows.extend(
        {
            **fields, "path": _path_of(part, photo), "view": photo.view, "sha256": photo.stored,
            "kind": "; ".join(sorted(kinds[photo.pk])), "boxes": boxes_as_text(one.boxes.get(photo.pk, ())),
        }
        for photo in shown
    )  # fmt: skip


def _path_of(part: Inspection, photo: Photo) -> str:
    """By the part, not by its digest: the path is in an import's key, and two parts may have the same photo."""
    return f"photos/{part.pk // IN_A_FOLDER}/{part.pk}-{photo.position + 1}.{photo.format.lower()}"


def _kinds(one: Labelled) -> Mapping[int, set[str]]:
    """The kinds of defect that people marked, by photo; a kind that rejects only of a part that is scratched."""

    def stands(kind: DefectKind) -> bool:
        return one.label == Truth.SCRATCHED or not kind.rejects

    kinds: dict[int, set[str]] = defaultdict(set)
    for verdict in one.part.verdicts.all():
        for defect in verdict.defects.all():
            if stands(defect.kind):
                kinds[defect.photo_id].add(defect.kind.slug)
    return kinds


def _dealt(items: list[TrainingItem]) -> tuple[dict[str, str], str]:
    """What each serial is for, and why the others than those held out are for nothing yet (empty: they are dealt)."""
    held = held_out()
    try:
        return {serial: str(split) for serial, split in deal(items, held, seed=0).items()}, ""
    except NotEnoughData as error:
        return {item.group: str(Split.TEST) if held(item.group) else "" for item in items}, str(error)


# ---- How it is written


def _with_photos(
    rows: list[dict[str, str]], folder: Path, left_out: Counter[str], progress: Callable[[str], Any]
) -> Iterator[dict[str, str]]:
    """The rows whose photos are kept still, each with its photo written."""
    for number, row in enumerate(rows, 1):
        try:
            data = path_of(row["sha256"]).read_bytes()
        except FileNotFoundError:
            left_out["photos_not_kept"] += 1
        else:
            _write(folder / row["path"], data)
            yield row
        progress(f"{number:,} of {len(rows):,} photos")


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise _unwritable(path.parent, error) from None


def _write_index(path: Path, rows: list[dict[str, str]]) -> str:
    """Write the CSV and return its SHA-256, which tells of the photos too: theirs are in it."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise _unwritable(path, error) from None


def _parts(rows: list[dict[str, str]]) -> set[str]:
    return {row["inspection"] for row in rows}


def _counted(rows: list[dict[str, str]], column: str) -> dict[str, int]:
    """Parts by what a column says of them."""
    return dict(sorted(Counter({row["inspection"]: row[column] for row in rows}.values()).items()))


def _told(left_out: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in left_out.items() if count}


def _account() -> str:
    """Whose shell it was, as the system names it: a command has no other actor."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return str(os.getuid())
