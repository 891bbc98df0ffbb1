"""Reads what an import names: a folder of photos, or a CSV that lists them with labels."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from inspection.refusals import BadInput

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LABELS = {"", "ok", "scratched"}

Box = tuple[float, float, float, float]  # x, y, width, height in 0..1


@dataclass(frozen=True)
class Row:
    """One photo to import: where it lies, what is known of it, and the part that it shows."""

    path: Path
    name: str  # the path as the list named it; with the line it is the import's idempotency key
    label: str = ""
    serial: str = ""
    lot: str = ""
    split: str = ""
    mask: Path | None = None
    group: str = ""  # photos of one group show one part or phone and never straddle a split
    original: str = ""  # the part that the photo is of, however often it was photographed or altered
    inspection: str = ""  # photos of one inspection of a part: their label is the part's, not each photo's
    view: str = ""
    boxes: tuple[Box, ...] = ()  # places in each of which a person saw a scratch


def read_list(path: Path, labels: Path | None = None) -> list[Row]:
    """The photos of a folder (labels from a second file, by name) or of a CSV. Raises BadInput."""
    if not path.exists():
        raise BadInput(f"{path} does not exist. Name a folder of photos or a CSV file.")
    if path.is_dir():
        rows = _of_folder(path, {row.name: row for row in _csv_rows(labels)} if labels else {})
    elif labels:
        raise BadInput("Labels of their own are for a folder; a CSV holds them in its column 'label'.")
    else:
        rows = list(_csv_rows(path))
    if not rows:
        raise BadInput(f"{path} names no photo. Photos end in {', '.join(sorted(SUFFIXES))}.")
    return rows


def _of_folder(folder: Path, known: dict[str, Row]) -> list[Row]:
    """Every photo below the folder; a label that names none of them stays as a row, so that it is told and not lost."""
    rows = []
    met = set()
    for photo in sorted(folder.rglob("*")):
        if photo.suffix.lower() in SUFFIXES:
            name = photo.relative_to(folder).as_posix()
            listed = name if name in known else photo.name
            row = known.get(listed) or Row(photo, name, serial=photo.stem, group=name, original=name)
            rows.append(replace(row, path=photo, name=name))
            met.add(listed)
    return rows + [replace(row, path=folder / name) for name, row in known.items() if name not in met]


def _csv_rows(path: Path) -> Iterator[Row]:
    if not path.is_file():
        raise BadInput(f"{path} is not a file. Name a CSV with the columns path and label.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark in front
            reader = csv.DictReader(file)
            if not {"path", "label"} <= set(reader.fieldnames or []):
                raise BadInput(f"{path} has no columns 'path' and 'label' in its first line.")
            for number, fields in enumerate(reader, 2):
                yield _csv_row(path, number, {key: (value or "").strip() for key, value in fields.items() if key})
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} is not a CSV file in UTF-8: {error}.") from None


def _csv_row(path: Path, number: int, fields: dict[str, str]) -> Row:
    name, label = fields["path"], fields["label"].lower()
    if not name:
        raise BadInput(f"{path}, line {number}: the path is empty.")
    if label not in LABELS:
        raise BadInput(f"{path}, line {number}: the label {label!r} is neither 'ok' nor 'scratched' nor empty.")
    mask = fields.get("mask_path", "")
    return Row(
        path=path.parent / name, name=name, label=label, serial=fields.get("serial") or Path(name).stem,
        lot=fields.get("lot", ""), split=fields.get("split", ""), mask=path.parent / mask if mask else None,
        group=fields.get("phone") or fields.get("group") or fields.get("original") or fields.get("serial") or name,
        original=fields.get("original") or fields.get("serial") or name, inspection=fields.get("inspection", ""),
        view=fields.get("view", ""), boxes=_boxes(path, number, fields.get("boxes", "")),
    )  # fmt: skip


def boxes_as_text(boxes: Iterable[Box]) -> str:
    """Boxes as the column `boxes` holds them.

    >>> boxes_as_text([(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.25, 0.25)])
    '0.1 0.2 0.3 0.4; 0.5 0.5 0.25 0.25'
    """
    return "; ".join(" ".join(map(str, box)) for box in boxes)


def _boxes(path: Path, number: int, text: str) -> tuple[Box, ...]:
    boxes = []
    for each in filter(None, map(str.strip, text.split(";"))):
        try:
            x, y, width, height = map(float, each.split())
        except ValueError:
            raise BadInput(f"{path}, line {number}: the box {each!r} is not four numbers 'x y width height'.") from None
        if not (0 <= x <= 1 and 0 <= y <= 1 and 0 <= width <= 1 and 0 <= height <= 1):
            raise BadInput(f"{path}, line {number}: the box {each!r} is not within 0 to 1, in shares of the photo.")
        boxes.append((x, y, width, height))
    return tuple(boxes)


def by_part(rows: Iterable[Row]) -> list[list[Row]]:
    """The photos of each inspection; a photo that names none is one alone. Raises BadInput where its labels differ."""
    parts: dict[tuple[str, str | int], list[Row]] = {}
    for number, row in enumerate(rows):
        parts.setdefault((row.serial, row.inspection or number), []).append(row)
    for photos in parts.values():
        if len({(row.label, row.lot, row.split) for row in photos}) > 1:
            first = photos[0]
            raise BadInput(
                f"The photos of inspection {first.inspection!r} of {first.serial!r} name several labels, lots or splits. "
                "Let them name one, or leave the column 'inspection' empty."
            )
    return list(parts.values())
