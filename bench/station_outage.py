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
from pathlib import Path

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


def agent(folder: Path, port: int) -> subprocess.Popen[bytes]:
    with open(folder / "agent.log", "ab") as log:
        return subprocess.Popen(
            [
                sys.executable, "-m", "station", "run", "--server", f"http://127.0.0.1:{port}", "--line", "line-a",
                "--watch", str(folder / "watch"), "--spool", str(folder / "spool"), "--out", str(folder / "out"),
                "--min-free-gb", "0",
            ],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip


def state(folder: Path) -> dict:
    command = [sys.executable, "-m", "station", "status", "--json", "--spool", str(folder / "spool")]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout)


def through_the_outage(
    folder: Path, seconds: float, kill: bool, running: list[subprocess.Popen[bytes]], port: int
) -> int:
    """Let the time pass; with `kill` the agent dies every ten seconds. Returns how often it did."""
    ends, killed = time.perf_counter() + seconds, 0
    while (left := ends - time.perf_counter()) > 0:
        time.sleep(min(10.0, left))
        if kill and left > 10:
            running[0].kill()
            running[0].wait()
            running[0] = agent(folder, port)
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


def measure(minutes: float, rate: float, kill: bool, port: int) -> bool:
    made = photos(48)
    with site("sqlite") as data, tempfile.TemporaryDirectory() as named:
        from inspection.models import ApiToken, Inspection, User
        from inspection.roles import Role, give_role

        folder = Path(named)
        (folder / "watch").mkdir()
        user = User.objects.create_user(username="cam")
        give_role(user, Role.STATION)
        os.environ["STATION_TOKEN"] = ApiToken.issue(user)
        running = [agent(folder, port)]
        camera = Camera(folder / "watch", rate, made)
        with server(data, port):
            camera.start()
            time.sleep(BEFORE)
        print(f"the server is gone; {camera.dropped} parts were dropped before", flush=True)
        killed = through_the_outage(folder, 60 * minutes, kill, running, port)
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
        print("\n".join(f"{name:<38}{value:>8}" for name, value in rows))
        good = len(serials) == camera.dropped == sum(serials.values())
        if not good:
            print((folder / "agent.log").read_text()[-3000:], file=sys.stderr)
        return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=2.0)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--port", type=int, default=8093)
    asked = parser.parse_args()
    if not measure(asked.minutes, asked.rate, asked.kill, asked.port):
        raise SystemExit("Parts in are not parts at the server.")


if __name__ == "__main__":
    main()
