"""Processes that are started together end together, however one of them or their starter ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from config.processes import procfile

PROGRAM = """
import ast, signal, sys
from config.processes import Processes
processes = Processes(ast.literal_eval(sys.argv[1]))
signal.signal(signal.SIGTERM, processes.ask_to_stop)
sys.exit(processes.run())
"""
SLEEPERS = {"first": "sleep 300", "second": "sleep 300"}
FAMILY = {"first": "sleep 300", "parent": "sh -c 'sleep 300 & echo child $!; wait'"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    """Starts a starter of the commands given; returns it and the processes that it has started."""
    starters = []

    def start(commands):
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(tmp_path),
            "PORT": str(free_port()),
            "DEBUG": "1",
            "BROKER_URL": "",
        }
        arguments = [sys.executable, "-c", PROGRAM, repr(commands)]
        starters.append(subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, text=True))
        return starters[-1], children(starters[-1], len(commands))

    yield start
    for starter in starters:
        starter.kill()
        starter.communicate()


def children(starter, number):
    deadline = time.monotonic() + 20
    while True:
        with open(f"/proc/{starter.pid}/task/{starter.pid}/children") as file:
            pids = [int(pid) for pid in file.read().split()]
        if len(pids) == number:
            return pids
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_end(pids):
    deadline = time.monotonic() + 10
    while any(runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(runs(pid) for pid in pids)


def test_asking_the_starter_to_stop_stops_all(start):
    starter, pids = start(SLEEPERS)
    starter.terminate()
    assert starter.wait(20) == 0
    assert all_end(pids)


def test_one_that_is_killed_takes_all_with_it(start):
    starter, pids = start(SLEEPERS)
    os.kill(pids[0], signal.SIGKILL)
    said, _ = starter.communicate(timeout=20)
    assert "ended by itself" in said
    assert starter.returncode == 1
    assert all_end(pids)


def test_the_children_of_one_that_is_killed_end_too(start):
    starter, pids = start(FAMILY)
    line = next(line for line in starter.stdout if "child" in line)
    child = int(re.search(r"child (\d+)", line)[1])
    assert runs(child)
    os.kill(pids[1], signal.SIGKILL)
    assert starter.wait(20) == 1
    assert all_end([*pids, child])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_none_outlives_a_killed_starter(start):
    starter, pids = start(SLEEPERS)
    starter.kill()
    starter.wait()
    assert all_end(pids)


def test_what_they_say_is_passed_on_with_their_names(start):
    starter, _ = start({"talker": "sh -c 'echo one; echo two >&2; sleep 300'"})
    assert [starter.stdout.readline().split() for _ in "12"] == [["talker", "|", "one"], ["talker", "|", "two"]]


def test_a_site_with_its_own_broker_starts_none(settings, tmp_path):
    path = tmp_path / "Procfile"
    path.write_text("broker: python -m config.broker\nweb: gunicorn config.wsgi:application\n")
    settings.BROKER_URL = ""
    assert list(procfile(path)) == ["broker", "web"]
    settings.BROKER_URL = "redis://elsewhere"
    assert procfile(path) == {"web": "gunicorn config.wsgi:application"}
