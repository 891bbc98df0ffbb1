"""Takes parts out of the watch folder: killed at any instant, nothing is lost and nothing is taken twice.

One rename takes a part: into a folder whose name is the part's idempotency key, beside a file that says everything else of
it. From there on the key is the part. What was cut off behind the rename is found by that folder and carried on.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from station.parts import NotAPart, Part, Stillness, drops, passed_over, read_part, seen
from station.settings import Settings
from station.spool import Spool, sync

log = logging.getLogger("station")
FIELDS = ".fields.json"  # hidden, so that no drop has its name
COPYING = ".copying"  # the end of a folder's name: what is in it lies elsewhere too
HOME = ".shadowline"  # in the watch folder, where the spool is on another disk
STALE = 3600.0  # seconds after which a copy is nobody's any more
LYING = 10.0  # seconds after which what is no part is said to be lying there; until then it may still be written
GB = 1e9


@dataclass(frozen=True)
class Disk:
    """What the spool may use of its disk, in bytes."""

    max_spool: float
    min_free: float

    def why_full(self, spool: Spool, coming: int, *, copied: bool) -> str:
        """Why a part of `coming` bytes finds no room, or nothing. One that is only moved takes no more of the disk.

        Before it says so, the photos that the server has make room, the oldest first.
        """
        while True:
            why = self.refusal(spool.size(), shutil.disk_usage(spool.folder).free, coming, copied=copied)
            if not why or not (sent := spool.sent_with_photos(time.time())):
                return why
            for row in sent[:10]:
                spool.drop_photos(row)

    def refusal(self, used: int, free: int, coming: int, *, copied: bool) -> str:
        """The same as a rule, of the bytes in use and those that are free."""
        if used + coming > self.max_spool:
            return f"The spool holds {used / GB:.3f} GB, and max_spool_gb is {self.max_spool / GB:g}."
        if free - coming * copied < self.min_free:
            return f"The spool's disk has {free / GB:.3f} GB free, and min_free_gb is {self.min_free / GB:g}."
        return ""


@dataclass
class Taker:
    """Looks through the watch folder, and takes what is a part and lies still."""

    settings: Settings
    spool: Spool
    taken: Callable[[], None]
    lying: dict[str, float] = field(default_factory=dict)  # since when a still drop has been no part
    told: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stillness = Stillness(self.settings.settle)
        self.disk = Disk(self.settings.max_spool_gb * GB, self.settings.min_free_gb * GB)

    @property
    def homes(self) -> list[Path]:
        """Where parts are taken to: straight into the spool, or first within the watch folder's own disk."""
        assert self.settings.watch  # noqa: S101 - nobody takes without
        return [self.spool.parts, self.settings.watch / HOME]

    def look(self) -> None:
        """One look: take what can be taken, and note what cannot."""
        assert self.settings.watch  # noqa: S101
        found, why, full = drops(self.settings.watch), {}, ""
        self.stillness.forget_others({drop.name for drop in found})
        for drop in found:
            try:
                looks = seen(drop)
                if full or not self.stillness.still(drop.name, looks, time.monotonic()):
                    continue
                part = read_part(drop, lot=self.settings.lot, variant=self.settings.variant)
            except FileNotFoundError:
                continue  # whoever wrote it has taken it away again
            except (NotAPart, OSError) as reason:
                why[_plain(drop.name)] = str(reason)
                continue
            full = self._why_full(sum(size for _, size, _ in looks))
            if not full:
                self.file(self.take(drop, part))
                self.taken()
        self._note(why, full)

    def take(self, drop: Path, part: Part) -> Path:
        """Move a drop into a folder that is named by its new key. The rename is the moment in which it is ours."""
        key = uuid.uuid4().hex
        for home in self.homes:
            folder = home / key
            folder.mkdir(parents=True)
            write_fields(folder, part, line=self.settings.line, station=self.settings.station)
            sync(folder)
            sync(home)
            try:
                os.rename(drop, folder / drop.name)
            except OSError as error:
                shutil.rmtree(folder)
                if error.errno != errno.EXDEV:
                    raise
                continue
            for each in (folder, drop.parent):
                sync(each)
            return folder
        raise OSError(errno.EXDEV, "The watch folder lies on several disks", str(drop))

    def file(self, folder: Path) -> None:
        """Bring what was taken into the spool, and write its row. Done twice it is as done once."""
        if not self._as_it_was(folder):
            self._give_back(folder)
            return
        if folder.parent != self.spool.parts:
            if not self.spool.known([folder.name]):
                self._bring(folder)
            shutil.rmtree(folder)
            sync(folder.parent)
            return
        file_part(self.spool, folder, due_at=0)

    def _bring(self, folder: Path) -> None:
        """Copy from another disk; the part there goes when this one is safe."""
        target = self.spool.parts / folder.name
        if not target.exists():
            copy = target.with_name(target.name + COPYING)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            sync_all(copy)
            os.rename(copy, target)
            sync(self.spool.parts)
        file_part(self.spool, target, due_at=0)

    def _as_it_was(self, folder: Path) -> bool:
        """Whether in the folder lie the photos that were looked at before the rename, and no other."""
        told = json.loads((folder / FIELDS).read_text())
        there = {
            str(path.relative_to(folder))
            for drop in folder.iterdir() if drop.name != FIELDS
            for path in (drop.iterdir() if drop.is_dir() else [drop])
            if path.suffix.lower() != ".json" and not passed_over(path.name)
        }  # fmt: skip
        return there == {photo["file"] for photo in told["photos"]}

    def _give_back(self, folder: Path) -> None:
        """A photo came while the part was taken: it is looked at anew, with all its photos, in the watch folder."""
        assert self.settings.watch  # noqa: S101
        (drop,) = (path for path in folder.iterdir() if path.name != FIELDS)
        if (self.settings.watch / drop.name).exists():
            log.error("%s came again while it was taken: somebody has to look into %s", drop.name, folder)
            return
        os.rename(drop, self.settings.watch / drop.name)
        shutil.rmtree(folder)

    def recover(self) -> None:
        """Carry on what a kill or a power cut has left half taken. Call it once, under the spool's lock."""
        for home in self.homes if self.settings.watch else [self.spool.parts]:
            for folder in sorted(home.iterdir()) if home.exists() else []:
                if folder.name.endswith(COPYING):
                    if time.time() - folder.stat().st_mtime > STALE:  # `send` may be copying just now
                        shutil.rmtree(folder)
                elif home != self.spool.parts or not self.spool.known([folder.name]):
                    self._recover(folder)

    def _recover(self, folder: Path) -> None:
        if any(path.name != FIELDS for path in folder.iterdir()):
            log.info("a part that was half taken is carried on: %s", folder.name)
            self.file(folder)
        else:
            shutil.rmtree(folder)  # the kill came before the rename: the photos are where they were

    def _why_full(self, coming: int) -> str:
        assert self.settings.watch  # noqa: S101
        copied = self.settings.watch.stat().st_dev != self.spool.folder.stat().st_dev
        return self.disk.why_full(self.spool, coming, copied=copied)

    def _note(self, why: dict[str, str], full: str) -> None:
        now = time.time()
        self.lying = {name: self.lying.get(name, now) for name in why}
        told = {name: why[name] for name, since in self.lying.items() if now - since >= LYING}
        for name in told.keys() - self.told.keys():
            log.warning("%s is left where it lies: %s", name, told[name])
        self.told = told
        self.spool.note("lying", json.dumps(told) if told else "", now)
        self.spool.note("full", full, now)


def _plain(name: str) -> str:
    return name.encode(errors="replace").decode()


def write_fields(folder: Path, part: Part, *, line: str, station: str) -> None:
    told = asdict(part) | {"line": line, "station": station}
    told["photos"] = [{"file": file, "view": view} for file, view in part.photos]
    (folder / FIELDS).write_text(json.dumps(told))
    sync(folder / FIELDS)


def file_part(spool: Spool, folder: Path, *, due_at: float) -> None:
    """Write the row of what lies in `spool.parts` under its key. The photos are on the disk before it."""
    told = json.loads((folder / FIELDS).read_text())
    photos, size = told.pop("photos"), 0
    for photo in photos:
        content = (folder / photo["file"]).read_bytes()
        photo["sha256"] = hashlib.sha256(content).hexdigest()
        size += len(content)
        sync(folder / photo["file"])
    spool.add(folder.name, told, photos, size=size, now=time.time(), due_at=due_at)


def sync_all(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def copy_into(spool: Spool, photos: list[Path], part: Part, *, line: str, station: str, due_at: float) -> str:
    """Copy photos that stay where they are into the spool as one part, and give its key."""
    key = uuid.uuid4().hex
    copy = spool.parts / (key + COPYING)
    copy.mkdir()
    for photo, (file, _) in zip(photos, part.photos, strict=True):
        shutil.copyfile(photo, copy / file)
    write_fields(copy, part, line=line, station=station)
    sync_all(copy)
    os.rename(copy, spool.parts / key)
    sync(spool.parts)
    file_part(spool, spool.parts / key, due_at=due_at)
    return key
