"""The agent: its loops side by side, one for each thing that must not wait for another."""

import contextlib
import json
import logging
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from station.bundles import EDGE, Fetcher, Shelf
from station.client import Client
from station.deciding import Decider, Probe, scores
from station.pulse import Pulse
from station.sending import Sender, aside_name, put_aside
from station.settings import BadSetting, Settings, secret
from station.spool import Spool, lock
from station.state import read_state
from station.taking import Taker
from station.telling import Asker, Filer, Follower, Poster

log = logging.getLogger("station")
LOOK = 0.25  # seconds between two looks into the watch folder
HOUSE = 30.0  # seconds between two rounds of keeping house
REST = 5.0  # seconds after the disk failed
HOUR = 3600.0


class Loop(threading.Thread):
    """Repeats a step: at once after 0, later after a number of seconds, and when woken after None."""

    def __init__(self, agent: "Agent", name: str, step: Callable[[], float | None], *, may_be_cut: bool = True):
        super().__init__(name=name, daemon=may_be_cut)
        self.agent, self.step = agent, step
        self.work, self.hurry = threading.Event(), threading.Event()
        self.troubled = False

    def run(self) -> None:
        try:
            while not self.agent.stop.is_set():
                self._rest(self._step())
        except BaseException:
            log.exception("the agent ends, and should be started again")
            self.agent.failed = True
            self.agent.end()

    def _step(self) -> float | None:
        try:
            pause = self.step()
        except (OSError, sqlite3.OperationalError) as error:
            # A full or missing disk. What lies there stays, and so do we.
            log.error("%s: %s", self.name, error)
            self._note(str(error))
            return REST
        if self.troubled:
            self._note("")
        return pause

    def _note(self, text: str) -> None:
        self.troubled = bool(text)
        with contextlib.suppress(sqlite3.OperationalError):
            self.agent.spool.note(self.name, text, time.time())

    def _rest(self, pause: float | None) -> None:
        if pause is None:
            self.work.wait(1.0)
            self.work.clear()
        elif pause:
            self.hurry.wait(pause)
            self.hurry.clear()


class Agent:
    """One agent on one spool. Raises InUse where another works on it, BadSetting where something is missing."""

    def __init__(self, settings: Settings):
        if settings.watch is None:
            raise BadSetting("The setting 'watch' is missing: the folder into which the camera writes.")
        if settings.webhook and not secret("STATION_WEBHOOK_SECRET"):
            raise BadSetting("The webhook has no secret. Set STATION_WEBHOOK_SECRET_FILE or STATION_WEBHOOK_SECRET.")
        self.settings, self.stop, self.failed = settings, threading.Event(), False
        self._lock = lock(settings.spool)
        settings.watch.mkdir(parents=True, exist_ok=True)
        self.spool = Spool(settings.spool)
        self.pulse = Pulse()
        self.taker = Taker(settings, self.spool, taken=lambda: self.sender.work.set())
        sender = Sender(self.spool, self._client(self.pulse), sent=self._sent)
        self.sender = Loop(self, "sending", sender.step, may_be_cut=False)
        self.waiter = Loop(self, "waiting", self._asker(waits=True).step)
        self.telling = [self.waiter, Loop(self, "asking", self._asker(waits=False).step)]
        follower = Follower(self.spool, self._client(self.pulse), changed=self._wake_tellers)
        self.telling.append(Loop(self, "following", follower.step))
        if settings.edge:
            self.telling += self._edge(sender)
        if settings.out:
            self.telling.append(Loop(self, "filing", Filer(self.spool, settings.out).step))
        if settings.webhook:
            poster = Poster(self.spool, settings.webhook, settings.ca_file)
            self.telling.append(Loop(self, "posting", poster.step))
        self.taking = Loop(self, "taking", self._take, may_be_cut=False)
        self._token, self._tidied = secret("STATION_TOKEN"), 0.0

    def _client(self, pulse: Pulse | None = None) -> Client:
        return client_of(self.settings, pulse)

    def _edge(self, sender: Sender) -> list[Loop]:
        """What fetches a bundle, and what decides by it while the server is silent."""
        shelf = Shelf(self.spool.folder / EDGE)
        decider = Decider(self.spool, shelf, self.pulse, scores(), decided=self._wake_tellers)
        fetcher, other = (
            Fetcher(self.spool, client, shelf, self.settings.line, self.settings.station)
            for client in (self._client(self.pulse), sender.client)
        )
        sender.probe = Probe(other, self.pulse)
        return [Loop(self, "fetching", fetcher.step), Loop(self, "deciding", decider.step)]

    def _asker(self, *, waits: bool) -> Asker:
        return Asker(self.spool, self._client(), waits, decided=self._wake_tellers)

    def _sent(self) -> None:
        self._wake_tellers()  # to ask, or, when the receipt has told already, to pass it on

    def _wake_tellers(self) -> None:
        for loop in self.telling:
            loop.work.set()

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; the request in hand is ended first. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.end())
        health = serve_health(self.settings.listen, self.spool) if self.settings.listen else None
        self.recover()
        loops = [self.taking, self.sender, *self.telling]
        for loop in loops:
            loop.start()
        log.info("taking parts from %s for %s, line %s", self.settings.watch, self.settings.server, self.settings.line)
        for loop in (self.taking, self.sender):
            loop.join()
        if health:
            health.shutdown()
        log.info("ended; %d parts wait for the next start", self.spool.counts(time.time())["waiting"])
        return 3 if self.failed else 0

    def end(self) -> None:
        self.stop.set()
        for loop in (self.taking, self.sender, *self.telling):
            loop.work.set()
            loop.hurry.set()

    def recover(self) -> None:
        """Carry on what the last agent left half done."""
        for row in self.spool.set_aside():
            if (self.spool.parts / row.key).exists():
                put_aside(self.spool, row.key, row.error)
        self.taker.recover()
        self.spool.note("connected", "", time.time())

    def _take(self) -> float:
        if (now := time.monotonic()) - self._tidied > HOUSE:
            keep_house(self.spool, self.settings, time.time())
            self._tidied = now
        if (token := secret("STATION_TOKEN")) != self._token:
            self._token = token
            self.sender.hurry.set()  # a new token: what waits for one goes now
        self.taker.look()
        return LOOK


def client_of(settings: Settings, pulse: Pulse | None = None) -> Client:
    return Client(settings.server, ca_file=settings.ca_file, timeout=settings.timeout, pulse=pulse)


def keep_house(spool: Spool, settings: Settings, now: float) -> None:
    """Remove the photos that the server has had for long enough, and the rows that nobody asks about any more."""
    for row in spool.sent_with_photos(now - settings.keep_sent * HOUR):
        spool.drop_photos(row)
    # An hour at least: the status counts what was sent in it.
    before = now - max(settings.keep_sent * HOUR, HOUR)
    spool.forget_told(before=before, now=now, files=settings.out is not None, posts=bool(settings.webhook))
    spool.forget_rest(now)
    for row in spool.set_aside():
        if not (spool.refused / aside_name(row)).exists() and not (spool.parts / row.key).exists():
            (spool.refused / f"{aside_name(row)}.txt").unlink(missing_ok=True)
            spool.forget(row)  # somebody has seen to it


def serve_health(address: str, spool: Spool) -> ThreadingHTTPServer:
    """Answer every GET with the state as JSON: 200 while all is well, 503 when there is trouble."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state = read_state(spool)
            body = json.dumps(state).encode()
            self.send_response(503 if state["trouble"] else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: a health check asks all day."""

    host, _, port = address.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), Health)
    except (OSError, ValueError, OverflowError) as error:
        raise BadSetting(f"The setting 'listen' is {address!r}, and nobody can listen there: {error}.") from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
