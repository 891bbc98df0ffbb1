"""The parts in hand: a row each in SQLite, the photos in a folder named by the part's idempotency key."""

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS part (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    serial TEXT NOT NULL, line TEXT NOT NULL, station TEXT NOT NULL, lot TEXT NOT NULL, variant TEXT NOT NULL,
    captured_at TEXT NOT NULL,
    photos TEXT NOT NULL,              -- JSON: [{file, view, sha256}]
    bytes INTEGER NOT NULL,            -- of the photos, 0 once they are removed
    taken_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'refused')),
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    tried_with TEXT NOT NULL DEFAULT '',  -- which token it may have arrived under without our knowing
    error TEXT NOT NULL DEFAULT '',
    sent_at REAL, inspection INTEGER,
    ask_at REAL, disposition TEXT,     -- JSON, once there is one
    filed_at REAL, posted_at REAL, post_at REAL NOT NULL DEFAULT 0, post_tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS part_waiting ON part (due_at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS part_refused ON part (number) WHERE state = 'refused';
CREATE INDEX IF NOT EXISTS part_undecided ON part (ask_at) WHERE state = 'sent' AND disposition IS NULL;
CREATE INDEX IF NOT EXISTS part_unfiled ON part (number) WHERE disposition IS NOT NULL AND filed_at IS NULL;
CREATE INDEX IF NOT EXISTS part_unposted ON part (post_at) WHERE disposition IS NOT NULL AND posted_at IS NULL;
CREATE INDEX IF NOT EXISTS part_with_photos ON part (number, bytes) WHERE bytes > 0;
CREATE INDEX IF NOT EXISTS part_by_inspection ON part (inspection) WHERE inspection IS NOT NULL;
CREATE INDEX IF NOT EXISTS part_sent ON part (sent_at) WHERE sent_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL);

-- What a station that decides by itself has to know for certain: each in the transaction of what it is about.
CREATE TABLE IF NOT EXISTS decided (key TEXT PRIMARY KEY, told TEXT NOT NULL);  -- JSON, as it is sent with the part
CREATE TABLE IF NOT EXISTS placed (bundle INTEGER PRIMARY KEY, last INTEGER NOT NULL);  -- places given, without gaps
CREATE TABLE IF NOT EXISTS seen (serial TEXT PRIMARY KEY, key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS seen_at ON seen (at);
CREATE TABLE IF NOT EXISTS moment (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);  -- the latest seen
INSERT OR IGNORE INTO seen SELECT serial, key, taken_at FROM part
    WHERE NOT EXISTS (SELECT 1 FROM seen) ORDER BY number;  -- of a spool that an earlier agent has begun
CREATE TRIGGER IF NOT EXISTS part_is_seen AFTER INSERT ON part BEGIN
    INSERT OR IGNORE INTO seen VALUES (NEW.serial, NEW.key, NEW.taken_at);
END;
"""
HELD = "json_extract(disposition, '$.outcome') = 'hold'"
SEEN_FOR = 90 * 86400.0  # seconds for which a serial is known again
FORGET_AFTER = 7 * 86400.0  # seconds: of a part without a disposition for so long the server is asked no more


@dataclass(frozen=True)
class Row:
    """A part in the spool."""

    number: int
    key: str
    serial: str
    line: str
    station: str
    lot: str
    variant: str
    captured_at: str
    photos: list[dict[str, str]]
    bytes: int
    taken_at: float
    state: str
    tries: int
    tried_with: str
    error: str
    sent_at: float | None
    inspection: int | None
    disposition: dict[str, Any] | None
    post_tries: int

    @property
    def fields(self) -> dict[str, str]:
        """What is sent beside the photos, as it was when the part was taken: another value would be another request."""
        names = ("serial", "line", "station", "lot", "variant", "captured_at")
        return {name: value for name in names if (value := getattr(self, name))}


COLUMNS = ", ".join(Row.__annotations__)


class InUse(Exception):
    """Another agent works on this spool."""


def lock(folder: Path) -> int:
    """Hold the spool for one agent; the lock ends with the process, however that ends. Raises InUse."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + 1  # whoever asks for the status holds it for an instant
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(file)
                raise InUse(f"Another agent works on the spool {folder}. Give this one a spool of its own.") from None
            time.sleep(0.05)


def held(folder: Path) -> bool:
    """Whether an agent works on the spool."""
    try:
        with (folder / "agent.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def sync(path: Path) -> None:
    """Put a file's or a folder's content on the disk itself."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


class Spool:
    """The rows and folders. One connection that all threads share in turn; every write is on the disk when it returns."""

    def __init__(self, folder: Path):
        self.folder, self.parts, self.refused = folder, folder / "parts", folder / "refused"
        for each in (self.parts, self.refused):
            each.mkdir(parents=True, exist_ok=True)
        self._turn = threading.Lock()
        self._database = sqlite3.connect(
            folder / "spool.sqlite3", timeout=20, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")  # a row that we answered for outlives a power cut
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._turn:
            self._database.close()

    def _ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._turn:
            return self._database.execute(statement, values).fetchall()

    def _rows(self, rest: str, *values: Any) -> list[Row]:
        found = self._ask(f"SELECT {COLUMNS} FROM part {rest}", *values)  # noqa: S608 - our own words
        return [_row(values) for values in found]

    def _first(self, rest: str, *values: Any) -> Row | None:
        return next(iter(self._rows(f"{rest} LIMIT 1", *values)), None)

    def get(self, key: str) -> Row | None:
        return self._first("WHERE key = ?", key)

    # ---- taking

    def add(
        self,
        key: str,
        fields: dict[str, str],
        photos: Sequence[dict[str, str]],
        *,
        size: int,
        now: float,
        due_at: float,
    ) -> None:
        """Write a part's row. A second time is harmless: the key is the part."""
        self._ask(
            "INSERT OR IGNORE INTO part (key, serial, line, station, lot, variant, captured_at, photos, bytes, taken_at,"
            " state, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
            key, *(fields[name] for name in ("serial", "line", "station", "lot", "variant", "captured_at")),
            json.dumps(list(photos)), size, now, due_at,
        )  # fmt: skip

    def known(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self._ask("SELECT 1 FROM part WHERE key = ?", key)}

    def size(self) -> int:
        """Bytes of all photos that lie here."""
        return int(self._ask("SELECT coalesce(sum(bytes), 0) FROM part WHERE bytes > 0")[0][0])

    # ---- sending

    def next_waiting(self, now: float) -> Row | None:
        """The oldest part that is due. A clock that was set back must not keep parts for longer than an hour."""
        return self._first("WHERE state = 'waiting' AND (due_at <= ? OR due_at > ?) ORDER BY number", now, now + 3600)

    def note_try(self, key: str, tried_with: str) -> None:
        self._ask("UPDATE part SET tries = tries + 1, tried_with = ? WHERE key = ?", tried_with, key)

    def put_off(self, key: str, *, error: str, due_at: float, certain: bool) -> None:
        """Keep a part for later. `certain`: the server has said that it did not take it."""
        self._ask(
            "UPDATE part SET error = ?, due_at = ?, tried_with = CASE WHEN ? THEN '' ELSE tried_with END WHERE key = ?",
            error, due_at, certain, key,
        )  # fmt: skip

    def mark_sent(self, key: str, *, inspection: int, now: float) -> None:
        self._ask(
            "UPDATE part SET state = 'sent', error = '', inspection = ?, sent_at = ?, ask_at = ? "
            "WHERE key = ? AND state = 'waiting'",
            inspection, now, now, key,
        )  # fmt: skip
        # What was on hold here is the server's now, and everybody is told anew when it has decided.
        self._ask(
            "UPDATE part SET disposition = NULL, filed_at = NULL, posted_at = NULL, post_at = 0, post_tries = 0 "  # noqa: S608
            f"WHERE key = ? AND state = 'sent' AND {HELD}", key,
        )  # fmt: skip

    def mark_refused(self, key: str, *, error: str) -> None:
        self._ask("UPDATE part SET state = 'refused', error = ? WHERE key = ? AND state = 'waiting'", error, key)

    # ---- deciding while the server is silent

    def see_moment(self, now: float) -> None:
        """Keep the latest moment that there has been: a clock behind it has been set back."""
        self._ask("INSERT INTO moment VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = max(at, excluded.at)", now)

    def latest(self) -> float:
        return next((float(at) for (at,) in self._ask("SELECT at FROM moment")), 0.0)

    def next_unanswered(self) -> Row | None:
        """The oldest part that waits and of which nothing has been said, here or at the server."""
        return self._first("WHERE state = 'waiting' AND disposition IS NULL ORDER BY number")

    def seen_before(self, row: Row) -> bool:
        """Whether the part's serial was that of another part before."""
        return bool(self._ask("SELECT 1 FROM seen WHERE serial = ? AND key <> ?", row.serial, row.key))

    def decided_by(self, bundle: int) -> int:
        """How many parts were decided by a bundle."""
        return next((int(last) for (last,) in self._ask("SELECT last FROM placed WHERE bundle = ?", bundle)), 0)

    def decision(self, key: str) -> dict[str, Any] | None:
        """What is sent with a part that was decided here."""
        return next((json.loads(told) for (told,) in self._ask("SELECT told FROM decided WHERE key = ?", key)), None)

    def decide_here(
        self, key: str, told: dict[str, Any], disposition: dict[str, Any], *, most: int, now: float
    ) -> bool:
        """Decide a part at the station and give it the bundle's next place, all of it or nothing.

        False, and nothing is written, when a request has carried the part meanwhile, when something has been said of it, or
        when the bundle has no place left.
        """
        with self._turn, self._all_or_nothing():
            free = self._database.execute(
                "SELECT 1 FROM part WHERE key = ? AND state = 'waiting' AND tries = 0 AND disposition IS NULL", (key,)
            ).fetchone()
            bundle = told["bundle"]
            last = self._database.execute("SELECT last FROM placed WHERE bundle = ?", (bundle,)).fetchone()
            place = (last[0] if last else 0) + 1
            if not free or place > most:
                return False
            self._database.execute(
                "INSERT INTO placed VALUES (?, ?) ON CONFLICT (bundle) DO UPDATE SET last = excluded.last",
                (bundle, place),
            )
            self._database.execute("INSERT INTO decided VALUES (?, ?)", (key, json.dumps(told | {"place": place})))
            self._database.execute("UPDATE part SET disposition = ? WHERE key = ?", (json.dumps(disposition), key))
            self._database.execute("UPDATE moment SET at = max(at, ?)", (now,))
            return True

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def hold(self, key: str, disposition: dict[str, Any]) -> bool:
        """Say of a part that waits, and of which nothing has been said, that a person decides. Whether it was so."""
        found = self._ask(
            "UPDATE part SET disposition = ? WHERE key = ? AND state = 'waiting' AND disposition IS NULL RETURNING 1",
            json.dumps(disposition), key,
        )  # fmt: skip
        return bool(found)

    # ---- telling

    def newest_undecided(self, since: float) -> Row | None:
        return self._first("WHERE state = 'sent' AND disposition IS NULL AND sent_at > ? ORDER BY sent_at DESC", since)

    def next_to_ask(self, now: float) -> Row | None:
        return self._first("WHERE state = 'sent' AND disposition IS NULL AND ask_at <= ? ORDER BY ask_at", now)

    def ask_again(self, key: str, ask_at: float) -> None:
        self._ask("UPDATE part SET ask_at = ? WHERE key = ?", ask_at, key)

    def decide(self, key: str, disposition: dict[str, Any]) -> None:
        """Keep the first disposition."""
        self._ask("UPDATE part SET disposition = ? WHERE key = ? AND disposition IS NULL", json.dumps(disposition), key)

    def by_inspection(self, inspection: int) -> Row | None:
        return self._first("WHERE inspection = ?", inspection)

    def decide_anew(self, key: str, disposition: dict[str, Any]) -> None:
        """Keep what took the place of an earlier disposition, and let everybody be told again."""
        self._ask(
            "UPDATE part SET disposition = ?, filed_at = NULL, posted_at = NULL, post_at = 0, post_tries = 0 WHERE key = ?",
            json.dumps(disposition), key,
        )  # fmt: skip

    def recall(
        self, key: str, fields: dict[str, str], *, inspection: int, disposition: dict[str, Any], now: float
    ) -> None:
        """Write the row of a part that was forgotten here, for what came of it since. It holds no photos."""
        self._ask(
            "INSERT OR IGNORE INTO part (key, serial, line, station, lot, variant, captured_at, photos, bytes, taken_at,"
            " state, due_at, sent_at, inspection, disposition) VALUES (?, ?, ?, ?, ?, ?, ?, '[]', 0, ?, 'sent', 0, ?, ?, ?)",
            key, *(fields[name] for name in ("serial", "line", "station", "lot", "variant", "captured_at")),
            now, now, inspection, json.dumps(disposition),
        )  # fmt: skip

    def next_to_file(self) -> Row | None:
        return self._first("WHERE disposition IS NOT NULL AND filed_at IS NULL ORDER BY number")

    def mark_filed(self, row: Row, now: float) -> None:
        """What the row says is in the file. Had it changed meanwhile, the file is still to be written."""
        self._ask(
            "UPDATE part SET filed_at = ? WHERE key = ? AND disposition = ?", now, row.key, json.dumps(row.disposition)
        )

    def next_to_post(self, now: float) -> Row | None:
        return self._first(
            "WHERE disposition IS NOT NULL AND posted_at IS NULL AND post_at <= ? ORDER BY post_at, number", now
        )

    def mark_posted(self, row: Row, now: float) -> None:
        self._ask(
            "UPDATE part SET posted_at = ? WHERE key = ? AND disposition = ?", now, row.key, json.dumps(row.disposition)
        )

    def post_again(self, key: str, post_at: float) -> None:
        self._ask("UPDATE part SET post_at = ?, post_tries = post_tries + 1 WHERE key = ?", post_at, key)

    # ---- keeping house

    def drop_photos(self, row: Row) -> None:
        """Remove the photos of a part that the server has. Raises ValueError for any other: nothing else has them."""
        if row.state != "sent":
            raise ValueError(f"The server does not have {row.serial}.")
        self.clear(row)
        self._ask("UPDATE part SET bytes = 0 WHERE key = ?", row.key)

    def sent_with_photos(self, before: float) -> list[Row]:
        """Some of the parts sent before then whose photos still lie here, the oldest first."""
        return self._rows("WHERE bytes > 0 AND state = 'sent' AND sent_at <= ? ORDER BY number LIMIT 1000", before)

    def set_aside(self) -> list[Row]:
        return self._rows("WHERE state = 'refused'")

    def clear(self, row: Row) -> None:
        """Remove the folder of a part whose photos the server has, or that lie in `refused/` by now."""
        if (self.parts / row.key).exists():
            shutil.rmtree(self.parts / row.key)

    def forget(self, row: Row) -> None:
        self._ask("DELETE FROM part WHERE key = ?", row.key)
        self.forget_rest(time.time())

    def forget_rest(self, now: float) -> None:
        """Delete what was kept of parts that are forgotten. The places that a bundle has given stay given."""
        self._ask("DELETE FROM decided WHERE key NOT IN (SELECT key FROM part)")
        self._ask("DELETE FROM seen WHERE at < ?", now - SEEN_FOR)

    def forget_told(self, *, before: float, now: float, files: bool, posts: bool) -> None:
        """Delete the rows of parts whose photos are gone and of which everybody was told, or nobody will be any more."""
        self._ask(
            "DELETE FROM part WHERE state = 'sent' AND bytes = 0 AND sent_at <= ? AND (sent_at <= ? OR disposition "
            "IS NOT NULL AND (filed_at IS NOT NULL OR NOT ?) AND (posted_at IS NOT NULL OR NOT ?))",
            before, now - FORGET_AFTER, files, posts,
        )  # fmt: skip

    # ---- what the status tells

    def note(self, name: str, text: str, now: float) -> None:
        """Keep a word about the agent; the moment is that at which it began to say so. Empty: it no longer holds."""
        if text:
            self._ask(
                "INSERT INTO note VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text, at = "
                "CASE WHEN text = excluded.text THEN at ELSE excluded.at END WHERE text <> excluded.text",
                name, text, now,
            )  # fmt: skip
        elif self._ask("SELECT 1 FROM note WHERE name = ?", name):
            self._ask("DELETE FROM note WHERE name = ?", name)

    def noted(self, name: str) -> str:
        """What was noted under a name; empty when nothing is."""
        return next((text for (text,) in self._ask("SELECT text FROM note WHERE name = ?", name)), "")

    def notes(self) -> dict[str, tuple[str, float]]:
        return {name: (text, at) for name, text, at in self._ask("SELECT name, text, at FROM note")}

    def counts(self, now: float) -> dict[str, Any]:
        """Parts that wait, the age of the oldest in seconds, sent in the last hour, refused, and sent without answer."""
        waiting, oldest = self._ask("SELECT count(*), min(taken_at) FROM part WHERE state = 'waiting'")[0]
        return {
            "waiting": waiting,
            "oldest_seconds": round(max(0.0, now - oldest), 1) if oldest is not None else None,
            "sent_last_hour": self._ask("SELECT count(*) FROM part WHERE sent_at > ? AND photos <> '[]'", now - 3600)[
                0
            ][0],
            "refused": self._ask("SELECT count(*) FROM part WHERE state = 'refused'")[0][0],
            "decided_here": self._ask("SELECT coalesce(sum(last), 0) FROM placed")[0][0],
            "on_hold": self._ask(f"SELECT count(*) FROM part WHERE state = 'waiting' AND {HELD}")[0][0],  # noqa: S608
            "undecided": self._ask("SELECT count(*) FROM part WHERE state = 'sent' AND disposition IS NULL")[0][0],
        }


def _row(values: tuple[Any, ...]) -> Row:
    told = dict(zip(Row.__annotations__, values, strict=True))
    told["photos"] = json.loads(told["photos"])
    told["disposition"] = json.loads(told["disposition"]) if told["disposition"] else None
    return Row(**told)
