"""A backup that is whole, taken while the site runs, and its way back into an empty site.

The database comes first. A photo lies on the disk before the row that names it is committed, so every row of the snapshot
finds its photo in a folder that is copied later. Photos and weights never change under their name: what a backup has
already is not copied again, and one folder can be backed up into every night.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import QuerySet

from automation import draws
from automation.draw_keys import secret_file
from automation.models import DrawKey
from config.environment import secret
from inspection import seals
from inspection.models import Photo
from inspection.photos import path_of
from inspection.refusals import BadInput, Conflict

COPIERS = 8  # each waits most of its time until the disk has a file for certain
MANIFEST = "backup.json"
DATABASES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
SECRETS = ("draw_secret", "secret_key", "edge_key")  # of DATA_DIR; what comes from the environment is not ours to keep
Tell = Callable[[str], None]


class BackupError(Conflict):
    """The backup or its way back failed; the text says why and what to do."""


@dataclass(frozen=True)
class Checked:
    """What was found when a backup and its rows were held against each other."""

    photos: int
    missing: list[str]  # digests of photos that a row names and nobody has
    trail: list[str]  # places in which the audit trail is broken
    same_draw_key: bool


# ---- Out


def back_up(folder: Path, *, now: datetime, tell: Tell) -> dict[str, Any]:
    """Write the site into `folder`, and return its manifest. Raises BackupError; an earlier backup there stays until then."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # it holds the key of the draws
    name = DATABASES[connection.vendor]
    tell("the database")
    heads, last = seals.heads(), Photo.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    fresh = folder / f".{name}"
    fresh.unlink(missing_ok=True)
    _dump(fresh)
    copied = {what: _copy_new(source, folder / what, _counting(tell, what)) for what, source in _folders().items()}
    kept = [secret for secret in SECRETS if _copy_secret(Path(settings.DATA_DIR) / secret, folder / secret)]
    rows = Photo.objects.filter(pk__lte=last)
    photos, missing = _missing(rows, lambda stored: bool(settings.PHOTO_BUCKET) or _copied(stored, folder))
    if missing:
        fresh.unlink()
        raise BackupError(
            f"{len(missing)} photos that rows name are not in {settings.PHOTO_ROOT}, the first is {missing[0]}. "
            "The backup before this one stays as it is. Find them, or have retention purge their parts."
        )
    manifest = {
        "at": now.isoformat(), "database": connection.vendor, "sha256": _digest(fresh), "photos": photos,
        "copied": copied, "secrets": kept, "heads": heads, "migrations": _last_migrations(),
    }  # fmt: skip
    os.replace(fresh, folder / name)
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


def _last_migrations() -> list[str]:
    """Those of each app that this code ends with: an older one does not know them."""
    return [".".join(name) for name in MigrationLoader(None).graph.leaf_nodes()]


def _folders() -> dict[str, Path]:
    """What is copied file by file, by its name in the backup. Previews are made again by themselves; photos in a bucket
    stay there, where its own versions and copies keep them."""
    folders = {"models": Path(settings.MODEL_ROOT)}
    return folders if settings.PHOTO_BUCKET else {"photos": Path(settings.PHOTO_ROOT) / "photos"} | folders


def _copied(stored: str, folder: Path) -> bool:
    place = path_of(stored)
    return isinstance(place, Path) and (folder / place.relative_to(settings.PHOTO_ROOT)).exists()


def _counting(tell: Tell, what: str) -> Callable[[int], None]:
    return lambda number: tell(f"{number:,} of {what} copied")


def _dump(target: Path) -> None:
    if connection.vendor == "sqlite":
        # One read of a snapshot: writers go on beside it, and what they write meanwhile is in the next backup.
        with (
            closing(sqlite3.connect(f"file:{connection.settings_dict['NAME']}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    else:
        # The least compression: an eighth more bytes, for a third of the processor's time that a line needs meanwhile.
        _run("pg_dump", "--format=custom", "--compress=1", "--no-owner", f"--file={target}")
    _sync(target)


def _run(program: str, *words: str) -> None:
    """One of PostgreSQL's own programs on the site's database. Raises BackupError with what it says."""
    said = connection.settings_dict
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    known = {name: str(said[key]) for name, key in names.items() if said[key]}
    try:
        subprocess.run([program, *words], env=os.environ | known, check=True, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError:
        raise BackupError(f"{program} is not on this computer. Install PostgreSQL's client programs.") from None
    except subprocess.CalledProcessError as error:
        raise BackupError(f"{program} failed: {error.stderr.strip()[-500:]}") from None


# ---- Back


def restore(folder: Path, *, tell: Tell) -> tuple[dict[str, Any], list[Path]]:
    """Bring the backup in `folder` into this site, which must be empty. Returns its manifest, and what files of it are
    damaged and were left out.

    Raises BackupError, before anything is written where the backup is damaged or the site is not empty.
    """
    manifest = _manifest(folder)
    dump = folder / DATABASES[manifest["database"]]
    if manifest["database"] != connection.vendor:
        raise BackupError(
            f"The backup is of {manifest['database']} and this site runs on {connection.vendor}. Set DATABASE_URL to one."
        )
    known = {".".join(name) for name in MigrationLoader(None).disk_migrations}
    if unknown := [name for name in manifest.get("migrations", []) if name not in known]:
        raise BackupError(
            f"The backup is of a newer version: {len(unknown)} of its migrations are unknown here, the first is {unknown[0]}. "
            "Install the version that made it, or a newer one."
        )
    if _digest(dump) != manifest["sha256"]:
        raise BackupError(f"{dump} is not what was backed up: its SHA-256 differs. Take an earlier backup.")
    if tables := connection.introspection.table_names():
        raise BackupError(f"The database has {len(tables)} tables already. A backup goes into an empty one.")
    damaged: list[Path] = []
    for what, target in _folders().items():
        _copy_new(folder / what, target, _counting(tell, what), damaged)
    for name in manifest["secrets"]:
        # The site is empty, so nothing was drawn or signed with what the settings have just made.
        _copy_secret(folder / name, Path(settings.DATA_DIR) / name)
    tell("the database")
    connection.close()
    if connection.vendor == "sqlite":
        target = Path(connection.settings_dict["NAME"])
        for beside in ("-wal", "-shm"):
            Path(f"{target}{beside}").unlink(missing_ok=True)
        _copy(dump, target)
    else:
        # In one transaction: cut off in the middle it leaves an empty database, which several jobs at once could not.
        _run(
            "pg_restore",
            "--no-owner",
            "--exit-on-error",
            "--single-transaction",
            f"--dbname={connection.settings_dict['NAME']}",
            str(dump),
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # a dump has no statistics, and until autovacuum comes each plan would be a guess
    return manifest, damaged


def check(manifest: dict[str, Any]) -> Checked:
    """Hold the rows against the photos, and the audit trail against the heads that the manifest remembers."""
    photos, missing = _missing(Photo.objects.all(), lambda stored: path_of(stored).exists())
    key = secret("DRAW_SECRET") or secret_file().read_text().strip()  # the settings' may be older
    last = DrawKey.objects.last()
    same = last is None or last.key == draws.key_id(key.encode())
    return Checked(photos, missing, seals.verify_trail(manifest["heads"].items()).broken, same)


def _missing(rows: QuerySet[Photo], there: Callable[[str], bool]) -> tuple[int, list[str]]:
    """How many photos the rows name, and which of them are not there. A million digests would be 200 MB: one at a time."""
    photos, missing = 0, []
    for stored in rows.order_by().values_list("stored", flat=True).distinct().iterator():
        photos += 1
        if not there(stored):
            missing.append(stored)
    return photos, missing


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} holds no backup: {MANIFEST} cannot be read ({error}).") from None


# ---- Files


def _copy_new(source: Path, target: Path, tell: Callable[[int], None], damaged: list[Path] | None = None) -> int:
    """Copy what is not there yet, and return how many files that were.

    With `damaged` each is read first, and one that is not what its name says, its SHA-256, is put there instead.
    """

    def copy(path: Path) -> int:
        place = target / path.relative_to(source)
        if place.exists():
            return 0
        if damaged is not None and _digest(path) != path.stem:
            damaged.append(path)
            return 0
        _copy(path, place)
        return 1

    copied, paths = 0, _files(source)
    with ThreadPoolExecutor(COPIERS) as pool:
        while some := list(islice(paths, 100 * COPIERS)):
            copied += sum(pool.map(copy, some))
            tell(copied)
    return copied


def _files(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        # A hidden file is one that is just being written.
        yield from (Path(at) / name for name in names if not name.startswith("."))


def _copy(source: Path, target: Path) -> None:
    """A copy that is whole or not there at all, also after a power cut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}")
    shutil.copyfile(source, part)
    _sync(part)
    os.replace(part, target)


def _copy_secret(source: Path, target: Path) -> bool:
    if not source.exists():
        return False
    _write(target, source.read_bytes())
    return True


def _write(target: Path, content: bytes) -> None:
    part = target.with_name(f".{target.name}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
