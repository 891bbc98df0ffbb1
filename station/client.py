"""The server's API over one connection of HTTP or HTTPS: a request, an answer, or Unreachable."""

import contextlib
import http.client
import ssl
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from station.answers import PASSING, Answer
from station.parts import content_type

INSPECTIONS = "/api/v1/inspections/"
CHANGES = "/api/v1/dispositions/changes/"
CHUNK = 256 * 1024
MAX_ANSWER = 4 * 1024 * 1024  # bytes; what follows is not read


class Unreachable(Exception):
    """No answer came: whether the request arrived is not known."""


class Client:
    """One connection, kept open between requests, for one thread. Certificates are verified; redirects not followed."""

    def __init__(self, address: str, *, ca_file: Path | None = None, timeout: float = 60.0):
        parts = urlsplit(address)
        self.address, self.root = address, parts.path.rstrip("/")
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            self._connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, headers: dict[str, str], body: "bytes | Body | None" = None) -> Answer:
        """One request. On a kept connection that the server has closed meanwhile it goes out again on a new one."""
        kept = self._connection.sock is not None
        try:
            return self._ask(method, path, headers, body)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise Unreachable(f"{self.address} does not answer: {error or type(error).__name__}") from None
        try:
            return self._ask(method, path, headers, body)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise Unreachable(f"{self.address} does not answer: {error or type(error).__name__}") from None

    def _ask(self, method: str, path: str, headers: dict[str, str], body: "bytes | Body | None") -> Answer:
        # A server that refuses need not read all that is sent: its answer may lie there when our sending fails.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._connection.sock is None:
                self._connection.connect()
            self._connection.request(method, f"{self.root}{path}", body=body, headers=headers)
        answer = self._connection.getresponse()
        content = answer.read(MAX_ANSWER)
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
