"""A site as the product runs it, under a supervisor; parts and people that come to it; and what is seen of it from outside."""

import http.client
import io
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from automation.simulation import ApiClient, Unreachable
from bench.rig.faulty_servers import until

ROOT = Path(__file__).resolve().parent.parent.parent
CELERY = [sys.executable, "-m", "celery", "--quiet", "-A"]
LINES = ("line-a", "line-b")  # at shadow: people judge every part; at full: the machine decides
RESTART_AFTER = 1.0  # seconds, as a service manager would
LATE = 10.0  # seconds from intake to an answer: half of the hold
GIVE_UP = 120.0  # seconds for which a camera or a person sends the same thing again


def commands(app: str) -> dict[str, list[str]]:
    worker = [*CELERY, app, "worker", "--loglevel", "WARNING", "--concurrency", "1"]
    return {
        "web": [sys.executable, "-m", "gunicorn", "config.wsgi"],
        "worker": [*worker, "-n", "worker@bench", "-Q", "default"],
        "score": [*worker, "-n", "score@bench", "-Q", "score"],
        "beat": [*CELERY, app, "beat", "--loglevel", "WARNING"],
    }


class Site:
    """The processes, each started again when it ends, as systemd would."""

    def __init__(self, data: Path, port: int, run: dict[str, list[str]]):
        self.data, self.port, self.url = data, port, f"http://127.0.0.1:{port}"
        self.env = os.environ | {"PORT": str(port), "LOG_LEVEL": "WARNING"}
        self.log = open(data.parent / "site.log", "ab")  # noqa: SIM115 - as long as the processes
        self.commands = run
        self.running = {name: self._start(name) for name in self.commands}
        self.ended = threading.Event()
        self.watch = threading.Thread(target=self._supervise, daemon=True)
        self.watch.start()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.commands[name], cwd=ROOT, env=self.env, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def _supervise(self) -> None:
        while not self.ended.wait(0.2):
            for name, process in self.running.items():
                if process.poll() is not None and not self.ended.wait(RESTART_AFTER):
                    self.running[name] = self._start(name)

    def signal(self, name: str, number: int, *, all_of_it: bool) -> None:
        """Send a signal to the process, or to it and its children."""
        process = self.running[name]
        with suppress(ProcessLookupError):
            (os.killpg if all_of_it else os.kill)(process.pid, number)

    def ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return urllib.request.urlopen(f"{self.url}/readyz", timeout=5).status == 200
        return False

    def jobs(self, state: str) -> float:
        """Scoring jobs in that state, as Prometheus reads it."""
        with suppress(OSError, http.client.HTTPException):
            text = urllib.request.urlopen(f"{self.url}/metrics", timeout=10).read().decode()
            return sum(float(line.split()[-1]) for line in text.splitlines() if f'jobs{{state="{state}"}}' in line)
        return 0.0

    def stop(self) -> None:
        self.ended.set()
        self.watch.join()
        for name in self.running:
            self.signal(name, signal.SIGTERM, all_of_it=False)
        for name, process in self.running.items():
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            self.signal(name, signal.SIGKILL, all_of_it=True)
            process.wait()
        self.log.close()


@dataclass
class Part:
    """A part as the camera knows it."""

    serial: str
    line: str
    photo: bytes
    scratched: bool
    accepted: float = 0.0  # the time at which the server had answered; 0: it never did
    tries: int = 0


@dataclass
class Seen:
    """What was answered to whom, from outside."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    unreachable: int = 0
    last_failure: float = 0.0

    def ask(self, client: ApiClient, method: str, path: str, *args: Any) -> tuple[int, Any]:
        """One request; status 0 where no answer came."""
        try:
            status, answer = getattr(client, method)(path, *args) if method != "send" else client.send(*args)
        except (Unreachable, OSError, http.client.HTTPException):
            self.unreachable += 1
            self.last_failure = time.time()
            return 0, None
        self.statuses[status] += 1
        if status >= 500:
            self.last_failure = time.time()
            if status != 503:
                self.faults.append(f"{status} at {path}: {answer}"[:200])
        return status, answer


def photo_of(picture: Any, number: int) -> bytes:
    """The picture as a photo that there was never before: a disk that is full must be written to."""
    one = picture.copy()
    for bit in range(64):
        one.paste(255 * (number >> bit & 1), (8 * (bit % 8), 8 * (bit // 8), 8 * (bit % 8) + 8, 8 * (bit // 8) + 8))
    buffer = io.BytesIO()
    one.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Traffic:
    """Cameras that send each part until it is accepted, and people who judge what is in the queue."""

    def __init__(self, url: str, tokens: dict[str, str], pictures: list[tuple[Any, bool]], rate: float, name: str):
        self.camera = ApiClient(url, tokens["sim-camera"])
        self.people = [ApiClient(url, tokens[person]) for person in ("sim-1", "sim-2")]
        self.admin = ApiClient(url, tokens["ada"])
        self.pictures, self.rate, self.name, self.seen = pictures, rate, name, Seen()
        self.parts: dict[str, Part] = {}
        self.waiting: queue.Queue[Part | None] = queue.Queue()
        self.last_part, self.home = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._make, self._send, self._send)]
        self.judges = [threading.Thread(target=self._judge, args=[who], daemon=True) for who in self.people]

    def start(self) -> None:
        for thread in (*self.threads, *self.judges):
            thread.start()

    def add(self, photo: bytes, scratched: bool, line: str) -> Part:
        part = Part(f"{self.name}-{len(self.parts):04d}", line, photo, scratched)
        self.parts[part.serial] = part
        self.waiting.put(part)
        return part

    def _make(self) -> None:
        started, number = time.perf_counter(), 0
        while not self.last_part.wait(max(0.0, number / self.rate - (time.perf_counter() - started))):
            picture, scratched = self.pictures[number % len(self.pictures)]
            self.add(photo_of(picture, time.time_ns()), scratched, LINES[number % 2])
            number += 1

    def _send(self) -> None:
        while part := self.waiting.get():
            ends = time.monotonic() + GIVE_UP
            fields = {"serial": part.serial, "line": part.line, "station": "front", "origin": "simulated"}
            while not part.accepted and time.monotonic() < ends:
                part.tries += 1
                status, _ = self.seen.ask(self.camera, "send_part", fields, part.photo, part.serial)  # type: ignore[arg-type]
                if status in (200, 201):
                    part.accepted = time.time()
                else:
                    time.sleep(0.5)

    def _judge(self, who: ApiClient) -> None:
        while not self.home.is_set():
            found = False
            for line in random.sample(LINES, len(LINES)):
                status, claim = self.seen.ask(who, "post", "/api/v1/queue/claim/", {"line": line})
                if status == 200:
                    found = True
                    self._answer(who, claim)
            if not found:
                self.home.wait(0.3)

    def _answer(self, who: ApiClient, claim: dict) -> None:
        part = self.parts.get(claim["inspection"]["serial"])
        outcome = "scratched" if part and part.scratched else "ok"
        body = {"outcome": outcome, "lease": claim["lease"]["token"], "duration_ms": 1500}
        ends = time.monotonic() + GIVE_UP
        while time.monotonic() < ends:
            status, _ = self.seen.ask(who, "post", f"/api/v1/inspections/{claim['inspection']['id']}/verdicts/", body)
            if 0 < status < 500:  # the same answer sent again is harmless
                return
            time.sleep(0.5)

    def no_more_parts(self) -> None:
        """Stop the camera and wait until what it has made is sent."""
        self.last_part.set()
        self.threads[0].join()
        for _ in self.threads[1:]:
            self.waiting.put(None)
        for thread in self.threads[1:]:
            thread.join(GIVE_UP + 60)

    def go_home(self) -> None:
        self.home.set()
        for thread in self.judges:
            thread.join(GIVE_UP + 60)

    def look_up(self, what: str, serial: str) -> list[dict]:
        """The rows of a serial by the API; it is asked again while there is no answer."""
        rows: list[dict] = []

        def answered() -> bool:
            status, answer = self.seen.ask(
                self.admin, "send", f"/api/v1/{what}/", "GET", f"/api/v1/{what}/?serial={serial}", None, {}
            )
            if status == 200:
                rows[:] = answer["results"]
            return status == 200

        until(answered, 120, f"An answer about {serial}")
        return rows


QUEUED = {"waiting", "second_opinion", "with_supervisor"}


def count(traffic: Traffic, began: float, wait: float) -> dict[str, Any]:
    """Wait until every part is disposed of and scored, no longer than `wait` seconds, and say what came of the parts."""
    ends, rows, answers = time.monotonic() + wait, {}, {}
    todo = list(traffic.parts)
    while todo and time.monotonic() < ends:
        time.sleep(1)
        for serial in todo:
            rows[serial] = traffic.look_up("inspections", serial)
            answers[serial] = traffic.look_up("predictions", serial)
        todo = [serial for serial in todo if not (rows[serial] and rows[serial][0]["disposition"] and answers[serial])]
    one = {serial: found[0] for serial, found in rows.items() if found}
    late, now = [], time.time()
    for serial, part in traffic.parts.items():
        moments = [datetime.fromisoformat(row["at"]).timestamp() for row in answers[serial]]
        # What is written in the future was written by a clock that had jumped.
        late += [moment for moment in moments if part.accepted and LATE < moment - part.accepted < now - part.accepted]
    # A read of the admin's that failed is no part of the site's day.
    normal = max([traffic.seen.last_failure, *late, began]) - began
    return {
        "sent": len(traffic.parts),
        "in": len(one),
        "twice": sum(len(found) > 1 for found in rows.values()),
        "machine": sum(bool(row["disposition"] and row["disposition"]["by_machine"]) for row in one.values()),
        "people": sum(bool(row["disposition"] and not row["disposition"]["by_machine"]) for row in one.values()),
        "queued": sum(not row["disposition"] and row["state"] in QUEUED for row in one.values()),
        "lost": sum(not row["disposition"] and row["state"] not in QUEUED for row in one.values()),
        "scored": sum(len(found) == 1 for found in answers.values()),
        "scored_twice": sum(len(found) > 1 for found in answers.values()),
        "null": sum(row["score"] is None for found in answers.values() for row in found),
        "late": len(late),
        "retried": sum(part.tries > 1 for part in traffic.parts.values()),
        "503": traffic.seen.statuses[503],
        "unreachable": traffic.seen.unreachable,
        "5xx": len(traffic.seen.faults),
        "faults": traffic.seen.faults[:5],
        "normal_after": round(normal, 1),
    }


def is_right(row: dict[str, Any], nulls: int) -> bool:
    """Parts in are parts out and scored, all but so many with a score, none twice, and no fault but an honest 503."""
    out = row["machine"] + row["people"] + row["queued"]
    return row["sent"] == row["in"] == out == row["scored"] and not (
        row["twice"] or row["scored_twice"] or row["lost"] or row["5xx"] or row["null"] != nulls
    )
