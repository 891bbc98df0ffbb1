"""Starts the processes of the Procfile together and stops them together: `python -m config.processes`.

Each runs in a session of its own, so that Ctrl-C reaches only this one, which then asks each of them to stop. When one
ends, all end. When this one is killed, Linux itself asks them to stop.
"""

import ctypes
import http.client
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from django.conf import settings

from config.broker import BrokerError, EmbeddedBroker

STOP_SECONDS = 20.0  # a worker finishes its batch first
PR_SET_PDEATHSIG = 1  # prctl(2): the signal that a process gets when its parent dies


def main() -> None:
    """Run until Ctrl-C or SIGTERM, or until any process ends; only the former exits with 0."""
    if port_is_taken():
        raise SystemExit(f"Port {settings.PORT} is taken. Stop what uses it, or set PORT to another.")
    processes = Processes(procfile(settings.BASE_DIR / "Procfile"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, processes.ask_to_stop)
    stop_with_parent()
    raise SystemExit(processes.run())


def port_is_taken() -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.PORT))
        except OSError:
            return True
    return False


def procfile(path: Path) -> dict[str, str]:
    """Name and command of each line. A site with a BROKER_URL has no broker to start."""
    lines = [line.split(":", 1) for line in path.read_text().splitlines() if line.strip()]
    commands = {name.strip(): command.strip() for name, command in lines}
    if settings.BROKER_URL:
        commands.pop("broker", None)
    return commands


def stop_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies. Elsewhere than on Linux this does nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def never_outlive(parent: int) -> None:
    """In a process just forked: `stop_with_parent`, even if the parent died meanwhile.

    The parent's own handler, inherited until the new program starts, would take a SIGTERM and do nothing with it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stop_with_parent()
    if os.getppid() != parent:
        os._exit(1)


class Processes:
    """The running processes, their output line by line, and the one way to stop them all."""

    def __init__(self, commands: dict[str, str]) -> None:
        self.commands = commands
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.output = selectors.DefaultSelector()
        self.rests: dict[str, bytes] = {}  # of lines that are not whole yet
        self.asked_to_stop = False

    def ask_to_stop(self, *_: object) -> None:
        self.asked_to_stop = True

    def run(self) -> int:
        """Start all, relay what they say, stop all; the exit status."""
        greeted = False
        try:
            for name, command in self.commands.items():
                self.start(name, command)
            while not self.asked_to_stop and not self.ended():
                self.relay(seconds=0.2)
                greeted = greeted or greet()
            for name in self.ended():
                say(f"{name} ended by itself (status {self.running[name].returncode}); all others are stopped.")
            return 0 if self.asked_to_stop else 1
        finally:
            self.stop()

    def start(self, name: str, command: str) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        process = subprocess.Popen(  # noqa: S602 - the commands are the Procfile's
            f"exec {command}",
            shell=True,
            cwd=settings.BASE_DIR,
            # Quieter than each alone, so that the greeting stays in sight.
            env={"LOG_LEVEL": "WARNING"} | os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(never_outlive, os.getpid()),
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        os.set_blocking(process.stdout.fileno(), False)
        self.output.register(process.stdout, selectors.EVENT_READ, name)
        self.running[name] = process

    def ended(self) -> list[str]:
        return [name for name, process in self.running.items() if process.poll() is not None]

    def relay(self, *, seconds: float) -> None:
        """Write on what the processes say, waiting at most `seconds` for it."""
        for key, _ in self.output.select(seconds):
            said = os.read(key.fd, 65536)
            if not said:
                self.output.unregister(key.fileobj)
            *lines, self.rests[key.data] = (self.rests.get(key.data, b"") + said).split(b"\n")
            for line in lines:
                say(f"{key.data:8} | {line.decode(errors='replace')}")

    def stop(self) -> None:
        """Ask each to stop, wait, then kill what is left, the children of the killed included."""
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while len(self.ended()) < len(self.running) and time.monotonic() < deadline:
            with suppress(OSError):  # nobody may be reading any more
                self.relay(seconds=0.1)
        for process in self.running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not settings.BROKER_URL:
            with suppress(BrokerError):
                EmbeddedBroker(settings.DATA_DIR).stop_if_unused()


def greet() -> bool:
    """Say where the site is and who may sign in, once it answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=1)) as connection:
        try:
            connection.request("GET", "/healthz")
            alive = connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
    if not alive:
        return False
    say(f"Shadowline is at http://127.0.0.1:{settings.PORT} - Ctrl-C stops it.")
    if settings.DEBUG:
        password = os.environ.get("DEMO_PASSWORD", "shadowline")
        say(f"Sign in as ivy (inspector), sam (supervisor) or ada (admin); the password is {password}")
    return True


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
