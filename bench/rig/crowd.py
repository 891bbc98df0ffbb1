"""Stations and inspectors by the hundred in one process: each on a connection of its own that stays open."""

import asyncio
import io
import json
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

AGAIN = 0.5  # seconds until a part that was not accepted is sent again
IDLE = 1.0  # seconds until an inspector without work asks again
WAIT = 20  # seconds of a long poll


@dataclass
class Seen:
    """What was answered, and how long it took: seconds by kind of request."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    sent: int = 0
    accepted: int = 0
    judged: int = 0
    told: int = 0  # dispositions that a waiting station was told
    behind: float = 0.0  # seconds by which the latest part was sent late, since its station was still busy

    def note(self, kind: str, status: int, took: float) -> None:
        self.statuses[f"{kind} {status}"] += 1
        self.seconds.setdefault(kind, []).append(took)


class Connection:
    """HTTP/1.1 over one connection, opened anew when the server has closed it."""

    def __init__(self, port: int, token: str):
        self.port, self.token = port, token
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, answer and headers; status 0 where none came. What is sent twice has to be harmless."""
        for fresh in (False, True):
            try:
                if fresh or self.writer is None:
                    self.close()
                    self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
                return await asyncio.wait_for(self._ask(method, path, body, headers), 60)
            except (OSError, EOFError, TimeoutError, ValueError):
                self.close()
        return 0, None, {}

    async def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, Any, dict[str, str]]:
        assert self.reader
        assert self.writer
        told = {"Host": "127.0.0.1", "Authorization": f"Token {self.token}", "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (told | headers).items())]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        answered = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        content = await self.reader.readexactly(int(answered.get("content-length", 0)))
        if answered.get("connection") == "close":
            self.close()
        return int(head[0].split()[1]), json.loads(content) if content else None, answered

    def close(self) -> None:
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None


def multipart(fields: dict[str, str], photo: bytes) -> tuple[bytes, str]:
    """The body of an intake, and its Content-Type."""
    edge = uuid4().hex
    texts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'--{edge}\r\nContent-Disposition: form-data; name="photos"; filename="front.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return "".join(
        [*texts, file]
    ).encode() + photo + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def one_photo(picture: Any, number: int) -> bytes:
    """The picture with the number in its corner: no two photos are the same bytes, as a camera's never are."""
    for bit in range(40):
        left = 8 * bit
        picture.paste(255 * (number >> bit & 1), (left, 0, left + 8, 8))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@dataclass
class Crowd:
    """Everybody who comes to the site; `rate` (parts/s of all stations) may change while they are at it."""

    port: int
    cameras: str  # the token of the stations' account
    people: list[str]  # tokens
    stations: list[tuple[str, str]]  # line, station
    answering: set[str]  # lines whose stations wait for the disposition
    pictures: list[bytes]  # PNG
    rate: float = 0.0
    seen: Seen = field(default_factory=Seen)
    over: bool = False
    number: int = 0

    async def come(self, told: Any) -> None:
        from PIL import Image

        self.made = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in self.pictures]
        self.due: list[asyncio.Queue[float | None]] = [asyncio.Queue() for _ in self.stations]
        runs = [self.station(*place, due) for place, due in zip(self.stations, self.due, strict=True)]
        runs += [self.inspector(token) for token in self.people]
        await asyncio.gather(self.clock(), self.listen(told), *runs)

    async def listen(self, told: Any) -> None:
        """Do as the bench says: a rate, 'seen' (and forget the seconds), or the end."""
        while not self.over:
            if not told.poll():
                await asyncio.sleep(0.05)
                continue
            word = told.recv()
            if word == "seen":
                told.send(self.seen)
                self.seen.seconds = {}
                self.seen.behind = 0.0
            elif word is None:
                self.over = True
            else:
                self.rate = word

    async def clock(self) -> None:
        """A part is due every 1/rate seconds, at each station in turn."""
        due, turn = time.monotonic(), 0
        while not self.over:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            if not self.rate:
                due = now
            while self.rate and due <= now:
                self.due[turn % len(self.due)].put_nowait(due)
                due, turn = due + 1 / self.rate, turn + 1
        for queue in self.due:
            queue.put_nowait(None)

    async def station(self, line: str, station: str, parts: "asyncio.Queue[float | None]") -> None:
        connection, run = Connection(self.port, self.cameras), uuid4().hex[:6]
        while (due := await parts.get()) is not None:
            self.seen.behind = max(self.seen.behind, time.monotonic() - due)
            self.number += 1
            serial = f"{station}-{run}-{self.number}"
            photo = one_photo(self.made[self.number % len(self.made)], time.time_ns() // 1000)
            part = await self.send(connection, serial, {"serial": serial, "line": line, "station": station}, photo)
            if part and line in self.answering:
                await self.wait(connection, part["id"])
        connection.close()

    async def send(self, connection: Connection, key: str, fields: dict[str, str], photo: bytes) -> dict | None:
        self.seen.sent += 1
        body, kind = multipart(fields | {"origin": "simulated"}, photo)
        while True:  # until it is accepted, also after the end
            began = time.perf_counter()
            headers = {"Content-Type": kind, "Idempotency-Key": key}
            status, answer, _ = await connection.ask("POST", "/api/v1/inspections/", body, **headers)
            self.seen.note("intake", status, time.perf_counter() - began)
            if status in (200, 201):
                self.seen.accepted += 1
                return answer
            if 400 <= status < 500:
                raise RuntimeError(f"{status} {answer}")
            await asyncio.sleep(AGAIN)

    async def wait(self, connection: Connection, pk: int) -> None:
        """Ask what becomes of the part, once, as a gate at the line does."""
        began = time.perf_counter()
        status, answer, headers = await connection.ask("GET", f"/api/v1/inspections/{pk}/?wait={WAIT}")
        full = "retry-after" in headers
        self.seen.note("wait refused" if full else "wait", status, time.perf_counter() - began)
        self.seen.told += bool(answer and answer.get("disposition"))

    async def inspector(self, token: str) -> None:
        connection, part = Connection(self.port, token), None
        lines = sorted({line for line, _ in self.stations})
        while not self.over:
            for line in random.sample(lines, len(lines)) if part is None else []:
                part = part or await self.claim(connection, line)
            part = await self.judge(connection, part) if part else await asyncio.sleep(IDLE)
        connection.close()

    async def claim(self, connection: Connection, line: str) -> dict | None:
        began = time.perf_counter()
        body = json.dumps({"line": line}).encode()
        status, claim, _ = await connection.ask("POST", "/api/v1/queue/claim/", body, **JSON)
        self.seen.note("claim", status, time.perf_counter() - began)
        return claim if status == 200 else None

    async def judge(self, connection: Connection, part: dict) -> dict | None:
        outcome = "scratched" if random.random() < 0.02 else "ok"
        body = {"outcome": outcome, "lease": part["lease"]["token"], "duration_ms": 1500, "next": True}
        began = time.perf_counter()
        path = f"/api/v1/inspections/{part['inspection']['id']}/verdicts/"
        status, answer, _ = await connection.ask("POST", path, json.dumps(body).encode(), **JSON)
        self.seen.note("verdict", status, time.perf_counter() - began)
        self.seen.judged += status == 201
        return answer.get("next") if status == 201 else None


JSON = {"Content-Type": "application/json"}


def be(crowd: Crowd, told: Any) -> None:
    asyncio.run(crowd.come(told))


@contextmanager
def gathered(crowd: Crowd) -> Iterator[tuple[Any, int]]:
    """The crowd in a process of its own; yields the pipe that it listens to, and its pid."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=be, args=(crowd, theirs), daemon=True)
    process.start()
    try:
        yield ours, process.pid or 0
    finally:
        if process.is_alive():
            ours.send(None)
        process.join(90)
        if process.is_alive():
            process.kill()
