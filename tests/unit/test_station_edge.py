"""A station that decides while the server is silent: when it may, what it believes, and what a kill leaves behind."""

import base64
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station import deciding
from station.answers import Answer, supersedes
from station.bundles import NEEDED, Fetcher, NotOurs, Shelf, canonical, read_bundle, read_ticket
from station.client import Client, Unreachable
from station.deciding import Decider
from station.edge import HOLD, SILENCE, Bundle, Case, Ticket, decide, why_held
from station.pulse import Pulse
from station.settings import BadSetting, settle
from station.spool import Spool
from station.state import as_text, read_state

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUNDLE = Bundle(3, "line-a", "cam-1", "v1", 7, 0.1, 0.4, None, 500)
TICKET = Ticket(3, "ab", "line-a", "cam-1", NOW - HOUR, NOW + HOUR)
CASE = Case(
    line="line-a", station="cam-1", variant="", carried=False, seen_before=False, bundle=BUNDLE, ticket=TICKET,
    why_none=(), decided=0, now=NOW.timestamp(), latest=NOW.timestamp(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"carried": True}, "may have arrived"),
        ({"bundle": None}, "no bundle"),
        ({"ticket": None}, "no bundle"),
        ({"why_none": ("The ticket was forged.",)}, "forged"),
        ({"latest": NOW.timestamp() + 5}, "clock is 5 s behind"),
        ({"now": (NOW + HOUR).timestamp()}, "time is over"),
        ({"now": (NOW - HOUR).timestamp() - 1, "latest": 0.0}, "behind the moment"),
        ({"station": "cam-2"}, "another station"),
        ({"line": "line-b"}, "another station"),
        ({"bundle": replace(BUNDLE, strata=frozenset({("cam-1", "x")}))}, "Nothing is certified"),
        ({"seen_before": True}, "seen this serial"),
        ({"decided": 500}, "as people can audit"),
    ],
)
def test_what_a_station_may_not_decide_is_held_with_the_reason(change, words):
    assert why_held(CASE) == []
    (reason,) = why_held(replace(CASE, **change))
    assert words in reason


def test_a_certified_stratum_may_be_decided():
    strata = frozenset({("cam-1", "x")})
    assert why_held(replace(CASE, variant="x", bundle=replace(BUNDLE, strata=strata))) == []


moments = st.floats(0, 4e9)


@given(
    carried=st.booleans(), seen=st.booleans(), decided=st.integers(0, 600), now=moments, latest=moments,
    issued=moments, ends=moments, whole=st.booleans(),
)  # fmt: skip
def test_nothing_is_decided_without_a_ticket_that_holds(carried, seen, decided, now, latest, issued, ends, whole):
    issued_at, ends_at = (datetime.fromtimestamp(at, UTC) for at in (issued, ends))
    ticket = replace(TICKET, issued_at=issued_at, ends_at=ends_at) if whole else None
    case = replace(
        CASE, carried=carried, seen_before=seen, decided=decided, now=now, latest=latest, ticket=ticket
    )  # fmt: skip
    if why_held(case) == []:
        assert ticket and issued_at.timestamp() <= now < ends_at.timestamp() and now >= latest
        assert not carried and not seen and decided < BUNDLE.most


@given(st.floats(), st.floats())
def test_only_a_score_beyond_a_threshold_of_photos_like_those_of_the_training_decides(score, novelty):
    outcome, reason = decide(score, novelty, BUNDLE)
    assert reason
    if outcome != HOLD:
        assert 0 <= score <= 1 and novelty < 1
        assert (score < 0.1) if outcome == "pass" else (score >= 0.4)


# ---- What is believed

FILES = {name: name.encode() for name in NEEDED}


@dataclass
class Made:
    """A small bundle with its ticket as a server makes them, signed by a key of its own."""

    secret: Ed25519PrivateKey

    @property
    def key(self):
        return base64.b64encode(self.secret.public_key().public_bytes_raw()).decode()

    def manifest(self, **fields):
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
        return canonical(
            {
                "format": 1, "number": 3, "line": "line-a", "station": "cam-1", "version": {"name": "v1", "sha256": "0"},
                "policy": 7, "pass_below": 0.1, "reject_from": 0.4, "strata": None, "most": 2,
                "made_at": NOW.isoformat(), "files": digests,
            } | fields
        )  # fmt: skip

    def bundle(self, files=FILES, **fields):
        manifest = self.manifest(**fields)
        inside = {"manifest.json": manifest, **files, "signature": self.secret.sign(manifest)}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in inside.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        return buffer.getvalue()

    def ticket(self, content, *, now=NOW, **fields):
        told = {
            "bundle": 3, "sha256": hashlib.sha256(content).hexdigest(), "line": "line-a", "station": "cam-1",
            "issued_at": (now - HOUR).isoformat(), "ends_at": (now + HOUR).isoformat(),
        } | fields  # fmt: skip
        return told | {"signature": base64.b64encode(self.secret.sign(canonical(told))).decode()}


@pytest.fixture(scope="module")
def made():
    return Made(Ed25519PrivateKey.generate())


def test_a_bundle_and_its_ticket_are_read(made):
    content = made.bundle(strata=[["cam-1", "x"]])
    kept = read_bundle(content, read_ticket(made.ticket(content), made.key), made.key)
    assert kept.bundle == Bundle(3, "line-a", "cam-1", "v1", 7, 0.1, 0.4, frozenset({("cam-1", "x")}), 2)
    assert kept.files == FILES


def test_a_bundle_is_refused_with_any_byte_changed(made):
    """Even where the ticket names the changed file, which only the server itself could sign."""
    content = made.bundle()
    honest = read_ticket(made.ticket(content), made.key)
    accepted = []
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises(NotOurs):
            read_bundle(changed, honest, made.key)
        named = replace(honest, sha256=hashlib.sha256(changed).hexdigest())
        try:
            kept = read_bundle(changed, named, made.key)
        except NotOurs:
            continue
        accepted.append(at)
        assert (kept.bundle, kept.files) == (read_bundle(content, honest, made.key).bundle, FILES)
    assert len(accepted) < len(content) / 2  # the archive's own dates and sizes, which nothing reads


def test_a_ticket_is_refused_with_any_sign_changed(made):
    told = made.ticket(b"")
    for name, value in told.items():
        text = str(value)
        for at in range(len(text.rstrip("=")) - 1):  # the last sign of base64 holds bits that say nothing
            other = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
            with pytest.raises(NotOurs):
                read_ticket(told | {name: int(other) if isinstance(value, int) else other}, made.key)
    for broken in (None, [], {}, {"signature": 1}, {"signature": "AA=="}):
        with pytest.raises(NotOurs):
            read_ticket(broken, made.key)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 4}, {"line": "line-b"}, {"station": "cam-2"}, {"format": 2}, {"files": {}}, {"pass_below": 0.5},
        {"reject_from": 2}, {"strata": 5}, {"most": None}, {"files": dict.fromkeys(NEEDED, "0")},
    ],
)  # fmt: skip
def test_a_signed_bundle_of_another_kind_is_refused(made, wrong):
    content = made.bundle(**wrong)
    with pytest.raises(NotOurs):
        read_bundle(content, read_ticket(made.ticket(content), made.key), made.key)


def test_a_bundle_that_somebody_else_has_signed_is_refused(made):
    content = Made(Ed25519PrivateKey.generate()).bundle()
    with pytest.raises(NotOurs, match="signature"):
        read_bundle(content, read_ticket(made.ticket(content), made.key), made.key)


def test_a_file_that_the_manifest_does_not_name_is_refused(made):
    content = made.bundle(files=FILES | {"more": b""})
    with pytest.raises(NotOurs, match="other files"):
        read_bundle(content, read_ticket(made.ticket(content), made.key), made.key)


# ---- What is fetched


class Server:
    """What answers a fetcher: tickets and bundles as they are put here, or silence."""

    def __init__(self, made):
        self.made, self.content, self.told, self.asked = made, made.bundle(), None, []

    def edge(self, token, line, station):
        self.asked.append("ticket")
        if self.told is None:
            raise Unreachable("nobody there")
        return Answer(200, {}, json.dumps(self.told).encode())

    def bundle(self, token, line, number):
        self.asked.append("bundle")
        return Answer(200, {}, self.content)

    def give(self, **fields):
        ticket = self.made.ticket(self.content, now=datetime.now(UTC), **fields)
        self.told = {"ticket": ticket, "reasons": [], "public_key": self.made.key}


@pytest.fixture
def server(made):
    return Server(made)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


@pytest.fixture
def shelf(spool):
    return Shelf(spool.folder / "edge")


@pytest.fixture
def fetcher(spool, shelf, server, monkeypatch):
    monkeypatch.setenv("STATION_TOKEN", "t")
    return Fetcher(spool, server, shelf, "line-a", "cam-1")


def test_a_bundle_is_fetched_once_and_the_ticket_each_time(fetcher, server, shelf, spool):
    server.give()
    fetcher.step()
    fetcher.step()
    assert server.asked == ["ticket", "bundle", "ticket"]
    assert shelf.take("line-a", "cam-1").bundle.number == 3
    state = read_state(spool)
    assert state["edge"]["bundle"] == 3 and state["edge"]["decided"] == 0 and "by bundle 3 until" in as_text(state)
    with pytest.raises(NotOurs, match="another station"):
        shelf.take("line-a", "cam-2")


def test_the_server_ends_it_with_a_word_and_its_silence_does_not(fetcher, server, shelf, spool):
    server.give()
    fetcher.step()
    server.told = None
    fetcher.step()
    assert shelf.take("line-a", "cam-1")
    server.told = {"ticket": None, "reasons": ["The line is halted."], "public_key": ""}
    fetcher.step()
    with pytest.raises(NotOurs, match="no ticket"):
        shelf.take("line-a", "cam-1")
    assert read_state(spool)["edge"]["why"] == ["The line is halted."]


def test_another_key_than_the_first_is_refused_and_ends_what_was_there(fetcher, server, shelf, spool):
    server.give()
    fetcher.step()
    server.made = Made(Ed25519PrivateKey.generate())
    server.give()
    fetcher.step()
    with pytest.raises(NotOurs):
        shelf.take("line-a", "cam-1")
    assert any("another key" in said for said in read_state(spool)["trouble"])


@pytest.mark.parametrize("name", ["key", "bundle.zip", "ticket.json"])
def test_what_somebody_changed_on_the_disk_is_not_used(fetcher, server, shelf, name):
    server.give()
    fetcher.step()
    path = shelf.folder / name
    for content in (b"", path.read_bytes()[:-1], path.read_bytes()[::-1]):
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(NotOurs):
            Shelf(shelf.folder).take("line-a", "cam-1")
        path.write_bytes(whole)


# ---- What is decided


@dataclass
class Says:
    """Scores by the part's name, as a bundle's version would."""

    score: float = 0.05
    novelty: float = 0.2
    failure: str = ""

    def of(self, kept, photos):
        return self


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def decider(fetcher, server, spool, shelf, clock):
    server.give()
    fetcher.step()
    pulse = Pulse(clock)
    pulse.asked()
    clock.now += SILENCE
    return Decider(spool, shelf, pulse, Says(), decided=lambda: None)


def add(spool, serial, key=None, station="cam-1"):
    fields = {"serial": serial, "line": "line-a", "station": station, "lot": "", "variant": "", "captured_at": ""}
    spool.add(key or serial, fields, [], size=0, now=time.time(), due_at=0)
    return key or serial


def outcome(spool, key):
    return (spool.get(key).disposition or {}).get("outcome")


def test_parts_are_decided_in_order_up_to_the_most_and_then_held(decider, spool):
    for serial in ("A", "B", "C"):
        add(spool, serial)
    while decider.step() == 0:
        pass
    assert [outcome(spool, key) for key in "ABC"] == ["pass", "pass", HOLD]
    assert [spool.decision(key)["place"] for key in "AB"] == [1, 2] and spool.decision("C") is None
    assert {*spool.decision("A")} == {"bundle", "place", "outcome", "score", "novelty", "decided_at"}
    state = read_state(spool)
    assert (state["decided_here"], state["on_hold"], state["edge"]["decided"]) == (2, 1, 2)
    assert "C: The station has decided 2 parts" in state["edge"]["last_held"]["text"]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (Says(0.05), "pass"), (Says(0.4), "reject"), (Says(0.2), HOLD), (Says(0.05, novelty=1.5), HOLD),
        (Says(failure="blank photo"), HOLD), (Says(float("nan")), HOLD),
    ],
)  # fmt: skip
def test_what_a_score_comes_to(decider, spool, scores, expected):
    decider.scores = scores
    add(spool, "A")
    assert decider.step() == 0 and outcome(spool, "A") == expected
    assert (spool.decision("A") is None) == (expected == HOLD)


def test_nothing_is_said_before_the_server_has_been_silent_for_ten_seconds(decider, spool, clock):
    add(spool, "A")
    clock.now -= 0.5
    assert decider.step() == 0.5 and outcome(spool, "A") is None
    decider.pulse.heard(Answer(200, {}, b"{}"))
    clock.now += 100
    assert decider.step() > 0 and outcome(spool, "A") is None


@pytest.mark.parametrize(
    ("status", "body", "silent"),
    [
        (200, b"{}", False), (404, b"", False), (502, b"<html>", True), (503, b"", True), (504, b"[]", True),
        (503, b'{"title": "t", "detail": "d"}', False), (429, b'{"title": "t"}', False),
    ],
)  # fmt: skip
def test_a_gateways_word_that_the_server_is_away_is_no_answer(clock, status, body, silent):
    pulse = Pulse(clock)
    pulse.asked()
    pulse.heard(Answer(status, {}, body))
    clock.now += 3
    assert bool(pulse.silence()) == silent


def test_a_part_that_a_request_has_carried_is_the_servers(decider, spool):
    spool.note_try(add(spool, "A"), "t")
    decider.step()
    assert outcome(spool, "A") == HOLD and "may have arrived" in spool.get("A").disposition["reason"]


def test_a_request_that_comes_while_it_is_scored_wins(decider, spool, monkeypatch):
    add(spool, "A")
    monkeypatch.setattr(decider, "scores", type("Slow", (), {"of": lambda *_: spool.note_try("A", "t") or Says()})())
    decider.step()
    assert spool.decision("A") is None
    decider.step()
    assert "may have arrived" in spool.get("A").disposition["reason"]


def test_the_server_that_comes_back_while_it_is_scored_decides(decider, spool, monkeypatch):
    heard = lambda *_: decider.pulse.heard(Answer(200, {}, b"")) or Says()  # noqa: E731
    add(spool, "A")
    monkeypatch.setattr(decider, "scores", type("Slow", (), {"of": heard})())
    decider.step()
    assert outcome(spool, "A") is None and spool.decision("A") is None


def test_a_serial_that_comes_again_is_held_even_when_its_first_row_is_forgotten(decider, spool):
    add(spool, "A", "first")
    spool.forget(spool.get("first"))
    add(spool, "A", "second")
    decider.step()
    assert outcome(spool, "second") == HOLD


def test_a_clock_that_is_set_back_holds(decider, spool):
    spool.see_moment(4e9)
    add(spool, "A")
    decider.step()
    assert outcome(spool, "A") == HOLD and "clock" in spool.get("A").disposition["reason"]


def test_what_was_on_hold_is_the_servers_once_it_has_arrived(decider, spool):
    add(spool, "A", station="cam-2")
    decider.step()
    spool.mark_filed(spool.get("A"), 2.0)
    spool.mark_sent("A", inspection=7, now=3.0)
    assert spool.get("A").disposition is None
    assert spool.next_to_ask(4.0).key == "A"
    passed = {"outcome": "pass", "by_machine": True, "reason": "", "at": "2020-01-01T00:00:00+00:00"}
    assert supersedes(passed, {"outcome": HOLD, "at": "2026-01-01T00:00:00+00:00"})


def test_places_have_no_gaps_and_none_is_given_twice_by_many_at_once(spool, tmp_path):
    keys = [add(spool, f"S{number}") for number in range(24)]
    others = [Spool(spool.folder) for _ in range(2)]
    told = {"bundle": 3, "outcome": "pass"}
    threads = [
        threading.Thread(
            target=lambda mine=mine: [
                mine.decide_here(key, told, {"outcome": "pass"}, most=20, now=1.0) for key in keys
            ]
        )
        for mine in (spool, *others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    places = [decided["place"] for key in keys if (decided := spool.decision(key))]
    assert sorted(places) == list(range(1, 21)) and spool.decided_by(3) == 20
    for other in others:
        other.close()


@pytest.mark.parametrize("statement", ["INSERT INTO placed", "INSERT INTO decided", "UPDATE part", "COMMIT"])
def test_a_decision_that_breaks_off_leaves_no_place_behind(spool, statement):
    """A full disk at each of its writes."""
    add(spool, "A")
    database = spool._database

    class Full:
        def execute(self, words, *values):
            if words.startswith(statement):
                raise sqlite3.OperationalError("database or disk is full")
            return database.execute(words, *values)

    spool._database = Full()
    with pytest.raises(sqlite3.OperationalError):
        spool.decide_here("A", {"bundle": 3}, {"outcome": "pass"}, most=9, now=1.0)
    spool._database = database
    assert (spool.decided_by(3), spool.decision("A"), outcome(spool, "A")) == (0, None, None)
    assert spool.decide_here("A", {"bundle": 3}, {"outcome": "pass"}, most=9, now=1.0)
    assert spool.decision("A")["place"] == 1
    assert not spool.decide_here("A", {"bundle": 3}, {"outcome": "pass"}, most=9, now=1.0)


def test_a_spool_of_an_earlier_agent_knows_its_serials_again(tmp_path):
    spool = Spool(tmp_path)
    add(spool, "A", "first")
    spool._ask("DROP TABLE seen")
    spool._ask("DROP TRIGGER part_is_seen")
    spool.close()
    spool = Spool(tmp_path)
    add(spool, "A", "second")
    assert spool.seen_before(spool.get("second")) and not spool.seen_before(spool.get("first"))
    spool.close()


# ---- What it takes


def test_the_plain_agent_brings_nothing_but_python():
    code = (
        "import sys, station.__main__; "
        "print(sorted({'numpy', 'scoring', 'cryptography', 'PIL'} & {name.split('.')[0] for name in sys.modules}))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_deciding_needs_a_station_and_the_extra(monkeypatch, tmp_path):
    told = {"server": "http://localhost", "line": "line-a", "spool": tmp_path, "edge": True}
    with pytest.raises(BadSetting, match="of one station"):
        settle(told)
    assert settle(told | {"station": "cam-1"}).edge
    monkeypatch.setattr(deciding, "find_spec", lambda name: None)
    with pytest.raises(BadSetting, match="cryptography is missing"):
        deciding.scores()


def test_a_connection_that_cannot_be_made_has_carried_nothing():
    pulse = Pulse()
    with pytest.raises(Unreachable):
        Client("http://127.0.0.1:1", pulse=pulse).connect()
    assert pulse.silence() > 0
