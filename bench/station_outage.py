"""An outage of the server while a camera drops parts: how many arrive, how often, and how long catching up takes.

Run with `python bench/station_outage.py [--minutes 1] [--rate 2] [--kill]`. It starts the product's own gunicorn on a fresh
SQLite database and the agent as a process of its own; the camera drops photos of 1920 x 1080. The server is stopped for so
many minutes and started again on the same port; with `--kill` the agent is killed (SIGKILL) every ten seconds meanwhile.
"""

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.inspecting import server, site  # noqa: E402 - the path is set first
from bench.pipeline import photos  # noqa: E402

BEFORE = AFTER = 10.0  # seconds of camera with a server, before and after the outage


class Camera(threading.Thread):
    """Drops parts at a rate until it is stopped: written under a hidden name, then renamed."""

    def __init__(self, watch: Path, rate: float, made: list[bytes]):
        super().__init__(daemon=True)
        self.watch, self.rate, self.made = watch, rate, made
        self.dropped = 0
        self.done = threading.Event()

    def run(self) -> None:
        started = time.perf_counter()
        while not self.done.is_set():
            name = f"SN{self.dropped:06d}.jpg"
            # Bytes behind a JPEG's end make each photo one of its own.
            (self.watch / f".{name}").write_bytes(self.made[self.dropped % len(self.made)] + name.encode())
            os.rename(self.watch / f".{name}", self.watch / name)
            self.dropped += 1
            self.done.wait(max(0.0, self.dropped / self.rate - (time.perf_counter() - started)))


def agent(folder: Path, port: int, *more: str) -> subprocess.Popen[bytes]:
    with open(folder / "agent.log", "ab") as log:
        return subprocess.Popen(
            [
                sys.executable, "-m", "station", "run", "--server", f"http://127.0.0.1:{port}", "--line", "line-a",
                "--watch", str(folder / "watch"), "--spool", str(folder / "spool"), "--out", str(folder / "out"),
                "--min-free-gb", "0", *more,
            ],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip


def state(folder: Path) -> dict:
    command = [sys.executable, "-m", "station", "status", "--json", "--spool", str(folder / "spool")]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout)


def hand_over() -> None:
    """Line A at partial automation, and a bundle for its station: what is counted is parts, not who may decide."""
    from django.utils import timezone

    from automation import actions, policies
    from automation.actions.changing import write_policy
    from automation.edge_rules import MOST_OF_ALL
    from automation.models import Change
    from inspection.models import Line, User
    from inspection.roles import Role, give_role
    from shadow.actions import register_version

    line, ada = Line.objects.get(slug="line-a"), User.objects.create_user(username="ada")
    give_role(ada, Role.ADMIN)
    station = line.stations.create(slug="cam-1", name="Camera 1")
    weights = (ROOT / "shadow/starter/starter.safetensors").read_bytes()
    version, now = register_version(name="starter", weights=weights, card={}, by="bench"), timezone.now()
    fields = {name: getattr(policies.in_force(line), name) for name in policies.FIELDS} | {"version": version}
    shadow = fields | {"level": "shadow"}
    before = write_policy(line=line, fields=shadow, by="bench", reason="bench", action="level_raise", now=now)
    change = Change.objects.create(
        line=line, from_policy=before, kind="raise", proposed={}, reason="for the bench", by=ada,
        certificate={"gates": [{"name": "certificate", "met": True, "reason": "for the bench", "figures": {}}]},
    )  # fmt: skip
    fields |= {"level": "partial", "hold_seconds": 60, "pass_below": 0.3, "reject_from": 0.5, "audit_share": 0.1}
    write_policy(line=line, fields=fields, by="bench", reason="bench", change=change, action="level_raise", now=now)
    actions.export_bundle(line=line, station=station, by=ada, most=MOST_OF_ALL)


def decided_there() -> list[tuple[str, int]]:
    """Score every part as the server's own workers would, then count what came of the station's decisions."""
    from automation import actions
    from automation.edge_gaps import gaps_in
    from automation.models import EdgeBundle, EdgeMark, Routing

    while actions.score_and_settle():
        pass
    marked = EdgeMark.objects.values("inspection")
    borne_out = Routing.objects.filter(inspection__in=marked, decided=True).count()
    return [
        ("decided at the station", EdgeMark.objects.count()),
        ("of them taken", EdgeMark.objects.filter(taken=True).count()),
        ("of them borne out by the server", borne_out),
        ("numbers of the bundle that lack", sum(map(gaps_in, EdgeBundle.objects.all()))),
    ]


def through_the_outage(
    folder: Path, seconds: float, kill: bool, running: list[subprocess.Popen[bytes]], again: Callable[[], Any]
) -> int:
    """Let the time pass; with `kill` the agent dies every ten seconds. Returns how often it did."""
    ends, killed = time.perf_counter() + seconds, 0
    while (left := ends - time.perf_counter()) > 0:
        time.sleep(min(10.0, left))
        if kill and left > 10:
            running[0].kill()
            running[0].wait()
            running[0] = again()
            killed += 1
    return killed


def caught_up(folder: Path, limit: float) -> float:
    """Seconds until no more than what the camera drops meanwhile lies in the watch folder or waits in the spool."""
    started = time.perf_counter()
    while time.perf_counter() - started < limit:
        lying = [path for path in (folder / "watch").iterdir() if path.suffix == ".jpg"]
        if len(lying) <= 4 and state(folder)["waiting"] <= 1:
            break
        time.sleep(0.5)
    return time.perf_counter() - started


def measure(minutes: float, rate: float, kill: bool, edge: bool, port: int) -> bool:
    made = photos(48)
    with site("sqlite") as data, tempfile.TemporaryDirectory() as named:
        from inspection.models import ApiToken, Inspection, User
        from inspection.roles import Role, give_role

        folder = Path(named)
        (folder / "watch").mkdir()
        user = User.objects.create_user(username="cam")
        give_role(user, Role.STATION)
        os.environ["STATION_TOKEN"] = ApiToken.issue(user)
        if edge:
            hand_over()
        start = partial(agent, folder, port, *(["--station", "cam-1", "--edge"] if edge else []))
        running = [start()]
        camera = Camera(folder / "watch", rate, made)
        with server(data, port):
            camera.start()
            time.sleep(BEFORE)
        print(f"the server is gone; {camera.dropped} parts were dropped before", flush=True)
        killed = through_the_outage(folder, 60 * minutes, kill, running, start)
        waiting = state(folder)
        print(
            f"the server comes back; {waiting['waiting']} parts wait, the oldest {waiting['oldest_seconds']:.0f} s",
            flush=True,
        )
        with server(data, port):
            back = time.perf_counter()
            caught_up(folder, 600)
            took = time.perf_counter() - back
            time.sleep(AFTER)
            camera.done.set()
            camera.join()
            caught_up(folder, 60)
            time.sleep(3)
            left = state(folder)
            running[0].send_signal(signal.SIGTERM)
            code = running[0].wait(60)
        serials = collections.Counter(Inspection.objects.values_list("serial", flat=True))
        rows = [
            ("outage, minutes", f"{minutes:g}"), ("parts a second", f"{rate:g}"), ("kills of the agent", killed),
            ("parts that the camera dropped", camera.dropped), ("parts at the server", len(serials)),
            ("of them more than once", sum(count > 1 for count in serials.values())),
            ("parts left in the spool", left["waiting"]), ("parts put aside", left["refused"]),
            ("waiting when the server came back", waiting["waiting"]), ("seconds to catch up", f"{took:.1f}"),
            ("parts a second while catching up", f"{(waiting['waiting'] + rate * took) / took:.1f}"),
            ("exit code of the agent at SIGTERM", code),
        ]  # fmt: skip
        marks = decided_there() if edge else []
        rows += marks
        print("\n".join(f"{name:<38}{value:>8}" for name, value in rows))
        good = len(serials) == camera.dropped == sum(serials.values())
        good = good and (not edge or (marks[0][1] > 0 and marks[-1][1] == 0))
        if not good:
            print((folder / "agent.log").read_text()[-3000:], file=sys.stderr)
        return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=2.0)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--edge", action="store_true", help="the station decides while the server is away")
    parser.add_argument("--port", type=int, default=8093)
    asked = parser.parse_args()
    if not measure(asked.minutes, asked.rate, asked.kill, asked.edge, asked.port):
        raise SystemExit("Parts dropped are not parts at the server, or a decision of the station's is missing.")


if __name__ == "__main__":
    main()
