"""The agent of a station against a real server: parts in are parts at the server, each once."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspection.models import ApiToken, Inspection
from station.agent import keep_house
from station.spool import InUse, lock
from station.taking import HOME, Taker
from station.telling import Asker, Filer

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parent.parent.parent


def serials():
    return sorted(Inspection.objects.values_list("serial", flat=True))


def test_parts_arrive_in_order_and_what_comes_of_them_comes_back(rig, make_photo, tmp_path, line, ivy, judge):
    (rig.watch / "SN1.jpg").write_bytes(make_photo(seed=1))
    (rig.watch / "SN2").mkdir()
    for view in ("front", "back"):
        (rig.watch / "SN2" / f"{view}.jpg").write_bytes(make_photo(seed=view))
    rig.taker().look()
    rig.send_all()
    assert serials() == ["SN1", "SN2"] and not list(rig.watch.iterdir())
    second = Inspection.objects.get(serial="SN2")
    assert list(second.photos.values_list("view", flat=True)) == ["back", "front"]
    judge(Inspection.objects.get(serial="SN1"), ivy, "scratched")
    Asker(rig.spool, rig.client, waits=False, decided=lambda: None).step()
    Filer(rig.spool, tmp_path / "out").step()
    assert json.loads((tmp_path / "out" / "SN1.json").read_text())["outcome"] == "reject"
    assert rig.state()["undecided"] == 1


def test_a_receipt_that_was_lost_makes_no_second_part(rig, make_photo, monkeypatch, cam):
    (rig.watch / "SN1.jpg").write_bytes(make_photo())
    rig.taker().look()
    row = rig.spool.next_waiting(time.time())
    monkeypatch.setattr(rig.spool, "mark_sent", lambda *args, **fields: None)  # killed before the receipt is kept
    rig.sender.send(row)
    monkeypatch.undo()
    # Under another token the server does not know the key.
    monkeypatch.setenv("STATION_TOKEN", ApiToken.issue(cam))
    rig.send_all()
    assert serials() == ["SN1"] and rig.state()["waiting"] == 0


def test_a_bad_token_stops_sending_and_a_good_one_goes_on(rig, make_photo, monkeypatch):
    good = os.environ["STATION_TOKEN"]
    monkeypatch.setenv("STATION_TOKEN", "wrong")
    for number in range(2):
        (rig.watch / f"SN{number}.jpg").write_bytes(make_photo(seed=number))
        rig.taker().look()
        assert rig.sender.step() > 0
    state = rig.state()
    assert state["waiting"] == 2 and any("Nothing is sent: 401" in said for said in state["trouble"])
    monkeypatch.setenv("STATION_TOKEN", good)
    rig.send_all()
    assert serials() == ["SN0", "SN1"] and not any("Nothing is sent" in said for said in rig.state()["trouble"])


def test_a_refused_part_is_put_aside_and_can_be_moved_back(rig, make_photo):
    (rig.watch / "SN1.jpg").write_bytes(make_photo())
    rig.taker(station="nowhere").look()
    (rig.watch / "SN2.jpg").write_bytes(make_photo(seed=2))
    rig.taker().look()
    rig.send_all()
    assert serials() == ["SN2"] and rig.state()["refused"] == 1
    (aside,) = (path for path in rig.spool.refused.iterdir() if path.is_dir())
    assert "nowhere" in aside.with_name(f"{aside.name}.txt").read_text()
    os.rename(aside, rig.watch / aside.name)
    keep_house(rig.spool, rig.settings, time.time())
    rig.taker().look()
    rig.send_all()
    assert serials() == ["SN1", "SN2"] and rig.state()["refused"] == 0


def test_a_key_used_for_something_else_puts_the_part_aside(rig, make_photo):
    (rig.watch / "SN1.jpg").write_bytes(make_photo())
    rig.taker().look()
    (part,) = rig.spool._rows("WHERE serial = 'SN1'")
    photos = [(rig.spool.parts / part.key / photo["file"], "") for photo in part.photos]
    sent = rig.client.send_part(os.environ["STATION_TOKEN"], part.key, part.fields | {"serial": "SN9"}, photos)
    assert sent.status == 201
    rig.send_all()
    assert serials() == ["SN9"] and rig.state()["refused"] == 1
    (words,) = rig.spool.refused.glob("*.txt")
    assert "409" in words.read_text()


def test_a_full_spool_leaves_photos_where_they_are_until_the_server_has_others(rig, make_photo):
    photo = make_photo()
    limit = len(photo) * 1.5 / 1e9
    for serial in ("SN1", "SN2"):
        (rig.watch / f"{serial}.jpg").write_bytes(photo)
    taker = rig.taker(max_spool_gb=limit)
    taker.look()
    state = rig.state()
    assert (
        state["waiting"] == 1
        and len(list(rig.watch.iterdir())) == 1
        and any("No parts" in said for said in state["trouble"])
    )
    rig.send_all()
    taker.look()  # the photo that the server has makes room
    rig.send_all()
    assert serials() == ["SN1", "SN2"] and not list(rig.watch.iterdir())


def test_what_was_half_taken_is_carried_on_with_its_key(rig, make_photo, monkeypatch):
    (rig.watch / "SN1.jpg").write_bytes(make_photo())
    monkeypatch.setattr(Taker, "file", lambda self, folder: None)  # killed after the rename
    rig.taker().look()
    monkeypatch.undo()
    assert rig.state()["waiting"] == 0
    (key,) = (folder.name for folder in rig.spool.parts.iterdir())
    rig.taker().recover()
    rig.taker().recover()
    assert rig.spool.next_waiting(time.time()).key == key and rig.state()["waiting"] == 1


def test_a_watch_folder_on_another_disk_is_copied_and_then_cleared(rig, make_photo):
    memory = Path("/dev/shm")  # noqa: S108 - the other disk that every Linux has
    elsewhere = memory / f"shadowline-{os.getpid()}"
    if not memory.is_dir() or memory.stat().st_dev == rig.spool.folder.stat().st_dev:
        pytest.skip("there is no second disk here")
    elsewhere.mkdir()
    try:
        (elsewhere / "SN1.jpg").write_bytes(make_photo())
        rig.taker(watch=elsewhere).look()
        assert rig.state()["waiting"] == 1
        assert list(elsewhere.iterdir()) == [elsewhere / HOME] and not list((elsewhere / HOME).iterdir())
    finally:
        shutil.rmtree(elsewhere)


def test_a_second_agent_on_a_spool_is_refused(tmp_path):
    os.close(lock(tmp_path))
    held = lock(tmp_path)
    with pytest.raises(InUse):
        lock(tmp_path)
    os.close(held)


def test_killed_at_random_moments_with_outages_between_every_part_arrives_once(rig, make_photo, monkeypatch):
    """The agent as a process; while it is killed the server is away half of the time, on a port where nobody answers."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        chance, dropped = random.Random(7), 0
        for turn in range(8):
            away = turn % 2 == 1
            agent = start(rig, dead if away else rig.settings.server)
            for _ in range(4):
                (rig.watch / f"SN{dropped:02d}.jpg").write_bytes(make_photo(seed=dropped))
                dropped += 1
            time.sleep(chance.uniform(0.3, 1.2))
            agent.kill()
            agent.wait()
    agent = start(rig, rig.settings.server)
    deadline = time.monotonic() + 30
    while len(serials()) < dropped and time.monotonic() < deadline:
        time.sleep(0.2)
    agent.terminate()
    assert agent.wait(30) == 0
    assert serials() == [f"SN{number:02d}" for number in range(dropped)]


def start(rig, server):
    command = [sys.executable, "-m", "station", "run", "--server", server, "--line", "line-a", "--settle", "0.1"]
    folders = ["--watch", str(rig.watch), "--spool", str(rig.settings.spool), "--min-free-gb", "0"]
    return subprocess.Popen(command + folders, cwd=ROOT, stderr=subprocess.DEVNULL)
