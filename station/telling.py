"""Brings back what came of each part: asked of the server, told by a file and by a webhook."""

import contextlib
import hashlib
import hmac
import json
import logging
import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from station.answers import YOUNG, ask_again_after, changes, decision, pause, supersedes
from station.client import Client, Unreachable
from station.settings import BadSetting, secret, token
from station.spool import Row, Spool, sync

log = logging.getLogger("station")
WAIT = 20  # seconds that the server holds an answer
FOLLOW = 10.0  # seconds between two questions for changes
FOLLOWED = "followed"  # the note that holds how far we have followed
SIGNATURE = "Shadowline-Signature"  # as the server's own webhooks are signed


@dataclass
class Asker:
    """Asks what came of parts. One of two waits for the newest part, the other looks after all by turns.

    So one that a person decides in an hour holds up no other, and what the machine decides in a second is told in two.
    """

    spool: Spool
    client: Client
    waits: bool
    decided: Callable[[], None]
    failures: int = 0

    def step(self) -> float | None:
        """Ask about one part. Returns the seconds to wait before the next step; None when no part is due."""
        now = time.time()
        row = self.spool.newest_undecided(now - YOUNG) if self.waits else self.spool.next_to_ask(now)
        if row is None:
            return None
        try:
            return self.ask(row, WAIT if self.waits else 0)
        except BadSetting:
            return 30.0  # the sender says so
        except Unreachable:
            self.failures += 1
            return pause(self.failures, random.random())  # noqa: S311 - chance, no secret

    def ask(self, row: Row, wait: float) -> float:
        assert row.inspection is not None  # noqa: S101 - it was sent
        sent_at = row.sent_at or 0.0
        answer = self.client.read_part(token(), row.inspection, wait)
        self.failures = self.failures + 1 if answer.status != 200 else 0
        if found := decision(answer.json()) if answer.status == 200 else None:
            self.spool.decide(row.key, found)
            self.decided()
            return 0
        self.spool.ask_again(row.key, time.time() + ask_again_after(time.time() - sent_at))
        if answer.status in (200, 404):  # one that is gone, or another account's, is no reason to rest
            return answer.retry_after
        return pause(self.failures, random.random(), answer.retry_after)  # noqa: S311


@dataclass
class Follower:
    """Brings back how dispositions changed afterwards: an audit that finds a scratch, a supervisor's correction.

    The server tells them in the order of their numbers. The number is kept after what it told, so that a kill between the
    two only tells it once more.
    """

    spool: Spool
    client: Client
    changed: Callable[[], None]
    failures: int = 0

    def step(self) -> float:
        """Ask for the next changes. Returns the seconds to wait before the next step."""
        try:
            answer = self.client.changes(token(), self.spool.noted(FOLLOWED))
        except BadSetting:
            return FOLLOW  # the sender says so
        except Unreachable:
            answer = None
        told = changes(answer) if answer else None
        if told is None:
            self.failures += 1
            # A server of an earlier version knows of none (404).
            return max(FOLLOW, pause(self.failures, random.random(), answer.retry_after if answer else 0))  # noqa: S311
        self.failures = 0
        found, following = told
        applied = [self.apply(change) for change in found]
        if any(applied):
            self.changed()
        self.spool.note(FOLLOWED, str(following), time.time())
        return 0 if found else FOLLOW

    def apply(self, change: dict[str, Any]) -> bool:
        """Keep one change; whether there is anything to tell. The same once more, or an older one, changes nothing."""
        disposition = {name: change["disposition"][name] for name in ("outcome", "by_machine", "reason", "at")}
        row = self.spool.by_inspection(change["inspection"])
        if row is None:
            key = change["key"] or f"inspection-{change['inspection']}"
            self.spool.recall(
                key, change, inspection=change["inspection"], disposition=disposition, now=time.time()
            )  # fmt: skip
        elif not supersedes(disposition, row.disposition):
            return False
        else:
            self.spool.decide_anew(row.key, disposition)
        log.warning("%s is now %s: %s", change["serial"], disposition["outcome"], disposition["reason"])
        return True


def told_of(row: Row) -> dict[str, Any]:
    """What file and webhook say of a part."""
    assert row.disposition  # noqa: S101 - only what is decided is told
    return {**row.fields, "inspection": row.inspection, "key": row.key, **row.disposition}


def file_name(serial: str) -> str:
    """The name of a serial's file; signs that no file name should have are written as %XX.

    >>> file_name("SN 1/2"), file_name("..")
    ('SN 1%2F2.json', '%2E..json')
    """
    plain = re.sub(r'[%/\\:*?"<>|\x00-\x1f]|^\.', lambda sign: f"%{ord(sign[0]):02X}", serial)
    return f"{plain}.json"


@dataclass
class Filer:
    """Writes `OUT/SERIAL.json`, whole or not at all."""

    spool: Spool
    folder: Path

    def step(self) -> float | None:
        row = self.spool.next_to_file()
        if row is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / file_name(row.serial)
        if row.inspection is None or self._newer(path) <= row.inspection:
            half = self.folder / f".{row.key}.tmp"
            half.write_text(json.dumps(told_of(row), ensure_ascii=False, indent=1) + "\n")
            sync(half)
            os.replace(half, path)
            sync(self.folder)
        self.spool.mark_filed(row, time.time())
        return 0

    @staticmethod
    def _newer(path: Path) -> int:
        """The inspection that the file tells of: what came of a later one of the same serial stays."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(path.read_text())["inspection"])
        return 0


def signature(key: str, body: bytes, at: float) -> str:
    """`t=<Unix seconds>,v1=<HMAC-SHA256 of "<seconds>." and the body, in hex>`, as the server's webhooks have it."""
    digest = hmac.new(key.encode(), b"%d." % int(at) + body, hashlib.sha256).hexdigest()
    return f"t={int(at)},v1={digest}"


@dataclass
class Poster:
    """Posts to the webhook until it answers 2xx; a part that it does not take waits, and the others go on."""

    spool: Spool
    url: str
    ca_file: Path | None = None
    failures: int = 0
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.client = Client(f"{parts.scheme}://{parts.netloc}", ca_file=self.ca_file, timeout=10)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def step(self) -> float | None:
        row = self.spool.next_to_post(time.time())
        if row is None:
            return None
        try:
            answer = self.client.ask("POST", self.path, *self._message(row))
            trouble = "" if 200 <= answer.status < 300 else f"The webhook answers {answer.status}."
        except (Unreachable, BadSetting) as error:
            trouble = str(error)
        now = time.time()
        self.spool.note("webhook", trouble, now)
        if not trouble:
            self.spool.mark_posted(row, now)
            self.failures = 0
            return 0
        self.failures += 1
        self.spool.post_again(row.key, now + pause(row.post_tries + 1, random.random()))  # noqa: S311
        log.warning("the disposition of %s is not delivered: %s", row.serial, trouble)
        return pause(self.failures, random.random())  # noqa: S311

    def _message(self, row: Row) -> tuple[dict[str, str], bytes]:
        body = json.dumps(told_of(row)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "shadowline-station"}
        if key := secret("STATION_WEBHOOK_SECRET"):
            headers[SIGNATURE] = signature(key, body, time.time())
        return headers, body
