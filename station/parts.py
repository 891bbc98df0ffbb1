"""What lies in the watch folder, and when it is a part: rules of names, of bytes and of stillness."""

import contextlib
import json
import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SHEET = "part.json"  # beside the photos of a folder: what the part's name does not say
MAX_PHOTOS, MAX_SERIAL, MAX_FIELD, MAX_VIEW = 8, 120, 80, 40  # what the server takes
TAIL = 64 * 1024  # bytes: a camera may write a few words of its own behind a JPEG's end

Seen = tuple[tuple[str, int, int], ...]  # (file, size, modified in ns) of everything in a drop


class NotAPart(Exception):
    """What lies there is no part; the text says why."""


@dataclass(frozen=True)
class Part:
    """One part as it will be sent. `photos` are (file, view), the file relative to the folder that the drop lies in."""

    serial: str
    lot: str
    variant: str
    captured_at: str  # ISO 8601, UTC
    photos: tuple[tuple[str, str], ...]


def passed_over(name: str) -> bool:
    """Whether a name is nobody's part: hidden, or not complete yet by the word of whoever writes it.

    >>> [passed_over(name) for name in (".SN1.jpg", "SN1.jpg.part", "SN1.jpg")]
    [True, True, False]
    """
    return name.startswith(".") or name.lower().endswith((".part", ".tmp")) or name.lower() == "thumbs.db"


def content_type(head: bytes) -> str:
    """The type that a file's first bytes tell; empty for anything but a photo.

    >>> content_type(b"\\xff\\xd8\\xff\\xe0"), content_type(b"GIF89a")
    ('image/jpeg', '')
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else ""


def whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether a file of `size` bytes begins as a photo and ends as one: a file that is still written does not end."""
    kind = content_type(head)
    if kind == "image/jpeg":
        return b"\xff\xd9" in tail
    if kind == "image/png":
        return b"IEND\xaeB`\x82" in tail
    return kind == "image/webp" and int.from_bytes(head[4:8], "little") + 8 <= size


@dataclass
class Stillness:
    """Since when each drop has looked as it does. Our own clock alone counts: that of a camera's share may be wrong."""

    settle: float
    since: dict[str, tuple[Seen, float]] = field(default_factory=dict)

    def still(self, name: str, seen: Seen, now: float) -> bool:
        """Whether nothing of the drop has changed for `settle` seconds of the monotonic clock."""
        before, at = self.since.get(name, (None, now))
        if before != seen:
            at = now
        self.since[name] = (seen, at)
        return now - at >= self.settle

    def forget_others(self, names: set[str]) -> None:
        self.since = {name: known for name, known in self.since.items() if name in names}


def drops(folder: Path) -> list[Path]:
    """What may be a part, in the order in which it was written."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not passed_over(entry.name) and (entry.is_dir() or entry.name.lower().endswith(SUFFIXES)):
                with contextlib.suppress(FileNotFoundError):  # gone again
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
    return [folder / name for _, name in sorted(found)]


def seen(drop: Path) -> Seen:
    """Every file of a drop with its size and time. Raises OSError when it goes away meanwhile."""
    files = sorted(drop.rglob("*")) if drop.is_dir() else [drop]
    return tuple((str(file.relative_to(drop.parent)), *_size_and_time(file)) for file in files)


def _size_and_time(file: Path) -> tuple[int, int]:
    told = file.lstat()
    return told.st_size, told.st_mtime_ns


def read_part(drop: Path, *, lot: str = "", variant: str = "") -> Part:
    """The part that lies in a file or a folder of its own. Raises NotAPart with what is wrong with it, or OSError."""
    sheet: dict[str, Any] = {}
    photos = [drop]
    if drop.is_dir():
        inside = sorted(file for file in drop.iterdir() if not passed_over(file.name))
        if (drop / SHEET) in inside:
            inside.remove(drop / SHEET)
            sheet = read_sheet((drop / SHEET).read_bytes())
        photos = inside
    if not 1 <= len(photos) <= MAX_PHOTOS:
        raise NotAPart(f"it holds {len(photos)} photos, and a part has 1 to {MAX_PHOTOS}")
    for photo in photos:
        _check_photo(photo)
    serial = sheet.get("serial", drop.name if drop.is_dir() else drop.stem).strip()
    if not 1 <= len(serial) <= MAX_SERIAL:
        raise NotAPart(f"its serial has {len(serial)} characters, and 1 to {MAX_SERIAL} are taken")
    if not all(word.isprintable() for word in (serial, *(photo.name for photo in photos))):
        raise NotAPart("its name holds bytes that are no text")
    # Of several photos the last one: the part is complete by then.
    written = datetime.fromtimestamp(max(photo.stat().st_mtime for photo in photos), UTC).isoformat()
    views = [photo.stem[:MAX_VIEW] if drop.is_dir() else "" for photo in photos]
    return Part(
        serial, sheet.get("lot", lot), sheet.get("variant", variant), sheet.get("captured_at", written),
        tuple((str(photo.relative_to(drop.parent)), view) for photo, view in zip(photos, views, strict=True)),
    )  # fmt: skip


def read_sheet(content: bytes) -> dict[str, str]:
    """What a `part.json` says: serial, lot, variant, captured_at, each of them text. Raises NotAPart."""
    try:
        told = json.loads(content)
    except ValueError:
        raise NotAPart(f"its {SHEET} is no JSON") from None
    known = {"serial": MAX_SERIAL, "lot": MAX_FIELD, "variant": MAX_FIELD, "captured_at": MAX_FIELD}
    if not isinstance(told, dict) or any(name not in known for name in told):
        raise NotAPart(f"its {SHEET} says something else than {', '.join(known)}")
    for name, value in told.items():
        if not isinstance(value, str) or len(value) > known[name]:
            raise NotAPart(f"{name} in its {SHEET} is not text of at most {known[name]} characters")
    if "captured_at" in told:
        try:
            # Without a zone it is the station's own time; the server could not know that.
            told["captured_at"] = datetime.fromisoformat(told["captured_at"]).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            raise NotAPart(f"captured_at in its {SHEET} is no time such as 2026-01-31T14:05:00+08:00") from None
    return told


def _check_photo(photo: Path) -> None:
    told = photo.lstat()
    if not stat.S_ISREG(told.st_mode) or photo.suffix.lower() not in SUFFIXES:
        raise NotAPart(f"{photo.name} in it is neither a photo ({', '.join(SUFFIXES)}) nor {SHEET}")
    with photo.open("rb") as file:
        head = file.read(16)
        file.seek(max(0, told.st_size - TAIL))
        tail = file.read()
    if not content_type(head):
        raise NotAPart(f"{photo.name} does not begin as a JPEG, PNG or WebP photo")
    if not whole(head, tail, told.st_size):
        raise NotAPart(f"{photo.name} does not end as a photo: it is cut short, or still being written")
