"""The network is cut, a station decides by itself, the network is back: marks, the server's own scores and audits, each once."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from automation import actions as automation
from automation.edge_gaps import gaps_in
from automation.models import EdgeMark, Routing
from inspection.models import Draw, Inspection
from monitoring.models import Alarm
from shadow.actions import register_version
from shadow.vision.synthetic import render
from station.deciding import JUST_NOW

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parent.parent.parent
STARTER = ROOT / "shadow" / "starter" / "starter.safetensors"


class Wire:
    """The network between station and server: cut, nobody answers on its port, and what is under way ends."""

    def __init__(self, port: int):
        self.server, self.open = port, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.whole = threading.Event()
        self.whole.set()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                if not self.whole.is_set():
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self.server))
                self.open |= {here, there}
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self) -> None:
        self.whole.clear()
        for end in list(self.open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.whole.set()


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)
    return found


@pytest.fixture
def wire(live_server):
    made = Wire(live_server.thread.port)
    yield made
    made.cut()
    made.listener.close()


@pytest.fixture
def bundle(line, station, ada, certified_level, transactional_db):
    version = register_version(name="starter", weights=STARTER.read_bytes(), card={}, by="test")
    certified_level(line, "partial", version, by=ada, pass_below=0.3, reject_from=0.5, audit_share=1.0)
    return automation.export_bundle(line=line, station=station, by=ada)


def command(rig, wire, what, *more):
    told = [sys.executable, "-m", "station", what, "--server", wire.address, "--line", "line-a", "--station", "cam-1"]
    return [*told, "--spool", str(rig.settings.spool), "--min-free-gb", "0", "--edge", *more]


@pytest.fixture
def agent(rig, wire, tmp_path):
    started = []

    def start():
        more = ["--watch", str(rig.watch), "--out", str(tmp_path / "out"), "--settle", "0.1"]
        process = subprocess.Popen(command(rig, wire, "run", *more), cwd=ROOT, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_while_the_network_is_cut_the_station_decides_and_the_server_bears_it_out(
    rig, wire, agent, bundle, tmp_path, make_photo
):
    def said(serial):
        path = tmp_path / "out" / f"{serial}.json"
        return json.loads(path.read_text())["outcome"] if path.exists() else None

    def drop(serial, flaw, seed):
        Image.fromarray(render(seed, flaw=flaw).image).save(tmp_path / f"{serial}.png")
        shutil.move(tmp_path / f"{serial}.png", rig.watch / f"{serial}.png")

    first = agent()
    until(lambda: (rig.state()["edge"] or {}).get("bundle"))
    wire.cut()
    time.sleep(JUST_NOW)  # a part that is sent just when it is cut may have arrived, and is the server's
    drop("GOOD", "none", 1)
    drop("BAD", "scratch", 2)
    (rig.watch / "ODD.jpg").write_bytes(make_photo())  # noise: nothing to judge
    Image.fromarray(render(4, flaw="scratch").image).save(tmp_path / "HAND.png")
    by_hand = command(rig, wire, "send", "--serial", "HAND", str(tmp_path / "HAND.png"))
    sent = subprocess.run(by_hand, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert sent.returncode == 1 and "reject (decided at the station" in sent.stdout, sent.stdout + sent.stderr
    serials = ("GOOD", "BAD", "ODD", "HAND")
    until(lambda: all(map(said, serials)))
    assert [said(serial) for serial in serials] == ["pass", "reject", "hold", "reject"], rig.state()["edge"]
    assert not Inspection.objects.exists()
    first.kill()
    first.wait()
    wire.mend()
    agent()
    until(lambda: Inspection.objects.count() == 4 and rig.state()["waiting"] == 0)
    assert sorted(EdgeMark.objects.values_list("place", flat=True)) == [1, 2, 3]
    assert all(EdgeMark.objects.values_list("taken", flat=True)), EdgeMark.objects.values("refused")
    while automation.score_and_settle():
        pass
    marks = {mark.inspection.serial: mark for mark in EdgeMark.objects.select_related("inspection")}
    assert {serial: mark.outcome for serial, mark in marks.items()} == {
        "GOOD": "pass",
        "BAD": "reject",
        "HAND": "reject",
    }
    for serial, mark in marks.items():
        routing = Routing.objects.select_related("prediction").get(inspection=mark.inspection)
        assert routing.decided and routing.prediction.score == mark.score, serial  # to the last bit
        assert Draw.objects.get(inspection=mark.inspection).audited
    assert not Alarm.objects.exists() and not gaps_in(bundle)
    assert said("ODD") == "hold" and Inspection.objects.get(serial="ODD").dispositions.count() == 0
    assert rig.state()["undecided"] == 1
