"""The load: inspectors as processes of their own, each on one keep-alive connection, answering as fast as they are served."""

import http.client
import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
    verdicts: dict[int, str] = field(default_factory=dict)  # of a long shift: what each says, as last corrected
    held: list[tuple[int, float, float]] = field(default_factory=list)  # which part, and from when to when


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


class Thinker(Inspector):
    """An inspector who looks before judging, and does all that happens in a shift: undo, unsure, a break, a lost answer."""

    def __init__(self, port: int, person: Person, number: int):
        super().__init__(port, person)
        self.chance, self.seen, self.since, self.renewed = random.Random(number), Round(), {}, time.time()

    def work_until(self, end: float) -> Round:
        time.sleep(self.chance.uniform(0, 3))
        while time.time() < end:
            try:
                self.take()
                self.now_and_then()
                time.sleep(self.chance.uniform(1, 4))
                self.judge_one()
            except Exception as error:  # whatever it is, the shift goes on and the error is told
                self.seen.errors.append(repr(error))
                self.connection.close()
                time.sleep(1)
        self.leave()
        return self.seen

    def expect(self, wanted: set[int], path: str, body: dict) -> dict | None:
        status, answer = self.post(f"/api/v1/{path}", body)
        if status not in wanted:
            self.seen.errors.append(f"{path}: {status} {answer}")
        return answer if status in wanted else None

    def take(self) -> None:
        while len(self.held) <= AHEAD:
            claim = self.expect({200, 204}, "queue/claim/", {"line": "line-a"})
            if claim is None:
                return
            self.hold(claim)

    def hold(self, claim: dict) -> None:
        self.held.append(claim)
        self.since[claim["inspection"]["id"]] = time.time()

    def let_go(self, pk: int) -> None:
        """Called before the request that ends the lease: afterwards somebody else may have the part at once."""
        self.seen.held.append((pk, self.since.pop(pk), time.time()))

    def judge_one(self) -> None:
        if not self.held:
            return
        part = self.held.pop(0)
        pk = part["inspection"]["id"]
        outcome = self.chance.choices(["ok", "scratched", "unsure"], [90, 7, 3])[0]
        body = {"outcome": outcome, "lease": part["lease"]["token"], "duration_ms": 2000, "next": True}
        self.let_go(pk)
        for _ in range(2 if self.chance.random() < 0.02 else 1):  # an answer that was lost is asked for again
            started = time.perf_counter()
            answer = self.expect({201}, f"inspections/{pk}/verdicts/", body)
            self.seen.seconds.append(time.perf_counter() - started)
            if answer is None:
                return
            self.seen.judged.append(pk)
            self.seen.verdicts[answer["verdict"]["id"]] = outcome
            if answer["next"]:
                self.hold(answer["next"])
        if outcome == "ok" and self.chance.random() < 0.02:
            number = answer["verdict"]["id"]
            if self.expect({201}, f"verdicts/{number}/correction/", {"outcome": "scratched"}):
                self.seen.verdicts[number] = "scratched"

    def now_and_then(self) -> None:
        if time.time() - self.renewed > 60:
            self.renewed = time.time()
            answer = self.expect({200}, "queue/renew/", {"leases": [part["lease"]["token"] for part in self.held]})
            if answer and answer["gone"]:
                self.seen.errors.append(f"gone: {answer['gone']}")
            for part, lease in zip(self.held, answer["leases"] if answer else [], strict=False):
                part["lease"] = lease
        if self.chance.random() < 0.01:
            self.leave()
            time.sleep(self.chance.uniform(1, 10))
            self.take()

    def leave(self) -> None:
        """The page closes."""
        for part in self.held:
            self.let_go(part["inspection"]["id"])
        self.expect({204}, "queue/leave/", {"leases": [part["lease"] for part in self.held]})
        self.held = []


def crew(port: int, people: list[tuple[int, Person]], end: float, pipe) -> None:
    """Some thinkers in one process; they mostly wait."""
    with ThreadPoolExecutor(len(people)) as pool:
        pipe.send(list(pool.map(lambda each: Thinker(port, each[1], each[0]).work_until(end), people)))


def shift(port: int, people: list[Person], end: float, processes: int = 5) -> list[Round]:
    """Everybody at work until the end of the shift; what each of them saw."""
    spawn, numbered, pipes = multiprocessing.get_context("spawn"), list(enumerate(people)), []
    for number in range(min(processes, len(people))):
        ours, theirs = spawn.Pipe()
        spawn.Process(target=crew, args=(port, numbered[number::processes], end, theirs), daemon=True).start()
        pipes.append(ours)
    return [seen for pipe in pipes for seen in pipe.recv()]


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
