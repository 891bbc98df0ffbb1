"""The lines on a real MQTT broker: births, changes and deaths as Sparkplug B has them."""

import queue
import socket
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from paho.mqtt.client import CallbackAPIVersion, Client

from automation.edge_node import EdgeNode, next_bd_seq, read_broker
from automation.line_metrics import KINDS, metrics_of
from automation.models import Routing
from automation.policies import in_force
from automation.sparkplug import Payload, decoded, encoded, topic
from inspection.models import Line
from inspection.refusals import BadInput

HOST, PORT = "127.0.0.1", 1883


def broker_answers() -> bool:
    with socket.socket() as place:
        place.settimeout(1)
        return place.connect_ex((HOST, PORT)) == 0


on_a_broker = pytest.mark.skipif(not broker_answers(), reason=f"no MQTT broker answers on {HOST}:{PORT}")


class Host:
    """Who listens to a group: `host.next("DDATA")` is the next message of that kind, whatever came before it."""

    def __init__(self):
        self.group = f"test-{uuid.uuid4().hex[:12]}"
        self.heard, listening = queue.Queue(), threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _client, _data, message: self.heard.put(message)
        self.client.on_subscribe = lambda *_: listening.set()
        self.client.connect(HOST, PORT)
        self.client.loop_start()
        self.client.subscribe(f"spBv1.0/{self.group}/#", qos=1)
        assert listening.wait(5)

    def next(self, kind, device=None, *, wait=10):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            message = self.heard.get(timeout=wait)
            words = message.topic.split("/")
            if words[2] == kind and (device is None or words[4:] == [device]):
                return message
        raise AssertionError(f"no {kind}")

    def order(self):
        """The kinds and the sequence numbers of all that has come, in the order in which it came."""
        found = []
        while not self.heard.empty():
            message = self.heard.get()
            found.append((message.topic.split("/")[2], Payload.FromString(message.payload).seq))
        return found

    def rebirth(self):
        body = encoded({"Node Control/Rebirth": (bool, True)}, at=timezone.now())
        self.client.publish(topic(self.group, "NCMD", "site"), body)


@pytest.fixture
def host():
    listener = Host()
    yield listener
    listener.client.disconnect()
    listener.client.loop_stop()


@pytest.fixture
def figures():
    """What the lines say: to be changed by a test."""
    return {"line-a": {"Parts": (int, 1), "Level": (str, "shadow")}, "line-b": {"Parts": (int, 5)}}


@contextmanager
def running(host, tmp_path, read, every=0.1):
    edge = EdgeNode(
        read_broker(f"mqtt://{HOST}:{PORT}"), group=host.group, node="site", bd_seq_file=tmp_path / "bdseq", read=read
    )
    thread = threading.Thread(target=edge.run, kwargs={"every": every})
    thread.start()
    try:
        yield edge
    finally:
        edge.end()
        thread.join(10)
        assert not thread.is_alive()


@on_a_broker
def test_a_node_is_born_with_its_devices_tells_what_changes_and_says_when_it_ends(host, tmp_path, figures):
    with running(host, tmp_path, lambda: dict(figures)):
        assert decoded(host.next("NBIRTH").payload) == {"bdSeq": 0, "Node Control/Rebirth": False}
        assert decoded(host.next("DBIRTH", "line-a").payload) == {"Parts": 1, "Level": "shadow"}
        host.next("DBIRTH", "line-b")
        figures["line-a"] = figures["line-a"] | {"Parts": (int, 2)}
        assert decoded(host.next("DDATA").payload) == {"Parts": 2}
        del figures["line-b"]
        host.next("DDEATH", "line-b")
    assert decoded(host.next("NDEATH").payload) == {"bdSeq": 0}


@on_a_broker
def test_sequence_numbers_begin_with_the_birth_and_each_message_has_the_next(host, tmp_path, figures):
    with running(host, tmp_path, lambda: dict(figures)):
        host.next("DBIRTH", "line-b")
        host.rebirth()
        host.next("NCMD")
        time.sleep(0.5)
        assert host.order() == [("NBIRTH", 0), ("DBIRTH", 1), ("DBIRTH", 2)]


@on_a_broker
def test_while_the_database_is_away_no_line_is_alive(host, tmp_path, figures):
    away = threading.Event()

    def read():
        if away.is_set():
            raise OperationalError("gone")
        return dict(figures)

    with running(host, tmp_path, read):
        host.next("DBIRTH", "line-b")
        away.set()
        host.next("DDEATH", "line-b")
        away.clear()
        host.next("DBIRTH", "line-b")


# ---- What is told, without a broker


def test_a_payload_is_that_of_the_specification():
    """Bytes written out by hand after the schema: time 1, a metric 'n' of kind UInt64 (8) with 2, sequence 3."""
    at = datetime.fromtimestamp(0.001, tz=UTC)
    by_hand = bytes([0x08, 1, 0x12, 9, 0x0A, 1, ord("n"), 0x18, 1, 0x20, 8, 0x58, 2, 0x18, 3])
    assert encoded({"n": (int, 2)}, at=at, seq=3) == by_hand
    assert decoded(b"\xff\xff") == {}


def test_the_number_of_a_connection_is_kept_and_begins_again(tmp_path):
    file = tmp_path / "bdseq"
    assert [next_bd_seq(file), next_bd_seq(file)] == [0, 1]
    file.write_text("255")
    assert next_bd_seq(file) == 0
    file.write_text("nonsense")
    assert next_bd_seq(file) == 0


def test_a_line_tells_its_level_shift_queue_and_last_part(
    line, version, set_level, make_part, judge, answer, ivy, django_assert_max_num_queries
):
    now = timezone.now() + timedelta(seconds=1)
    nothing = {name: value for name, (_kind, value) in metrics_of(line, now=now).items()}
    assert nothing | {"Level": "human_only", "Queue/Depth": 0, "Last Disposition/Serial": None} == nothing
    judge(make_part(serial="SN1"), ivy, "scratched")
    set_level(line, "partial", version, pass_below=0.1, reject_from=0.9)
    answer(make_part(serial="SN2"), version, 0.5)
    judge(make_part(serial="elsewhere", on=Line.objects.create(slug="line-b", name="Line B")), ivy, "ok")
    left = make_part(serial="SN3")  # to people by the policy itself: no escalation
    Routing.objects.create(
        inspection=left, policy=in_force(line), decision="person", reason="the line is halted", decided=False
    )
    now = timezone.now() + timedelta(seconds=10)
    with django_assert_max_num_queries(10):
        metrics = metrics_of(line, now=now)
    told = {name: value for name, (_kind, value) in metrics.items()}
    wanted = {"Level": "partial", "Halted": False, "Shift/Parts": 3, "Shift/Rejected": 1, "Shift/Passed": 0}
    wanted |= {"Shift/Escalations": 1, "Queue/Depth": 2, "Last Disposition/Serial": "SN1"}
    assert told | wanted | {"Last Disposition/Outcome": "reject"} == told
    assert 9 < told["Queue/Age"] < 20
    assert {name: kind for name, (kind, _value) in metrics.items()} == KINDS
    assert "ivy" not in str(told)


@pytest.mark.parametrize("url", ["", "http://broker", "mqtt://", "mqtt://host:port"])
def test_what_is_no_broker_is_said_in_a_sentence(url):
    with pytest.raises(CommandError, match=r"broker"):
        call_command("publish_sparkplug", "--broker", url)


def test_a_group_that_is_no_part_of_a_topic_is_refused(tmp_path):
    for name in ("", "a/b", "a+"):
        with pytest.raises(BadInput):
            EdgeNode(read_broker("mqtt://host"), group=name, node="site", bd_seq_file=tmp_path / "x")
