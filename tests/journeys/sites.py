"""A site of its own for a test: its data folder, its port, its real processes."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from config.broker import EmbeddedBroker

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


class Site:
    """Starts the processes of one data folder and finds all that belong to it, whoever started them."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []
        self.broker = EmbeddedBroker(folder)
        self.env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "DATA_DIR": str(folder), "DEBUG": "1"}

    def manage(self, *arguments):
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, check=True, timeout=120)

    def start(self, *command, **env):
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.env | env, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def pids(self):
        """The living processes whose environment or command line names the folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                if str(self.folder).encode() in words:
                    found.append(int(entry.name))
        return found

    def add_event(self):
        """One more row of the audit trail; sealing it is a task's work."""
        with contextlib.closing(sqlite3.connect(self.folder / "shadowline.sqlite3", timeout=20)) as database, database:
            database.execute(
                "INSERT INTO inspection_auditevent (at, by, action, line, subject, data) "
                "VALUES (?, 'ada', 'tested', '', '', '{}')",
                [datetime.now(UTC).isoformat()],
            )

    def seals(self):
        return self._count("inspection_auditseal")

    def sealed(self):
        """Whether the row of `add_event` is sealed; a sweep may have written and had sealed others beside it."""
        own = "SELECT id FROM inspection_auditevent WHERE action = 'tested'"
        return self._count(f"inspection_auditseal WHERE event_id IN ({own})") == 1

    def _count(self, rows):
        with contextlib.closing(sqlite3.connect(self.folder / "shadowline.sqlite3", timeout=20)) as database:
            return database.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]


def within(seconds, condition, *, of=None):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {of.log()[-3000:] if of else ''}"
        time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
