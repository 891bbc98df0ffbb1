"""Ways of holding connections, side by side: requests a second, the slowest, and how many connections one web node takes.

    python bench/pooling.py --clients 16 --seconds 10

On the database of DATABASE_URL (an empty one of PostgreSQL); a PgBouncer of its own is started where one is installed.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import urllib3

ROOT = Path(__file__).resolve().parent.parent
SET_UP = """
import django; django.setup()
from inspection.models import ApiToken, Line, User
from inspection.roles import Role, give_role
line, _ = Line.objects.get_or_create(slug="line-a", defaults={"name": "A"})
ada, made = User.objects.get_or_create(username="bench")
give_role(ada, Role.ADMIN)
print(ApiToken.issue(ada))
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def bouncer(url: str, folder: Path, size: int) -> tuple[subprocess.Popen, str]:
    """A PgBouncer in transaction mode before the database, and its URL."""
    where, port = urlsplit(url), free_port()
    (folder / "users").write_text(f'"{where.username}" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={where.hostname} port={where.port or 5432}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = trust\nauth_file = {folder / 'users'}\npool_mode = transaction\n"
        f"default_pool_size = {size}\nmax_client_conn = 500\nunix_socket_dir =\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    for path in (folder, folder / "users", folder / "ini"):
        path.chmod(0o755)
    as_user = ["-u", "postgres"] if os.getuid() == 0 else []
    process = subprocess.Popen(["pgbouncer", "-q", *as_user, str(folder / "ini")], stderr=subprocess.DEVNULL)
    wait(port)
    return process, f"postgres://{where.username}@127.0.0.1:{port}{where.path}"


def wait(port: int) -> None:
    for _ in range(300):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing answers at port {port}")


def site(env: dict[str, str], port: int) -> subprocess.Popen:
    words = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(words, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    wait(port)
    return process


class Counted(threading.Thread):
    """The most connections that the database had at once, beside our own."""

    def __init__(self, url: str):
        super().__init__(daemon=True)
        self.url, self.most, self.ending = url, 0, threading.Event()

    def run(self) -> None:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        with psycopg.connect(self.url, autocommit=True) as asked:
            while not self.ending.wait(0.2):
                self.most = max(self.most, asked.execute(query).fetchone()[0])


def load(port: int, token: str, clients: int, seconds: float) -> tuple[list[float], dict[int, int]]:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=clients, retries=False, timeout=60)
    took: list[float] = []
    statuses: dict[int, int] = {}
    end = time.monotonic() + seconds

    def ask() -> None:
        while time.monotonic() < end:
            begun = time.perf_counter()
            answer = pool.request(
                "GET", "/api/v1/inspections/?line=line-a", headers={"Authorization": f"Token {token}"}
            )
            took.append(time.perf_counter() - begun)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, statuses


def measured(name: str, env: dict[str, str], url: str, token: str, clients: int, seconds: float) -> None:
    port, counted = free_port(), Counted(url)
    running = site(env, port)
    try:
        load(port, token, clients, 2)  # warm
        counted.start()
        took, statuses = load(port, token, clients, seconds)
        counted.ending.set()
        counted.join()
    finally:
        running.terminate()
        running.wait()
    took.sort()
    print(
        f"{name:28} {len(took) / seconds:7.0f} req/s  median {1000 * statistics.median(took):6.1f} ms  "
        f"p95 {1000 * took[int(0.95 * len(took))]:6.1f} ms  {counted.most:3} connections  {statuses}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    url = os.environ["DATABASE_URL"]
    with tempfile.TemporaryDirectory() as made:
        data, folder = Path(made, "data"), Path(made, "bouncer")
        folder.mkdir()
        Path(made).chmod(0o755)
        env = os.environ | {"DATA_DIR": str(data), "SECRET_KEY": "b" * 50, "DEBUG": "0", "LOG_LEVEL": "ERROR"}
        env |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_POOL": ""}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=env, check=True)
        done = subprocess.run(
            [sys.executable, "-c", SET_UP], cwd=ROOT, env=env, check=True, capture_output=True, text=True
        )
        token = done.stdout.strip()
        ways = {"one a thread": env, "a pool of 4 a process": env | {"DATABASE_POOL": "4"}}
        ways["one a thread, 4 threads"] = env | {"WEB_THREADS": "4"}
        between = None
        if shutil.which("pgbouncer"):
            between, through = bouncer(url, folder, 8)
            ways["PgBouncer, 8 connections"] = env | {"DATABASE_POOL": "transaction", "DATABASE_URL": through}
        try:
            for _ in range(asked.rounds):
                for name, way in ways.items():
                    measured(name, way, url, token, asked.clients, asked.seconds)
        finally:
            if between:
                between.terminate()
                between.wait()


if __name__ == "__main__":
    main()
