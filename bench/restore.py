"""What a backup and its way back cost at size, that the site is the same afterwards, and what is refused.

Run with `python bench/restore.py [--database both] [--pairs 1000000] [--photos 3000]`; PostgreSQL is the server of the tests.
A site of so many judged and scored parts, each with its row in the sealed audit trail, shares so many small photos; reports have
not counted it. It is backed up, backed up again into the same folder, and restored into an empty site, which is then looked at from outside:
every table's rows are counted, the product's own gunicorn serves it, and somebody who was signed in before opens two pages.
Then what must not go through: a site that holds data, a damaged database, one of a newer version, a cut in the middle.
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.inspecting import apart  # noqa: E402 - the path is set first
from tests.servers import SERVERS, missing  # noqa: E402

SMALL = (640, 360)  # pixels of a photo
PAGES = ("/reports/agreement/?line=line-a&model=history&group_by=inspector", "/trail/")


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit status, seconds with the start of Python, those of a processor (the database server's
    are not among them), and the MB of its largest process."""

    status: int
    seconds: float
    busy: float
    peak: float
    answer: dict[str, Any]
    said: str


@dataclass(frozen=True)
class Site:
    """A site in a folder of its own, as an operator drives it."""

    folder: Path
    database: str  # URL; empty: SQLite in the folder

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "DRAW_SECRET")}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(self.folder), "DATABASE_URL": self.database,
            "DEBUG": "1", "LOG_LEVEL": "ERROR", "BROKER_URL": "", "STORAGE_URL": "",
        }  # fmt: skip

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=self.env, start_new_session=True, **streams)

    def manage(self, *words: str) -> Done:
        """Run a command to its end. This process stays small: what it has in memory would count as the command's peak."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.perf_counter()
            running = self.start("manage.py", *words, stdout=out, stderr=err)
            _, status, used = os.wait4(running.pid, 0)
            seconds = time.perf_counter() - started
            running.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            said = out.read().decode()
            answer = json.loads(said) if said.startswith("{") else {}
            busy, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
            return Done(running.returncode, seconds, busy, peak, answer, err.read().decode().strip())

    def do(self, *words: str) -> Done:
        """A command that has to succeed."""
        done = self.manage(*words)
        if done.status:
            raise SystemExit(f"{words[0]} failed: {done.said[-1000:]}")
        return done

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """The database without the product."""
        if self.database:
            import psycopg

            with psycopg.connect(self.database) as connection:
                yield connection.cursor()
        else:
            import sqlite3

            with closing(sqlite3.connect(self.folder / "shadowline.sqlite3")) as connection:
                yield connection.cursor()

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        of_postgresql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        of_sqlite = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        with self.cursor() as cursor:
            names = cursor.execute(of_postgresql if self.database else of_sqlite).fetchall()
            return {name: cursor.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in sorted(names)}

    def size(self) -> int:
        """Bytes of the database with its indexes."""
        with self.cursor() as cursor:
            if self.database:
                return cursor.execute("SELECT pg_database_size(current_database())").fetchone()[0]
            return (self.folder / "shadowline.sqlite3").stat().st_size

    def arriving(self) -> int:
        """Bytes of a database that is just coming in."""
        coming = self.folder / ".shadowline.sqlite3"
        return self.size() if self.database else coming.stat().st_size if coming.exists() else 0

    def is_busy(self) -> bool:
        """Whether somebody else works on the database."""
        asked = "SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database()"
        with self.cursor() as cursor:
            return bool(self.database) and cursor.execute(asked).fetchone()[0]

    def is_empty(self) -> bool:
        return not self.counts() and not files(self.folder / "photos")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in files(folder)) / 1e6


@contextmanager
def sites(folder: Path, vendor: str, names: tuple[str, ...]) -> Iterator[list[Site]]:
    """Empty sites, in databases that are dropped at the end."""
    for name in names:
        (folder / name).mkdir()
    if vendor == "sqlite":
        yield [Site(folder / name, "") for name in names]
        return
    import psycopg

    server = SERVERS["PostgreSQL"].rpartition("/")[0]
    databases = [f"shadowline_{name}_{os.getpid()}" for name in names]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as master:
        try:
            for database in databases:
                master.execute(f"CREATE DATABASE {database}")
            yield [Site(folder / name, f"{server}/{of}") for name, of in zip(names, databases, strict=True)]
        finally:
            for database in databases:
                master.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


# ---- A site of some size


def fill(env: dict[str, str], pairs: int, photos: int) -> None:
    """In a process of its own."""
    os.environ.update(env)
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from automation.draw_keys import note_draw_key
    from bench.reports import fill_pairs, hire
    from bench.rig import fill

    call_command("migrate", verbosity=0)
    person = hire()
    call_command("seed_demo", verbosity=0, stdout=io.StringIO())
    fill_pairs(pairs, model="history")
    fill.share_photos(keep_photos(photos), *SMALL)
    fill.add_trail()
    fill.tidy()
    note_draw_key(now=timezone.now())
    fill.seal_trail()
    fill.tidy()
    (Path(env["DATA_DIR"]) / "session").write_text(person.session)


def keep_photos(count: int) -> list[tuple[str, int]]:
    """Keep so many small photos, all different, as the intake does. Returns digest and bytes of each."""
    from PIL import Image

    from bench.rig.faulty_site import photo_of
    from inspection.photos import clean_photo, keep, path_of
    from shadow.vision.synthetic import FLAWS, render

    phones = [Image.fromarray(render(seed, flaw=flaw).image).resize(SMALL) for seed, flaw in enumerate(FLAWS)]
    kept = []
    for number in range(count):
        photo = clean_photo(photo_of(phones[number % len(phones)], number))
        keep(photo.data, path_of(photo.stored))
        kept.append((photo.stored, len(photo.data)))
    return kept


# ---- There and back


def tell(what: str, done: Done, more: str = "") -> None:
    print(f"  {what:<34}{done.seconds:>7.1f} s{done.busy:>7.1f} s of a core{done.peak:>6.0f} MB  {more}", flush=True)


def there_and_back(first: Site, second: Site, backup: Path) -> None:
    done = first.do("back_up", str(backup), "--json")
    photos = megabytes(backup / "photos")
    database = megabytes(backup) - photos - megabytes(backup / "models")
    tell("back_up", done, f"{database:.0f} MB of database, {photos:.0f} of photos")
    tell("back_up again, no photo new", first.do("back_up", str(backup), "--json"))
    done = second.do("restore", str(backup), "--json")
    tell("restore, with its check", done, f"{second.size() / 1e6:.0f} MB")
    if done.answer["missing"] or not done.answer["same_draw_key"]:
        raise SystemExit(f"What came back is not what was there: {done.answer}")
    before, after = first.counts(), second.counts()
    if before != after:
        raise SystemExit(f"Rows differ: {set(before.items()) ^ set(after.items())}")
    print(f"  {sum(after.values()):,} rows of {len(after)} tables, as many in each as before")
    tell("migrate", second.do("migrate", "--verbosity", "0"))
    done = second.do("verify_audit_trail", "--json")
    tell("verify_audit_trail", done, f"{done.answer['sealed']:,} links, {done.answer['unsealed']} unsealed")
    tell("verify_certificates", second.do("verify_certificates"))


def look_at(site: Site, session: str, port: int) -> None:
    """From outside: is it ready, and does whoever was signed in read their pages?"""
    os.environ["PORT"] = str(port)
    with open(site.folder / "web.log", "wb") as log:
        started = time.perf_counter()
        web = site.start("-m", "gunicorn", "config.wsgi", stdout=log, stderr=log)
        try:
            body = ready(f"http://127.0.0.1:{port}/readyz", web)
            print(f"  {'web, until /readyz says 200':<34}{time.perf_counter() - started:>7.1f} s  {body['checks']}")
            for page in PAGES:
                asked = urllib.request.Request(
                    f"http://127.0.0.1:{port}{page}", headers={"Cookie": f"sessionid={session}"}
                )
                begun = time.perf_counter()
                with urllib.request.urlopen(asked, timeout=300) as answer:
                    size, there = len(answer.read()), answer.url.endswith(page)
                if not there:
                    raise SystemExit(f"{page} led to {answer.url}: whoever was signed in is not any more.")
                print(f"  {page.partition('?')[0]:<34}{time.perf_counter() - begun:>7.1f} s  {size / 1000:.0f} kB")
        finally:
            web.terminate()
            web.wait(30)


def ready(url: str, web: subprocess.Popen[bytes]) -> dict[str, Any]:
    for _ in range(300):
        with suppress(OSError), urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
        if web.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"{url} never said 200.")


# ---- What must not go through


def refused(site: Site, backup: Path, words: str) -> None:
    before = site.counts() or None
    done = site.manage("restore", str(backup))
    whole = site.counts() == before if before else site.is_empty()
    if done.status != 1 or words not in done.said or not whole:
        raise SystemExit(f"Not refused, or not whole: exit {done.status}, {done.said[-500:]}, nothing written: {whole}")
    print(f"  exit 1, nothing written, after {done.seconds:.1f} s: {done.said}", flush=True)


def refusals(second: Site, third: Site, backup: Path, folder: Path) -> None:
    refused(second, backup, "goes into an empty one")
    damaged = folder / "damaged"
    shutil.copytree(backup, damaged, copy_function=os.link)
    dump = next(damaged.glob("database.*"))
    shutil.copyfile(dump, damaged / "copy")
    os.replace(damaged / "copy", dump)
    flip(dump)
    refused(third, damaged, "its SHA-256 differs")
    shutil.rmtree(damaged)

    newer = folder / "newer"
    shutil.copytree(backup, newer, copy_function=os.link)
    manifest = json.loads((newer / "backup.json").read_text())
    manifest["migrations"].append("inspection.9999_of_tomorrow")
    (newer / "backup.json").unlink()
    (newer / "backup.json").write_text(json.dumps(manifest))
    refused(third, newer, "newer version")
    shutil.rmtree(newer)


def flip(path: Path) -> None:
    """Turn one bit in the middle over."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def cut_off(third: Site, backup: Path, whole: int) -> None:
    """A power cut while the database comes back; then the same again, with a photo that was damaged meanwhile."""
    running = third.start("manage.py", "restore", str(backup), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and (there := third.arriving()) < whole / 2:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    if running.wait() != -signal.SIGKILL:
        raise SystemExit("The restore had ended; nothing was cut.")
    while third.is_busy():  # PostgreSQL has to find that its client has gone
        time.sleep(0.1)
    print(
        f"  cut at {there / 1e6:.0f} MB: {len(third.counts())} tables, {len(files(third.folder / 'photos')):,} photos"
    )
    photo = min(files(backup / "photos"))
    flip(photo)
    (third.folder / "photos" / photo.relative_to(backup)).unlink(missing_ok=True)
    done = third.manage("restore", str(backup), "--json")
    flip(photo)
    if done.status != 1 or photo.name not in done.said:
        raise SystemExit(f"A damaged photo was not told: exit {done.status}, {done.said[-500:]}")
    tell("restore after the cut", done, done.said)


def measure(vendor: str, pairs: int, photos: int, port: int) -> None:
    with tempfile.TemporaryDirectory() as named, sites(Path(named), vendor, ("first", "second", "third")) as made:
        first, second, third = made
        backup = Path(named) / "backup"
        started = time.perf_counter()
        apart(fill, first.env, pairs, photos)
        print(f"\n{pairs:,} pairs and {photos:,} photos on {vendor}, {first.size() / 1e6:.0f} MB", end=" ")
        print(f"with indexes, filled in {time.perf_counter() - started:.0f} s", flush=True)
        there_and_back(first, second, backup)
        look_at(second, (first.folder / "session").read_text(), port)
        refusals(second, third, backup, Path(named))
        cut_off(third, backup, first.size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--port", type=int, default=8769)
    asked = parser.parse_args()
    vendors = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    if "postgresql" in vendors and (words := missing(["PostgreSQL"])):
        raise SystemExit(f"{words[0]} Run with --database sqlite.")
    for vendor in vendors:
        measure(vendor, asked.pairs, asked.photos, asked.port)


if __name__ == "__main__":
    main()
