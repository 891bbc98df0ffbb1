"""Sends what lies in the spool, oldest first, until the server has it."""

import hashlib
import json
import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from station.answers import BLOCKED, Kind, decided_field, decision, meaning, pause, same_part, supersedes
from station.client import Client, Unreachable
from station.settings import BadSetting, token
from station.spool import Row, Spool, sync

log = logging.getLogger("station")
REFUSED_IN_A_ROW = 10  # so many different parts refused, none taken: it is the settings, not the parts


@dataclass
class Sender:
    """One part at a time over one connection, so that they arrive in the order in which they were taken."""

    spool: Spool
    client: Client
    sent: Callable[[], None]
    probe: Callable[[], None] = lambda: None  # asks whether the server is there, or raises Unreachable
    failures: int = 0  # in a row
    refusals: int = 0  # in a row

    def step(self) -> float | None:
        """Send one part. Returns the seconds to wait before the next step; None when no part is due."""
        row = self.spool.next_waiting(time.time())
        if row is None:
            return None
        try:
            return self.send(row)
        except BadSetting as error:  # no token
            return self._blocked(str(error))

    def send(self, row: Row) -> float:
        """Send this part. Returns the seconds to wait before the next one. Raises BadSetting without a token."""
        with_token = token()
        try:
            if self._arrived_before(row, with_token):
                return 0
            if not row.tries:  # a part that no request has carried may be decided here
                self.probe()
                self.client.connect()
            self.spool.note_try(row.key, _name(with_token))
            fields = row.fields | decided_field(self.spool.decision(row.key))  # from here on it is decided here no more
            folder = self.spool.parts / row.key
            photos = [(folder / photo["file"], photo["view"]) for photo in row.photos]
            answer = self.client.send_part(with_token, row.key, fields, photos)
        except FileNotFoundError as error:
            return self._refused(row, f"Its photos are gone from the spool: {error.filename}.")
        except Unreachable as error:
            self.spool.note("connected", "", time.time())
            return self._later(row, str(error), 0, certain=False, of_the_part=False)
        means = meaning(answer, serial=row.serial, digests=[photo["sha256"] for photo in row.photos])
        if means.known:
            self.spool.note("connected", "yes", time.time())
        match means.kind:
            case Kind.SENT:
                self._sent(row, means.inspection, answer.json())
                return 0
            case Kind.REFUSED:
                return self._refused(row, means.reason)
            case Kind.BLOCKED:
                self.spool.put_off(row.key, error=means.reason, due_at=0, certain=400 <= answer.status < 500)
                return self._blocked(means.reason)
            case Kind.LATER:
                certain, of_the_part = answer.status == 429, answer.status == 500
                return self._later(row, means.reason, answer.retry_after, certain=certain, of_the_part=of_the_part)

    def _arrived_before(self, row: Row, with_token: str) -> bool:
        """Whether a try under another token did arrive without our knowing. The server knows a key within one token only."""
        if row.tried_with in ("", _name(with_token)):
            return False
        digests = [photo["sha256"] for photo in row.photos]
        found = self.client.parts_of(with_token, line=row.line, serial=row.serial)
        for told in found or []:
            if same_part(told, captured_at=row.captured_at, digests=digests):
                self._sent(row, told["id"], told)
                return True
        return False

    def _sent(self, row: Row, inspection: int, told: Any) -> None:
        self.spool.mark_sent(row.key, inspection=inspection, now=time.time())
        if decided := decision(told):
            self._keep(row.key, decided)
        if self.failures:
            log.info("sending again")
        self.failures = self.refusals = 0
        self.spool.note("blocked", "", time.time())
        self.sent()

    def _keep(self, key: str, decided: dict[str, Any]) -> None:
        """Keep what the server says. It has the word over what the station has said of the part meanwhile."""
        now = self.spool.get(key)
        if now is None or now.disposition is None:
            self.spool.decide(key, decided)
        elif supersedes(decided, now.disposition):
            self.spool.decide_anew(key, decided)

    def _later(self, row: Row, reason: str, retry_after: float, *, certain: bool, of_the_part: bool) -> float:
        """Wait. A part at which the server itself fails waits by itself as well, so that it does not hold up the others."""
        self.failures += 1
        own = pause(row.tries + 1, random.random()) if of_the_part else 0  # noqa: S311 - chance, no secret
        self.spool.put_off(row.key, error=reason, due_at=time.time() + own if own else 0, certain=certain)
        self.spool.note("last_error", reason, time.time())
        seconds = pause(self.failures, random.random(), retry_after)  # noqa: S311
        log.warning("not sent, again in %.0f s: %s", seconds, reason)
        return seconds

    def _blocked(self, reason: str) -> float:
        """Nothing can be sent before somebody has mended it. Parts are taken on."""
        self.spool.note("blocked", reason, time.time())
        self.spool.note("last_error", reason, time.time())
        log.error("NOTHING IS SENT until this is mended: %s", reason)
        return BLOCKED

    def _refused(self, row: Row, reason: str) -> float:
        self.spool.mark_refused(row.key, error=reason)
        self.spool.note("last_error", f"{row.serial} was refused: {reason}", time.time())
        log.error("%s is put aside in %s: %s", row.serial, put_aside(self.spool, row.key, reason), reason)
        self.refusals += 1
        if self.refusals >= REFUSED_IN_A_ROW:
            return self._blocked(f"The last {self.refusals} parts were all refused, this one because: {reason}")
        return 0


def _name(secret: str) -> str:
    """By what two tokens are told apart, and no token is known."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def put_aside(spool: Spool, key: str, reason: str) -> str:
    """Move a refused part's photos into `refused/`, as a folder that the watch folder would take, the reason beside it.

    Done twice, or once by halves, it is done. Gives the folder's name.
    """
    row, source = spool.get(key), spool.parts / key
    assert row  # noqa: S101 - refused parts keep their row
    name = aside_name(row)
    target = spool.refused / name
    target.mkdir(exist_ok=True)
    sheet = {name: value for name in ("serial", "lot", "variant", "captured_at") if (value := row.fields.get(name))}
    (target / "part.json").write_text(json.dumps(sheet))
    (spool.refused / f"{name}.txt").write_text(f"{reason}\n")
    for photo in row.photos:
        path = source / photo["file"]
        if path.exists():
            os.rename(path, target / path.name)
    for each in (target / "part.json", target, spool.refused):
        sync(each)
    spool.clear(row)
    return name


def aside_name(row: Row) -> str:
    return f"{''.join(sign if sign.isalnum() or sign in '-_' else '_' for sign in row.serial)[:60]}~{row.key[:8]}"
