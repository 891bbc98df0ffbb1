"""Brokers and databases of a bench's own, that it may kill, silence, fill and wipe without harm to anybody else's."""

import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.rig.door import Door, free_port


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise SystemExit(f"{what} did not happen within {seconds:.0f} s; nothing was measured.")
        time.sleep(0.1)


def reachable(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Embedded:
    """The broker that the site starts for itself."""

    url = ""

    def __init__(self, data: Path):
        from config.broker import EmbeddedBroker

        self.broker = EmbeddedBroker(data)

    def _client(self):
        import redis

        return redis.Redis(unix_socket_path=str(self.broker.socket_path), socket_timeout=5)

    def _signal(self, number: int) -> None:
        if pid := self.broker.living_pid():
            os.kill(pid, number)

    def restart(self) -> None:
        self._signal(signal.SIGKILL)  # worker and beat start it again

    def wipe(self) -> None:
        self._client().flushall()

    def silence(self, seconds: float) -> None:
        self._signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._signal(signal.SIGCONT)


class OwnRedis:
    """A redis-server process on a port of its own, without persistence: a restart loses every message."""

    def __init__(self) -> None:
        self.port = free_port()
        self.door = Door(self.port)
        self.url = f"redis://127.0.0.1:{self.door.port}/0"
        self._start()

    def _start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(lambda: reachable(self.port), 10, "The start of Redis")

    def restart(self) -> None:
        self.stop()
        time.sleep(5)
        self._start()

    def wipe(self) -> None:
        import redis

        redis.Redis(port=self.port).flushall()

    def silence(self, seconds: float) -> None:
        self.running.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.running.kill()
        self.running.wait()


class OwnRabbit:
    """A RabbitMQ node in a folder and on ports of its own, with a port mapper (epmd) and a cookie of its own."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder, self.port, self.mapper = folder, free_port(), free_port()
        self.door = Door(self.port)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.door.port}//"
        (folder / "plugins").write_text("[].")
        nothing, local = str(folder / "nothing"), "127.0.0.1"
        self.env = os.environ | {
            "HOME": str(folder), "ERL_EPMD_PORT": str(self.mapper), "ERL_EPMD_ADDRESS": local,
            "RABBITMQ_NODENAME": "bench@localhost", "RABBITMQ_NODE_IP_ADDRESS": local,
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "node"), "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": nothing, "RABBITMQ_CONF_ENV_FILE": nothing,
        }  # fmt: skip
        self._start()

    def _start(self) -> None:
        packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # what a package puts on the path is for its own user
        command = str(packaged) if packaged.exists() else shutil.which("rabbitmq-server")
        if command is None:
            raise SystemExit("There is no rabbitmq-server here: install RabbitMQ, or choose another --broker.")
        self.running = subprocess.Popen(
            [command], env=self.env, cwd=self.folder, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: reachable(self.port), 120, "The start of RabbitMQ")

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.running.pid, number)  # the script and the node that it has started

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.running.wait()
        until(lambda: not reachable(self.port), 10, "The end of RabbitMQ")

    def restart(self) -> None:
        self._kill()
        time.sleep(5)
        self._start()

    def wipe(self) -> None:
        """The node loses its disk: queues, messages and all."""
        self._kill()
        shutil.rmtree(self.folder / "node")
        self._start()

    def silence(self, seconds: float) -> None:
        self._signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        self._kill()
        subprocess.run(["epmd", "-kill"], env=self.env, check=False, capture_output=True)


class OwnPostgres:
    """A PostgreSQL cluster in a folder of its own, with few connections, and a clock of its own where there are clocks."""

    CONNECTIONS = 60

    def __init__(self, folder: Path, clocks: "Clocks | None" = None):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        self.before = clocks.command("database", []) if clocks else []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self.before += ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/bench"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "bench")

    def _run(self, program: str, *words: str) -> None:
        found = shutil.which(program) or str(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))[-1])
        subprocess.run([*self.before, found, *words], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections={self.CONNECTIONS}"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-o", options, "start"
        )

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "stop")

    def restart(self) -> None:
        self.stop()
        time.sleep(5)
        self.start()

    def use_up(self, seconds: float) -> None:
        """Close the site's connections and take all there are, again and again for so long."""
        import psycopg

        ends, held = time.monotonic() + seconds, []
        with psycopg.connect(self.url, autocommit=True) as master:
            while time.monotonic() < ends:
                mine = [connection.info.backend_pid for connection in held] + [master.info.backend_pid]
                master.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bench' AND pid <> ALL(%s)",
                    [mine],
                )
                with suppress(psycopg.OperationalError):
                    while True:
                        held.append(psycopg.connect(self.url))
                time.sleep(0.2)
        for connection in held:
            connection.close()


class OwnStore:
    """A server of S3 on a folder of its own, with a bucket for the photos."""

    def __init__(self, folder: Path):
        from tests import buckets

        folder.mkdir()
        port = free_port()
        self.folder, self.command = folder, buckets.command(folder, port)
        os.environ.update(AWS_ACCESS_KEY_ID=buckets.KEY, AWS_SECRET_ACCESS_KEY=buckets.SECRET)
        self.start()
        self.door = Door(port)
        endpoint = f"http://127.0.0.1:{self.door.port}"
        buckets.made(endpoint, "photos")
        self.url = f"s3://photos?endpoint={endpoint}&region=us-east-1"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)

    def stop(self) -> None:
        self.running.kill()
        self.running.wait()

    def away(self, seconds: float) -> None:
        self.stop()
        time.sleep(seconds)
        self.start()

    def silence(self, seconds: float) -> None:
        self.running.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.running.send_signal(signal.SIGCONT)


class Clocks:
    """Wall clocks of the site's processes that may be set while they run; see clock.c, which a C compiler has to make."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder, self.library = folder, folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(self.library), str(source), "-ldl"], check=True)

    def set(self, name: str, seconds: int) -> None:
        """So many seconds from the true time, from now on."""
        with (self.folder / name).open("r+b" if (self.folder / name).exists() else "w+b") as file:
            file.write(struct.pack("=q", seconds))  # in place: the processes look at these bytes themselves

    def command(self, name: str, words: list[str]) -> list[str]:
        """The command under a clock of its own, which is right until it is set."""
        self.set(name, 0)
        return ["env", f"LD_PRELOAD={self.library}", f"CLOCK_OFFSET={self.folder / name}", *words]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A disk of its own in memory at the folder, where this user may mount one; yields whether there is one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "bench", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
