"""How long a backup and its way back take, and that the site is the same afterwards.

Run with `python bench/restore.py [--parts 300]`, or with `--database postgresql` on the server of the tests.
A site receives so many parts, a photo each, all different; it is backed up, backed up again into the same folder, and
restored into an empty site. Quote megabytes a second: both are copies, and the disk is their limit.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.pipeline import database, photos  # noqa: E402 - the path is set first
from tests.servers import SERVERS  # noqa: E402


def manage(*words: str) -> tuple[float, dict]:
    """A command of the site that the environment names: its seconds, start and imports among them, and its answer."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "manage.py", *words, "--json"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {done.stderr[-1000:]}")
    return time.perf_counter() - started, json.loads(done.stdout)


@contextmanager
def site(folder: Path, vendor: str):
    """An empty site in the environment."""
    os.environ["DATA_DIR"] = str(folder)
    with database(SERVERS["PostgreSQL"] if vendor == "postgresql" else None):
        yield


def fill(parts: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from inspection import actions, wake
    from inspection.models import Line

    call_command("migrate", verbosity=0)
    call_command("seed_demo", verbosity=0, stdout=io.StringIO())
    wake._wake = lambda: None
    line = Line.objects.get(slug="line-a")
    for number, photo in enumerate(photos(parts)):
        actions.receive_inspection(line=line, serial=f"S{number}", photos_sent=[actions.NewPhoto(photo)], by=None)
    connections.close_all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    asked = parser.parse_args()
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings", DEBUG="1", LOG_LEVEL="ERROR", BROKER_URL="", STORAGE_URL=""
    )
    with tempfile.TemporaryDirectory() as named, ExitStack() as stack:
        folder = Path(named)
        stack.enter_context(site(folder / "first", asked.database))
        fill(asked.parts)
        idle, _ = manage("verify_audit_trail")
        rows = [("back_up", *manage("back_up", str(folder / "backup")))]
        rows.append(("back_up again", *manage("back_up", str(folder / "backup"))))
        size = sum(path.stat().st_size for path in (folder / "backup").rglob("*") if path.is_file()) / 1e6
        with_photos = sum(path.stat().st_size for path in (folder / "backup" / "photos").rglob("*") if path.is_file())
        os.environ.pop("DATABASE_URL", None)
        if asked.database == "postgresql":
            import psycopg

            name = f"shadowline_restored_{os.getpid()}"
            server = SERVERS["PostgreSQL"].rpartition("/")[0]
            master = stack.enter_context(psycopg.connect(f"{server}/postgres", autocommit=True))
            master.execute(f"CREATE DATABASE {name}")
            stack.callback(lambda: master.execute(f"DROP DATABASE {name} WITH (FORCE)"))
            os.environ["DATABASE_URL"] = f"{server}/{name}"
        os.environ["DATA_DIR"] = str(folder / "second")
        rows.append(("restore", *manage("restore", str(folder / "backup"))))
        found, trail = rows[-1][2], manage("verify_audit_trail")[1]
        print(f"{asked.parts} parts on {asked.database}; {size:.0f} MB, {with_photos / 1e6:.0f} of them photos")
        for what, seconds, _ in rows:
            print(f"{what:<16}{seconds:>7.1f} s, {seconds - idle:>6.1f} without the start of a command")
        if found["missing"] or trail["broken"] or found["photos"] != asked.parts:
            raise SystemExit(f"What came back is not what was there: {found}, {trail}")


if __name__ == "__main__":
    main()
