"""SQLite's gate: one writer at a time, in turn, and never left closed behind anybody."""

import subprocess
import sys
import threading

import pytest
from django.db import DatabaseError, connection, transaction

from config.fair_sqlite.gate import Gate, gate_at
from inspection.models import Line

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="the gate is SQLite's")


@pytest.fixture
def gate(at_once):
    """The gate of a database that is a file."""
    return gate_at(f"{connection.settings_dict['NAME']}-turns")


def is_open(gate: Gate) -> bool:
    """Whether another thread would pass at once."""
    passed = []

    def try_to_pass():
        if gate.enter(0.05):
            passed.append(True)
            gate.leave()

    thread = threading.Thread(target=try_to_pass)
    thread.start()
    thread.join()
    return bool(passed)


def test_a_transaction_is_inside_until_its_end(gate):
    with transaction.atomic():
        assert not is_open(gate)
        with transaction.atomic():
            Line.objects.create(slug="line-x", name="X")
        assert not is_open(gate), "a savepoint's end is no end"
    assert is_open(gate)


def test_what_fails_leaves_the_gate_open(gate):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Line.objects.create(slug="line-x", name="X" * (1 // 0))
    assert is_open(gate)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO no_such_table VALUES (1)")
    assert is_open(gate)


def test_who_cannot_begin_leaves_the_gate_open(gate, monkeypatch):
    begin = "django.db.backends.sqlite3.base.DatabaseWrapper._start_transaction_under_autocommit"
    with monkeypatch.context() as patched:
        patched.setattr(begin, fail)
        with pytest.raises(RuntimeError), transaction.atomic():
            pass
    assert is_open(gate)


def fail(self):
    raise RuntimeError("locked")


def test_a_gate_that_does_not_open_in_time_is_gone_around(gate, monkeypatch):
    monkeypatch.setattr("config.fair_sqlite.base.TURN", 0.05)
    holder, done = threading.Event(), threading.Event()

    def hold():
        gate.enter(1)
        holder.set()
        done.wait(10)
        gate.leave()

    thread = threading.Thread(target=hold)
    thread.start()
    holder.wait(10)
    with transaction.atomic():
        Line.objects.create(slug="line-x", name="X")
    assert not is_open(gate), "who went around it does not open it for others"
    done.set()
    thread.join()
    assert is_open(gate)


STAY_INSIDE = """
import sys
from config.fair_sqlite.gate import Gate
Gate(sys.argv[1]).enter(1)
print("inside", flush=True)
sys.stdin.read()
"""


def test_processes_wait_for_each_other_and_a_dead_one_for_nobody(tmp_path):
    path, passed = str(tmp_path / "turns"), threading.Event()
    command = [sys.executable, "-c", STAY_INSIDE, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"inside\n"
        thread = threading.Thread(target=lambda: Gate(path).enter(1) and passed.set())
        thread.start()
        assert not passed.wait(0.2)
        other.kill()
    assert passed.wait(5)
    thread.join()


def test_a_database_in_memory_has_no_gate(db):
    with transaction.atomic():
        assert connection._gate is None
