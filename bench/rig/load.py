"""The load: inspectors as processes of their own, each on one keep-alive connection, answering as fast as they are served."""

import http.client
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

AHEAD = 2  # parts that the room holds beyond the one that is looked at


@dataclass
class Person:
    """Who answers: the session of a browser, and a token of the API."""

    session: str
    csrf: str
    token: str

    def headers(self, way: str) -> dict[str, str]:
        if way == "token":
            return {"Content-Type": "application/json", "Authorization": f"Token {self.token}"}
        cookies = f"sessionid={self.session}; csrftoken={self.csrf}"
        return {"Content-Type": "application/json", "Cookie": cookies, "X-CSRFToken": self.csrf}


@dataclass
class Round:
    """What one client saw: seconds of each request, the parts whose verdict was answered, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Inspector:
    """One client: the parts that it holds, and its connection."""

    def __init__(self, port: int, person: Person):
        self.port, self.person, self.held, self.item = port, person, [], 0
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path: str, body: dict, way: str = "session") -> tuple[int, dict | None]:
        self.connection.request("POST", path, json.dumps(body), self.person.headers(way))
        response = self.connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def reconnect(self) -> None:
        """The kernel deals connections to the server's processes; a new round is a new deal."""
        self.connection.close()
        self.connection.connect()

    def fill_hands(self) -> None:
        while len(self.held) <= AHEAD:
            status, claim = self.post("/api/v1/queue/claim/", {"line": "line-a"})
            if status != 200:
                raise RuntimeError(f"nothing to claim: {status} {claim}")
            self.held.append(claim)

    def judge(self, way: str, seen: Round) -> None:
        part = self.held.pop(0)
        pk = part["inspection"]["id"]
        body = {"outcome": "ok", "lease": part["lease"]["token"], "duration_ms": 900, "next": True}
        started = time.perf_counter()
        status, answer = self.post(f"/api/v1/inspections/{pk}/verdicts/", body, way)
        seen.seconds.append(time.perf_counter() - started)
        if status == 201 and answer and answer.get("next"):
            seen.judged.append(pk)
            self.held.append(answer["next"])
        else:
            seen.errors.append(f"{status} {answer}")

    def answer_bare(self, seen: Round) -> None:
        started = time.perf_counter()
        status, answer = self.post("/bare/", {"item": self.item, "outcome": "ok"})
        seen.seconds.append(time.perf_counter() - started)
        if status == 201 and answer:
            self.item = answer["item"]
        else:
            seen.errors.append(f"{status} {answer}")

    def run(self, way: str, count: int) -> Round:
        seen = Round()
        if way != "bare":
            self.fill_hands()
        for _ in range(count):
            if way == "bare":
                self.answer_bare(seen)
            else:
                self.judge(way, seen)
        return seen


def client(port: int, person: Person, pipe) -> None:
    """One client process: on each word from the pipe, a round."""
    inspector = Inspector(port, person)
    while word := pipe.recv():
        if word == "reconnect":
            inspector.reconnect()
            pipe.send(None)
        else:
            pipe.send(inspector.run(*word))


@contextmanager
def clients(port: int, people: list[Person]) -> Iterator[list]:
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for person in people:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=client, args=(port, person, theirs), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        yield pipes
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(None)
            process.join(10)


def all_together(pipes: list, word) -> tuple[list, float]:
    """Send one word to every client; what each answers, and the seconds until the last had."""
    started = time.perf_counter()
    for pipe in pipes:
        pipe.send(word)
    return [pipe.recv() for pipe in pipes], time.perf_counter() - started
