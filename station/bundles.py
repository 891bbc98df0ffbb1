"""What a station decides by while the network is down: fetched from the server, checked, and kept on the station's disk."""

import base64
import hashlib
import io
import json
import logging
import os
import random
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from station.answers import Answer, pause
from station.client import Client, Unreachable
from station.edge import Bundle, Ticket
from station.settings import BadSetting, token
from station.spool import Spool, sync

log = logging.getLogger("station")
EDGE = "edge"  # the folder in the spool
FORM = 1  # of the manifest that this agent reads
NEEDED = {"network.onnx", "locator.onnx", "figures.npz", "figures.json"}
RENEW = 10.0  # seconds between two questions, as between two for changes
ANXIOUS = 2.0  # seconds, while the server does not answer
ANOTHER_KEY = (
    "the server signs with another key than the one this station has kept since it first asked. If somebody has changed the "
    "key on purpose, remove {}"
)


class NotOurs(ValueError):
    """A bundle or ticket is not what the server signed for this station; the text says what is wrong."""


@dataclass(frozen=True)
class Kept:
    """A bundle and its ticket, both checked."""

    bundle: Bundle
    ticket: Ticket
    files: Mapping[str, bytes]


def canonical(value: Mapping[str, Any]) -> bytes:
    """The bytes of an object that are signed: names in order, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(key: str, signature: bytes, content: bytes) -> None:
    """Whether the key (32 bytes in base64) has signed this content. Raises NotOurs."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise NotOurs("a signature does not fit the key") from None


def read_ticket(told: Any, key: str) -> Ticket:
    """The ticket of the server's JSON, its signature checked. Raises NotOurs."""
    try:
        rest = {name: value for name, value in told.items() if name != "signature"}
        check(key, base64.b64decode(told["signature"], validate=True), canonical(rest))
        issued_at, ends_at = (datetime.fromisoformat(rest[name]) for name in ("issued_at", "ends_at"))
        if not (issued_at.tzinfo and ends_at.tzinfo):
            raise ValueError("a moment without its zone")
        return Ticket(int(rest["bundle"]), rest["sha256"], rest["line"], rest["station"], issued_at, ends_at)
    except NotOurs:
        raise
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotOurs("the ticket cannot be read") from None


def read_bundle(content: bytes, ticket: Ticket, key: str) -> Kept:
    """The bundle in a ZIP's bytes that a ticket names: digest, signature and each file checked. Raises NotOurs."""
    if hashlib.sha256(content).hexdigest() != ticket.sha256:
        raise NotOurs("the bundle's file is not the one that the ticket names")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        manifest, signature = files.pop("manifest.json"), files.pop("signature")
    except Exception:  # a ZIP that is none fails in a dozen ways
        raise NotOurs("the bundle's file cannot be read") from None
    check(key, signature, manifest)
    bundle, digests = _read_manifest(manifest)
    if (bundle.number, bundle.line, bundle.station) != (ticket.bundle, ticket.line, ticket.station):
        raise NotOurs("bundle and ticket are not of one number, line and station")
    if not digests.keys() >= NEEDED or files.keys() != digests.keys():
        raise NotOurs("the bundle holds other files than its manifest says")
    for name, file in files.items():
        if hashlib.sha256(file).hexdigest() != digests[name]:
            raise NotOurs(f"{name} is not what the manifest says")
    return Kept(bundle, ticket, files)


def _read_manifest(content: bytes) -> tuple[Bundle, dict[str, str]]:
    try:
        told = json.loads(content)
        if told["format"] != FORM:
            raise NotOurs(f"the bundle is of format {told['format']}, and this agent reads {FORM}: update it")
        strata = None if told["strata"] is None else frozenset((place, variant) for place, variant in told["strata"])
        bundle = Bundle(
            int(told["number"]), told["line"], told["station"], told["version"]["name"], int(told["policy"]),
            float(told["pass_below"]), float(told["reject_from"]), strata, int(told["most"]),
        )  # fmt: skip
        digests = dict(told["files"])
    except NotOurs:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotOurs("the manifest cannot be read") from None
    if not 0 <= bundle.pass_below <= bundle.reject_from <= 1:
        raise NotOurs("the thresholds are no order of scores")
    return bundle, digests


@dataclass
class Shelf:
    """`SPOOL/edge/`: the server's key as it was first seen, the last bundle, and the last ticket."""

    folder: Path
    _read: tuple[tuple[bytes, ...], Kept] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.bundle, self.ticket = (self.folder / name for name in ("key", "bundle.zip", "ticket.json"))

    def pin(self, key: str) -> str:
        """Keep the server's key if it is the first; why it is refused if it is another than that."""
        known = _content(self.key).decode(errors="replace")
        if known and known != key:
            return ANOTHER_KEY.format(self.key)
        if not known:
            self._write(self.key, key.encode())
        return ""

    def holds(self, ticket: Ticket) -> bool:
        """Whether the ticket's bundle lies here whole."""
        return hashlib.sha256(_content(self.bundle)).hexdigest() == ticket.sha256

    def keep_ticket(self, told: Mapping[str, Any]) -> None:
        content = json.dumps(told).encode()
        if content != _content(self.ticket):  # the server repeats a ticket for some minutes
            self._write(self.ticket, content)

    def keep_bundle(self, content: bytes) -> None:
        self._write(self.bundle, content)

    def end(self) -> None:
        """The bundle may be used no more; the file stays, should it be renewed."""
        self.ticket.unlink(missing_ok=True)
        sync(self.folder)

    def take(self, line: str, station: str) -> Kept:
        """What lies here, checked from the key to each file. Raises NotOurs."""
        lying = tuple(_content(path) for path in (self.key, self.bundle, self.ticket))
        if not lying[2]:
            raise NotOurs("the server has given the station no ticket, or has ended it")
        if self._read is None or self._read[0] != lying:
            key, content, ticket = lying
            told = read_ticket(_json(ticket), key.decode(errors="replace"))
            self._read = (lying, read_bundle(content, told, key.decode(errors="replace")))
        kept = self._read[1]
        if (kept.ticket.line, kept.ticket.station) != (line, station):
            raise NotOurs("the ticket is another station's")
        return kept

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all, and on the disk when it returns."""
        half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        half.write_bytes(content)
        sync(half)
        os.replace(half, path)
        sync(self.folder)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


@dataclass
class Fetcher:
    """Asks for the ticket as long as the agent runs, and for the bundle that it names when that is new."""

    spool: Spool
    client: Client
    shelf: Shelf
    line: str
    station: str
    failures: int = 0

    def step(self) -> float:
        """Ask once. Returns the seconds to wait before the next step."""
        self.spool.see_moment(time.time())
        try:
            answer = self.client.edge(token(), self.line, self.station)
            wait = self._read(answer)
        except BadSetting:
            return RENEW  # the sender says so
        except Unreachable:
            return ANXIOUS
        except NotOurs as reason:
            self.shelf.end()
            self._say([f"{reason}"], trouble=str(reason))
            return RENEW
        return wait

    def _read(self, answer: Answer) -> float:
        told = answer.json()
        known = isinstance(told, dict)
        if known and answer.status in (401, 403, 404) and "title" in told and "detail" in told:
            self._end([f"the server answers {answer.status}: {told['detail']}"])
        elif known and answer.status == 200 and "ticket" in told:
            self._keep(told)
        else:  # nothing that the server itself has said
            self.failures += 1
            return max(RENEW, pause(self.failures, random.random(), answer.retry_after))  # noqa: S311 - chance, no secret
        self.failures = 0
        return RENEW

    def _keep(self, told: Mapping[str, Any]) -> None:
        if told["ticket"] is None:
            self._end([str(reason) for reason in told.get("reasons", [])])
            return
        if refused := self.shelf.pin(str(told.get("public_key") or "none")):
            raise NotOurs(refused)
        ticket = read_ticket(told["ticket"], self.shelf.key.read_text())
        self.spool.see_moment(ticket.issued_at.timestamp())
        if not self.shelf.holds(ticket):
            self.shelf.end()  # the one that lies here has been replaced, and its time is over
            answer = self.client.bundle(token(), self.line, ticket.bundle)
            if answer.status != 200:
                raise NotOurs(f"bundle {ticket.bundle} cannot be fetched: the server answers {answer.status}")
            read_bundle(answer.body, ticket, self.shelf.key.read_text())
            self.shelf.keep_bundle(answer.body)
            log.info("bundle %s is here, for when the network is down", ticket.bundle)
        self.shelf.keep_ticket(told["ticket"])
        self._say([], bundle=ticket.bundle, ends_at=ticket.ends_at.isoformat())

    def _end(self, reasons: list[str]) -> None:
        self.shelf.end()
        self._say(reasons or ["the server gives none"])

    def _say(self, why: list[str], *, trouble: str = "", **ticket: Any) -> None:
        now = time.time()
        self.spool.note("bundle", json.dumps(ticket | {"why": why}), now)
        self.spool.note("edge", trouble, now)
