"""An upload of 500 MB is refused by its length before it is read, and the server's memory stays as it was."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.sites import ROOT, free_port, within

pytestmark = pytest.mark.journey
SIZE, PIECE = 500 * 1024**2, bytes(1024**2)
HEAD = (
    "POST /api/v1/inspections/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {}\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n"
)
FLAT = 64  # MiB: what a first request loads, and far from what is sent


def memory(site):
    """MiB that the site's processes hold."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in site.pids())
    return pages * 4096 / 1024**2


def upload(port, token):
    """The status line, and how many bytes the server let in before it answered or hung up."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(HEAD.format(token, SIZE).encode())
        wire.setblocking(False)
        answer, sent, ends = b"", 0, time.monotonic() + 30
        while not answer and time.monotonic() < ends:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                sent += wire.send(PIECE)
            with contextlib.suppress(BlockingIOError):
                answer = wire.recv(4096)
            time.sleep(0.01)
        return answer.partition(b"\r\n")[0], sent


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_500_megabytes_are_refused_early_and_take_no_memory(demo_site):
    issue = [sys.executable, "manage.py", "issue_token", "sim-camera"]
    told = subprocess.run(issue, cwd=ROOT, env=demo_site.env, capture_output=True, text=True, timeout=120, check=True)
    token, port = told.stdout.split()[-1], free_port()
    demo_site.start("gunicorn", "config.wsgi", PORT=str(port), WEB_PROCESSES="1")
    within(60, lambda: answers(port), of=demo_site)
    upload(port, token)  # the first request loads what all need
    before = memory(demo_site)
    for _ in range(3):
        status, sent = upload(port, token)
        assert b" 400 " in status
        assert sent < SIZE / 10
    assert memory(demo_site) - before < FLAT
