"""The server's API over one connection of HTTP or HTTPS: a request, an answer, or Unreachable."""

import contextlib
import http.client
import select
import ssl
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from station.answers import PASSING, Answer
from station.parts import content_type
from station.pulse import Pulse

INSPECTIONS = "/api/v1/inspections/"
CHANGES = "/api/v1/dispositions/changes/"
LINES = "/api/v1/lines/"
CHUNK = 256 * 1024
MAX_ANSWER = 4 * 1024 * 1024  # bytes; what follows is not read
MAX_BUNDLE = 64 * 1024 * 1024
CONNECT = 10.0  # seconds at most to be connected: a network that swallows everything does not say so


class Unreachable(Exception):
    """No answer came: whether the request arrived is not known."""


class Client:
    """One connection, kept open between requests, for one thread. Certificates are verified; redirects not followed."""

    def __init__(self, address: str, *, ca_file: Path | None = None, timeout: float = 60.0, pulse: Pulse | None = None):
        parts = urlsplit(address)
        self.pulse, self.timeout = pulse, timeout
        self.address, self.root = address, parts.path.rstrip("/")
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            self._connection = http.client.HTTPSConnection(host, port, timeout=min(timeout, CONNECT), context=context)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=min(timeout, CONNECT))

    def close(self) -> None:
        self._connection.close()

    def connect(self) -> None:
        """Be connected, with nothing sent yet. Raises Unreachable: then no request has carried anything."""
        if self._connection.sock is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self.close()  # nothing is to be read between two requests but the end
        if self._connection.sock is None:
            self._asked()
            try:
                self._connect()
            except OSError as error:
                self.close()
                raise Unreachable(f"{self.address} does not answer: {error or type(error).__name__}") from None

    def _connect(self) -> None:
        self._connection.connect()
        self._connection.sock.settimeout(self.timeout)

    def _asked(self) -> None:
        if self.pulse:
            self.pulse.asked()

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: "bytes | Body | None" = None,
        most: int = MAX_ANSWER,
    ) -> Answer:  # fmt: skip
        """One request. On a kept connection that the server has closed meanwhile it goes out again on a new one."""
        self._asked()
        answer = self._ask_twice(method, path, headers, body, most)
        if self.pulse:
            self.pulse.heard(answer)
        return answer

    def _ask_twice(
        self, method: str, path: str, headers: dict[str, str], body: "bytes | Body | None", most: int
    ) -> Answer:
        kept = self._connection.sock is not None
        try:
            return self._ask(method, path, headers, body, most)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise Unreachable(f"{self.address} does not answer: {error or type(error).__name__}") from None
        try:
            return self._ask(method, path, headers, body, most)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise Unreachable(f"{self.address} does not answer: {error or type(error).__name__}") from None

    def _ask(self, method: str, path: str, headers: dict[str, str], body: "bytes | Body | None", most: int) -> Answer:
        # A server that refuses need not read all that is sent: its answer may lie there when our sending fails.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._connection.sock is None:
                self._connect()
            self._connection.request(method, f"{self.root}{path}", body=body, headers=headers)
        answer = self._connection.getresponse()
        content = answer.read(most)
        if answer.will_close or not answer.isclosed():
            self.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def send_part(self, token: str, key: str, fields: dict[str, str], photos: Sequence[tuple[Path, str]]) -> Answer:
        """Post a part: its fields, and its photos as (file, view)."""
        body = Body(fields, photos)
        headers = _authorised(token) | {
            "Idempotency-Key": key, "Content-Type": f"multipart/form-data; boundary={body.boundary}",
            "Content-Length": str(body.length),
        }  # fmt: skip
        return self.ask("POST", INSPECTIONS, headers, body)

    def read_part(self, token: str, inspection: int, wait: float = 0) -> Answer:
        """One inspection; with `wait` the server holds the answer for so many seconds until there is a disposition."""
        path = f"{INSPECTIONS}{inspection}/" + (f"?wait={wait:g}" if wait else "")
        return self.ask("GET", path, _authorised(token))

    def changes(self, token: str, after: str) -> Answer:
        """How dispositions of this station's parts changed after that number; with none, the number to begin with."""
        return self.ask("GET", f"{CHANGES}?after={after}" if after else CHANGES, _authorised(token))

    def edge(self, token: str, line: str, station: str) -> Answer:
        """Whether this station may decide by itself while the network is down: a ticket, or the reasons why not."""
        query = urlencode({"station": station})
        return self.ask("GET", f"{LINES}{quote(line, safe='')}/edge/?{query}", _authorised(token))

    def bundle(self, token: str, line: str, number: int) -> Answer:
        """What it decides by, as a ZIP."""
        path = f"{LINES}{quote(line, safe='')}/edge/bundles/{number}/"
        headers = _authorised(token) | {"Accept": "*/*"}  # which holds for the refusal too
        return self.ask("GET", path, headers, most=MAX_BUNDLE)

    def parts_of(self, token: str, *, line: str, serial: str) -> list[Any] | None:
        """The newest inspections of a serial that this station has sent; None when the server will not say.

        Raises Unreachable when it cannot say just now: whoever took that for "none" would send a part twice.
        """
        query = urlencode({"line": line, "serial": serial, "limit": 50})
        answer = self.ask("GET", f"{INSPECTIONS}?{query}", _authorised(token))
        if answer.status in PASSING or answer.status >= 500:
            raise Unreachable(f"{self.address} answers {answer.status}")
        told = answer.json()
        return list(told["results"]) if answer.status == 200 and isinstance(told, dict) and "results" in told else None


def _authorised(token: str) -> dict[str, str]:
    return {"Authorization": f"Token {token}", "Accept": "application/json", "User-Agent": "shadowline-station"}


class Body(Iterable[bytes]):
    """A form of fields and photos, read from the disk as it is sent: eight large photos need no memory."""

    def __init__(self, fields: dict[str, str], photos: Sequence[tuple[Path, str]]):
        self.boundary = uuid.uuid4().hex
        self._pieces: list[bytes | Path] = []
        views = [("views", view) for _, view in photos if view]  # all have one, or none has
        for name, value in [*fields.items(), *views]:
            self._pieces.append(self._head(f'name="{name}"') + value.encode() + b"\r\n")
        for number, (path, _) in enumerate(photos, 1):
            with path.open("rb") as file:
                kind = content_type(file.read(16)) or "application/octet-stream"
            self._pieces += [self._head(f'name="photos"; filename="photo-{number}"', kind), path, b"\r\n"]
        self._pieces.append(f"--{self.boundary}--\r\n".encode())
        self.length = sum(len(piece) if isinstance(piece, bytes) else piece.stat().st_size for piece in self._pieces)

    def _head(self, told: str, kind: str = "") -> bytes:
        type_line = f"Content-Type: {kind}\r\n" if kind else ""
        return f"--{self.boundary}\r\nContent-Disposition: form-data; {told}\r\n{type_line}\r\n".encode()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            with piece.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
