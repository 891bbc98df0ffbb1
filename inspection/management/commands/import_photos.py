"""Imports photos of a folder or a CSV as parts for the queue, or as history."""

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import transaction

from inspection import actions, command
from inspection.actions.intake import find_line
from inspection.importing import Row, by_part, read_list
from inspection.models import Line, Origin
from inspection.refusals import BadInput, Refused


def _bytes_of(path: Path) -> bytes:
    """The file's bytes. Raises BadInput before a file too large for a photo is read."""
    try:
        if path.stat().st_size > settings.PHOTO_MAX_BYTES:
            raise BadInput(f"The file is larger than {settings.PHOTO_MAX_BYTES:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"The file cannot be read: {error.strerror}.") from None


class Command(command.Command):
    help = (
        "Import a folder of photos, or a CSV with the columns path,label[,mask_path,split,serial,...] (paths relative "
        "to the CSV; rows with the same serial and `inspection` are photos of one part). Parts go to the queue; with --as-history labels become verdicts and nothing is queued. "
        "Importing the same list again adds nothing."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--line", required=True, help="slug of the line")
        parser.add_argument("--labels", type=Path, help="a CSV with labels for the photos of a folder")
        parser.add_argument(
            "--as-history", action="store_true", help="training data and replay, never certifying evidence"
        )

    def run(self, *, path: Path, line: str, labels: Path | None, as_history: bool, **options: Any) -> dict[str, Any]:
        place = find_line(line)
        rows = read_list(path, labels)
        answer: dict[str, Any] = {"line": line, "imported": 0, "already_there": 0, "labelled": 0, "refused": []}
        done = 0
        for photos in by_part(rows):
            try:
                self._take(place, photos, as_history, answer)
            except Refused as refusal:
                answer["refused"] += [{"path": row.name, "reason": str(refusal)} for row in photos]
            done += len(photos)
            self.progress(f"{done} of {len(rows)} photos, {len(answer['refused'])} refused", last=done == len(rows))
        if answer["refused"]:
            first, count = answer["refused"][0], len(answer["refused"])
            answer["failed"] = f"{count} of {len(rows)} photos were refused; {first['path']}: {first['reason']}"
        return answer

    def table(self, answer: dict[str, Any]) -> str:
        counts = "{imported} imported, {labelled} of them labelled; {already_there} were there already.".format(
            **answer
        )
        return "\n".join([counts, *(f"refused: {row['path']}: {row['reason']}" for row in answer["refused"])])

    @transaction.atomic
    def _take(self, line: Line, rows: list[Row], as_history: bool, answer: dict[str, Any]) -> None:
        row, data = rows[0], [_bytes_of(photo.path) for photo in rows]
        origin = Origin.IMPORTED if as_history else Origin.LIVE
        # The photos' digest is in the key: another batch may use the same file names, as cameras do.
        key = f"{line.slug}/{origin}/{hashlib.sha256(b''.join(data)).hexdigest()}/{row.name}"[:200]
        photos = [actions.NewPhoto(each, photo.view) for each, photo in zip(data, rows, strict=True)]
        part, new = actions.receive_inspection(
            line=line, serial=row.serial, photos_sent=photos, by=None, lot=row.lot,
            split=row.split, origin=origin, idempotency_scope="import", idempotency_key=key,
        )  # fmt: skip
        if not new:
            answer["already_there"] += 1
            return
        answer["imported"] += 1
        if as_history and actions.import_history(inspection=part, label=row.label, by="import_photos"):
            answer["labelled"] += 1
