"""An edge node of Sparkplug B: the site on the factory's MQTT broker, with a device for each of its lines.

A node is born with all its metrics, its devices after it; afterwards only what has changed is told. The broker tells of its
death by the will that the connection left there. Sequence numbers and births are made by one thread, the one that calls
`run`; the client's own thread only says what has happened on the connection.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from automation.line_metrics import Metrics, metrics_of
from automation.sparkplug import BD_SEQ, REBIRTH, ROUND, decoded, encoded, fits_topic, topic
from inspection.models import Line
from inspection.refusals import BadInput

log = structlog.get_logger(__name__)

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE = 30  # seconds; after one and a half of it without a sign of life the broker tells of the death


@dataclass(frozen=True)
class Broker:
    """Where an MQTT broker is; `mqtts` is TLS."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""


def read_broker(url: str) -> Broker:
    """The broker that `mqtt://user:password@host:port` names. Raises BadInput with what to write instead."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("That is not the address of a broker.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadInput("Name the broker as mqtt://host or mqtts://user:password@host:8883, in MQTT_URL or --broker.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Broker(parts.scheme, parts.hostname, port or PORTS[parts.scheme], user, password)


def next_bd_seq(file: Path) -> int:
    """The number of the next connection, 0 to 255. It is kept, so that the death of an earlier process is not taken for
    that of this one."""
    before = -1
    with suppress(OSError, ValueError):
        before = int(file.read_text())
    number = (before + 1) % ROUND
    file.write_text(str(number))
    return number


def read_lines() -> dict[str, Metrics]:
    """The metrics of all lines by their short names."""
    now = timezone.now()
    return {line.slug: metrics_of(line, now=now) for line in Line.objects.prefetch_related("shifts")}


class EdgeNode:
    """The site on a broker: `run()` until `stop` is set. Raises BadInput for a group or node that is no part of a topic."""

    def __init__(
        self,
        broker: Broker,
        *,
        group: str,
        node: str,
        bd_seq_file: Path,
        read: Callable[[], dict[str, Metrics]] = read_lines,
    ):
        for name in (group, node):
            if not fits_topic(name):
                raise BadInput(f"{name!r} cannot be part of a topic: it is empty or holds one of + / #.")
        self.broker, self.group, self.node, self.read = broker, group, node, read
        self.bd_seq_file, self.bd_seq, self.seq = bd_seq_file, 0, 0
        self.stop = threading.Event()
        self.published = 0
        self._ready, self._birth = threading.Event(), threading.Event()  # subscribed; a birth is due
        self._wake = threading.Event()  # something happened: look before the time is over
        self._told: dict[str, Metrics] = {}  # what each born device has said last
        self.client = self._client()

    def _client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"shadowline-{self.group}-{self.node}", clean_session=True
        )
        if self.broker.username:
            client.username_pw_set(self.broker.username, self.broker.password)
        if self.broker.scheme == "mqtts":
            client.tls_set()
        client.reconnect_delay_set(1, 60)
        client.on_pre_connect = self._leave_will
        client.on_connect = self._subscribe
        client.on_subscribe = lambda *_: self._birth_asked()
        client.on_disconnect = lambda *_: self._ready.clear()
        client.on_message = self._obey
        return client

    # ---- In the client's thread

    def _leave_will(self, client: Client, userdata: Any) -> None:
        """Before each connection: the death that the broker is to tell of, under a number of its own."""
        self.bd_seq = next_bd_seq(self.bd_seq_file)
        client.will_set(self._topic("NDEATH"), self._death(), qos=1)

    def _death(self) -> bytes:
        return encoded({BD_SEQ: (int, self.bd_seq)}, at=timezone.now())

    def _subscribe(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refused the connection", reason=str(reason))
            return
        client.subscribe(self._topic("NCMD"), qos=1)

    def _obey(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        """The one command that there is: to be born again."""
        if decoded(bytes(message.payload)).get(REBIRTH) is True:
            self._birth_asked()

    def _birth_asked(self) -> None:
        self._birth.set()
        self._ready.set()
        self._wake.set()

    # ---- In the caller's thread

    def run(self, *, every: float) -> None:
        """Be born and tell what changes, every so many seconds, until `stop` is set; then say that it ends."""
        self.client.connect_async(self.broker.host, self.broker.port, KEEPALIVE)
        self.client.loop_start()
        try:
            while not self.stop.is_set():
                self._wake.wait(every)
                self._wake.clear()
                if self._ready.is_set() and not self.stop.is_set():
                    self._say()
        finally:
            self._die()

    def end(self) -> None:
        """Have `run` come to its end soon."""
        self.stop.set()
        self._wake.set()

    def _say(self) -> None:
        lines = self._read()
        if self._birth.is_set():
            self._birth.clear()
            self._be_born()
        for gone in [slug for slug in self._told if slug not in lines]:
            del self._told[gone]
            self._publish("DDEATH", gone, {})
        for slug, metrics in lines.items():
            before = self._told.get(slug)
            changed = changed_metrics(before, metrics)
            if changed:
                self._publish("DBIRTH" if before is None else "DDATA", slug, changed)
            self._told[slug] = metrics

    def _read(self) -> dict[str, Metrics]:
        """The lines as they are; none where the database cannot be read, so that nobody takes old figures for new."""
        close_old_connections()
        try:
            return self.read()
        except DatabaseError as error:
            log.error("the lines cannot be read", error=f"{type(error).__name__}: {error}"[:300])
            return {}

    def _be_born(self) -> None:
        self.seq, self._told = 0, {}
        self._publish("NBIRTH", "", {BD_SEQ: (int, self.bd_seq), REBIRTH: (bool, False)})

    def _publish(self, kind: str, device: str, metrics: Mapping[str, tuple[type, Any]]) -> None:
        self.client.publish(self._topic(kind, device), encoded(metrics, at=timezone.now(), seq=self.seq), qos=0)
        self.seq = (self.seq + 1) % ROUND
        self.published += 1

    def _die(self) -> None:
        """Tell of the end oneself: the broker drops the will of whoever says goodbye."""
        if self._ready.is_set():
            with suppress(RuntimeError, ValueError):  # the connection went meanwhile: then the broker tells
                self.client.publish(self._topic("NDEATH"), self._death(), qos=1).wait_for_publish(3)
        self.client.disconnect()
        self.client.loop_stop()

    def _topic(self, kind: str, device: str = "") -> str:
        return topic(self.group, kind, self.node, device)


def changed_metrics(before: Metrics | None, now: Metrics) -> Metrics:
    """The metrics that say something else than before; all of them at a birth."""
    return {name: told for name, told in now.items() if before is None or before.get(name) != told}
