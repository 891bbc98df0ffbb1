"""The embedded broker: one server per folder, adopted, restarted, stopped by the last one out, nothing lost."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
import redis
from kombu import Connection

from config.broker import LONGEST_SOCKET_PATH, BrokerError, EmbeddedBroker


@pytest.fixture
def user_of(tmp_path):
    """Makes one more user of the broker in the test's folder (or in `folder`), and stops the server at the end."""
    users = []

    def make(folder=tmp_path):
        users.append(EmbeddedBroker(folder))
        return users[-1]

    yield make
    for user in users:
        user.leave()
        user.stop()


def put(broker, message):
    with Connection(broker.url) as connection, connection.SimpleQueue("test") as queue:
        queue.put(message)


def take(broker):
    with Connection(broker.url) as connection, connection.SimpleQueue("test") as queue:
        message = queue.get(timeout=2)
        message.ack()
        return message.payload


def server_pid(broker):
    with redis.Redis(unix_socket_path=str(broker.socket_path)) as client:
        return client.info("server")["process_id"]


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def within(seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def test_it_is_started_once_and_stopped_by_the_last_to_leave(user_of):
    worker, beat = user_of(), user_of()
    worker.join()
    pid = server_pid(worker)
    beat.join()
    assert server_pid(beat) == pid
    worker.leave()
    assert beat.answers()
    beat.leave()
    assert not beat.answers()
    assert not runs(pid)


def test_messages_survive_a_stop(user_of):
    user = user_of()
    user.join()
    put(user, "before the stop")
    user.leave()
    user.join()
    assert take(user) == "before the stop"


def test_a_killed_server_comes_back_with_its_messages(user_of):
    user = user_of()
    user.join()
    for number in range(50):
        put(user, number)
    os.kill(server_pid(user), signal.SIGKILL)
    within(5, lambda: not user.answers())
    within(10, user.answers)
    assert [take(user) for _ in range(50)] == list(range(50))


def test_a_server_that_outlived_its_users_is_adopted_and_stopped(user_of, tmp_path):
    program = (
        "import os, pathlib, signal, sys; from config.broker import EmbeddedBroker;"
        "EmbeddedBroker(pathlib.Path(sys.argv[1])).join(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    user = user_of()
    assert user.answers()
    pid = server_pid(user)
    user.join()
    assert server_pid(user) == pid
    user.leave()
    assert not runs(pid)


def test_a_user_that_is_stopped_as_it_joins_leaves_no_server(user_of, monkeypatch):
    user = user_of()
    start = user.start

    def stopped_when_it_is_up():
        start()
        raise SystemExit

    monkeypatch.setattr(user, "start", stopped_when_it_is_up)
    with pytest.raises(SystemExit):
        user.join()
    assert user.living_pid() is None
    user.leave()


def test_a_forked_child_is_no_user(user_of):
    user = user_of()
    user.join()
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b".")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(told, 1)  # the child runs
        user.leave()
        assert not user.answers()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
        os.close(tell)


def test_leaving_twice_or_never_having_joined_is_harmless(user_of):
    user = user_of()
    user.leave()
    user.join()
    user.leave()
    user.leave()
    assert not user.answers()


def test_a_stale_socket_is_replaced(user_of):
    user = user_of()
    user.folder.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(user.socket_path))
    user.join()
    assert user.answers()


def test_a_server_whose_socket_was_removed_is_replaced(user_of, monkeypatch):
    monkeypatch.setattr("config.broker.START_SECONDS", 0.5)
    user = user_of()
    user.join()
    put(user, "kept")
    pid = server_pid(user)
    user.socket_path.unlink()
    within(5, user.answers)
    assert not runs(pid)
    assert take(user) == "kept"


def test_a_server_that_hangs_is_replaced(user_of, monkeypatch):
    monkeypatch.setattr("config.broker.START_SECONDS", 0.5)
    monkeypatch.setattr("config.broker.STOP_SECONDS", 0.5)
    user = user_of()
    user.join()
    pid = server_pid(user)
    os.kill(pid, signal.SIGSTOP)
    within(10, lambda: not runs(pid))
    within(5, user.answers)


def test_it_listens_on_its_socket_only(user_of):
    user = user_of()
    user.join()
    with redis.Redis(unix_socket_path=str(user.socket_path)) as client:
        assert client.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(user.socket_path.stat().st_mode) == 0o700


@pytest.fixture
def deep(user_of, tmp_path):
    """A user whose folder's path is too long for a socket."""
    user = user_of(tmp_path / ("long" * 30))
    yield user
    shutil.rmtree(user.socket_path.parent, ignore_errors=True)


def test_a_long_path_gets_a_short_socket(deep):
    assert len(os.fsencode(deep.socket_path)) <= LONGEST_SOCKET_PATH
    deep.join()
    put(deep, "by the short way")
    assert take(deep) == "by the short way"
    assert stat.S_IMODE(deep.socket_path.parent.stat().st_mode) == 0o700


def test_a_short_socket_is_not_put_into_a_folder_open_to_others(deep):
    deep.socket_path.parent.mkdir(mode=0o755)
    with pytest.raises(BrokerError, match="only this user may open"):
        deep.join()


def test_a_server_that_cannot_start_is_told(user_of):
    user = user_of()
    user.folder.mkdir()
    (user.folder / "appendonlydir").write_text("in the way")
    with pytest.raises(BrokerError, match=r"ends as it starts: .*append-only"):
        user.join()


def test_a_url_with_odd_characters_in_the_path_reaches_it(user_of, tmp_path):
    user = user_of(tmp_path / "a folder, 100 % odd")
    user.join()
    put(user, "hello")
    assert take(user) == "hello"
