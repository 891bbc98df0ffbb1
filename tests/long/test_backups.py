"""A backup of a site that has parts, brought back into an empty one: everything is there and holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILL = """
import django; django.setup()
from automation.simulation import Rates, part_of, photo_of
from automation.tasks import sweep
from inspection import actions, wake
from inspection.models import Line, User
from inspection.seals import seal_trail
wake._wake = lambda: None
line, ivy = Line.objects.get(slug="line-a"), User.objects.get(username="ivy")
for number in range(3):
    photo = actions.NewPhoto(photo_of(part_of(number, Rates()), None, 0.0))
    actions.receive_inspection(line=line, serial=f"S{number}", photos_sent=[photo], by=None)
lease = actions.claim(line=line, by=ivy)
actions.judge(inspection=lease.inspection, by=ivy, outcome="ok", lease=lease.token, defects=[], comment="", duration_ms=1)
from automation.draw_keys import note_draw_key
from django.utils import timezone
note_draw_key(now=timezone.now())
for slug in ("line-a", "line-b", ""):
    seal_trail(line=slug)
"""


class Site:
    """A site of its own in a folder, driven by its commands as an operator does."""

    def __init__(self, folder: Path, database: str):
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STORAGE_URL")}
        self.data = folder
        self.env = kept | {"DATA_DIR": str(folder), "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}
        self.env |= {"DATABASE_URL": database} if database else {}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)

    def manage(self, *words: str) -> dict:
        done = self.run("manage.py", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in words else {}


@pytest.fixture(scope="module")
def databases():
    """Where two sites have their databases: in their folders, or side by side on the server of the tests."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield "", ""
        return
    import psycopg

    names = [f"backup_{os.getpid()}_{which}" for which in ("first", "second")]
    server = url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as master:
        for name in names:
            master.execute(f"CREATE DATABASE {name}")
        yield tuple(f"{server}/{name}" for name in names)
        for name in names:
            master.execute(f"DROP DATABASE {name} WITH (FORCE)")


def empty(database: str) -> None:
    """What an operator does with a database that something went wrong in."""
    if database:
        import psycopg

        server, _, name = database.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as master:
            master.execute(f"DROP DATABASE {name} WITH (FORCE)")
            master.execute(f"CREATE DATABASE {name}")


@pytest.fixture(scope="module")
def sites(tmp_path_factory, databases):
    """One with parts, an empty one, and the folder of a backup."""
    folder = tmp_path_factory.mktemp("sites")
    first, second = (Site(folder / name, url) for name, url in zip(("first", "second"), databases, strict=True))
    first.manage("migrate", "--verbosity", "0")
    first.manage("seed_demo")
    done = first.run("-c", FILL)
    assert done.returncode == 0, done.stderr
    return first, second, folder / "backup"


def test_there_and_back(sites):
    first, second, backup = sites
    told = first.manage("back_up", str(backup), "--json")
    assert (told["photos"], told["copied"]["photos"]) == (3, 3)
    assert (backup / "draw_secret").stat().st_mode & 0o077 == 0

    again = first.manage("back_up", str(backup), "--json")
    assert again["copied"] == {"photos": 0, "models": 0}

    photo = next(path for path in (backup / "photos").rglob("*") if path.is_file())
    photo.rename(backup / "away")
    back = second.run("manage.py", "restore", str(backup), "--json")
    assert back.returncode == 1
    assert "1 photos are missing" in back.stderr
    assert json.loads(back.stdout)["same_draw_key"]
    assert (second.data / "draw_secret").read_text() == (first.data / "draw_secret").read_text()

    second.manage("migrate", "--check")
    assert second.manage("verify_audit_trail", "--json")["broken"] == []
    second.manage("verify_certificates")
    ready = second.run("-c", "import django; django.setup()\nfrom config.health import history; print(history())")
    assert ready.stdout.strip() == "ok"

    twice = second.run("manage.py", "restore", str(backup))
    assert twice.returncode == 1
    assert "A backup goes into an empty one" in twice.stderr


def test_a_backup_that_was_altered_is_refused(sites, tmp_path):
    first, _, _ = sites
    backup = tmp_path / "backup"
    first.manage("back_up", str(backup))
    database = next(backup.glob("database.*"))
    database.write_bytes(database.read_bytes()[:-1] + b"!")
    done = Site(tmp_path / "third", first.env.get("DATABASE_URL", "")).run("manage.py", "restore", str(backup))
    assert done.returncode == 1
    assert "its SHA-256 differs" in done.stderr


def test_a_backup_of_a_newer_version_is_refused(sites, tmp_path):
    first, _, _ = sites
    backup = tmp_path / "backup"
    first.manage("back_up", str(backup))
    manifest = json.loads((backup / "backup.json").read_text())
    manifest["migrations"].append("inspection.9999_of_tomorrow")
    (backup / "backup.json").write_text(json.dumps(manifest))
    done = Site(tmp_path / "third", first.env.get("DATABASE_URL", "")).run("manage.py", "restore", str(backup))
    assert done.returncode == 1
    assert (
        "newer version: 1 of its migrations are unknown here, the first is inspection.9999_of_tomorrow" in done.stderr
    )


def test_a_damaged_photo_is_told_and_left_out(sites, databases, tmp_path):
    first, _, _ = sites
    backup = tmp_path / "backup"
    first.manage("back_up", str(backup))
    photo = next(path for path in (backup / "photos").rglob("*") if path.is_file())
    content = bytearray(photo.read_bytes())
    content[-1] ^= 1
    photo.write_bytes(content)
    empty(databases[1])
    third = Site(tmp_path / "third", databases[1])
    done = third.run("manage.py", "restore", str(backup), "--json")
    assert done.returncode == 1
    assert f"1 of its files are damaged, as {photo}, 1 photos are missing, as {photo.name}" in done.stderr
    assert not (third.data / "photos" / photo.relative_to(backup)).exists()


def test_a_lost_photo_stops_the_backup_and_keeps_the_one_before(sites, tmp_path):
    first, _, _ = sites
    backup = tmp_path / "backup"
    photo = next(path for path in (first.data / "photos" / "photos").rglob("*") if path.is_file())
    photo.rename(tmp_path / "away")
    done = first.run("manage.py", "back_up", str(backup))
    (tmp_path / "away").rename(photo)
    assert done.returncode == 1
    assert "1 photos that rows name are not in" in done.stderr
    assert not (backup / "backup.json").exists()
