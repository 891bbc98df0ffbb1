"""What is lost when something breaks: parts in and parts out, counted from outside, while each part of a site fails in turn.

Run with `python bench/faults.py [--database sqlite|postgresql] [--broker embedded|redis|rabbitmq|quorum] [--photos folder|s3]
[--only NAME ..] [--seconds 25] [--rate 3] [--settle 120] [--json] [--list]`, or with `--shapes` for one table of all three
shapes. It starts a site of its own (gunicorn, two workers, beat, each started again when it ends, as a service manager
does) on a database, broker and photo store of its own. Cameras send parts to a line at shadow, where people judge every
part, and to one at full, where the machine decides; each sends a part again, under the same key, until
it is accepted. Five seconds in, something breaks. Afterwards the API is asked for every part: each has to be there once
and decided, or stand in the queue of people, and in the end it has one answer of the model, for a site that only people
keep going has not come back; an answer of the 5xx other than 503 is a fault. It exits with 1 where a count is wrong.

"normal after" is the time from the fault until the last request failed and the last answer of the model came late (over
10 s, half of the hold); "people" counts the parts that people decided, those at shadow among them.
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.rig.door import Way  # noqa: E402 - the path is set first
from bench.rig.faulty_servers import (  # noqa: E402 - the path is set first
    Clocks,
    Embedded,
    OwnPostgres,
    OwnRabbit,
    OwnRedis,
    OwnStore,
    free_port,
    small_disk,
    until,
)

BEFORE = 5.0  # seconds of traffic before the fault
DISK = 400  # megabytes
NULLS = {"poison": 2}  # parts that no model can answer
HOUR = 3600
SHAPES = (("sqlite", "embedded", "folder"), ("postgresql", "redis", "s3"), ("postgresql", "rabbitmq", "folder"))


@dataclass
class World:
    """What a fault may break."""

    site: Any
    traffic: Any
    broker: Any
    database: OwnPostgres | None
    data: Path
    small: bool  # whether the data lie on a disk of their own
    store: OwnStore | None
    clocks: Clocks | None


def web_killed(world: World) -> None:
    world.site.signal("web", signal.SIGKILL, all_of_it=True)


def web_stopped(world: World) -> None:
    world.site.signal("web", signal.SIGTERM, all_of_it=False)


def worker_killed(world: World) -> None:
    """In the middle of a batch: it is stopped, and killed when jobs are leased to it."""

    def in_hand() -> bool:
        world.site.signal("score", signal.SIGSTOP, all_of_it=True)
        leased = world.site.jobs("leased") > 0
        world.site.signal("score", signal.SIGKILL if leased else signal.SIGCONT, all_of_it=True)
        return leased

    until(in_hand, 30, "A batch in hand")


def worker_stopped(world: World) -> None:
    until(lambda: world.site.jobs("leased") > 0, 30, "A batch in hand")
    world.site.signal("score", signal.SIGTERM, all_of_it=False)


def sweeper_killed(world: World) -> None:
    world.site.signal("worker", signal.SIGKILL, all_of_it=True)


def beat_killed(world: World) -> None:
    world.site.signal("beat", signal.SIGKILL, all_of_it=True)


def all_killed(world: World) -> None:
    for name in world.site.commands:
        world.site.signal(name, signal.SIGKILL, all_of_it=True)


def broker_restarted(world: World) -> None:
    world.broker.restart()


def broker_wiped(world: World) -> None:
    """Again and again for five seconds."""
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        world.broker.wipe()
        time.sleep(0.25)


def broker_silent(world: World) -> None:
    world.broker.silence(10)


def messages_doubled(world: World) -> None:
    """Every task of the schedule, many times over and in reverse: none has a payload that could be out of order."""
    from config.celery import EVERY, app

    names = [*EVERY, "automation.tasks.score_waiting_parts"] * 20
    with app.connection_for_write() as connection:
        for name in reversed(names):
            app.send_task(name, connection=connection, retry=False)


def database_restarted(world: World) -> None:
    assert world.database
    world.database.restart()


def database_full(world: World) -> None:
    assert world.database
    world.database.use_up(8)


def disk_full(world: World) -> None:
    """Fill the disk under photos and, with SQLite, the database to the last byte, for eight seconds."""
    fill = world.data / "fill"
    with fill.open("wb", buffering=0) as file:
        ends = time.monotonic() + 8
        while time.monotonic() < ends:
            try:
                file.write(bytes(65536))
            except OSError:
                time.sleep(0.05)
    fill.unlink()


def poison(world: World) -> None:
    """A photo that kills the process that scores it, one on each line; see `rig/poisoned.py`."""
    from PIL import Image

    from bench.rig.poisoned import POISON

    buffer = io.BytesIO()
    Image.new("RGB", POISON, "grey").save(buffer, "JPEG")
    for line in ("line-a", "line-b"):
        world.traffic.add(buffer.getvalue(), False, line)


def set_clocks(world: World, names: Iterable[str], seconds: int) -> None:
    """For eight seconds; then the true time is back."""
    assert world.clocks
    for name in names:
        world.clocks.set(name, seconds)
    time.sleep(8)
    for name in names:
        world.clocks.set(name, 0)


def clock_ahead(world: World) -> None:
    set_clocks(world, world.site.commands, 2 * HOUR)


def clock_behind(world: World) -> None:
    set_clocks(world, world.site.commands, -2 * HOUR)


def clocks_apart(world: World) -> None:
    """The web's is ten minutes ahead of the others'."""
    set_clocks(world, ["web"], HOUR // 6)


def clock_of_beat(world: World) -> None:
    """Beat's is half a minute behind the workers'."""
    set_clocks(world, ["beat"], -30)


def clock_of_database(world: World) -> None:
    set_clocks(world, ["database"], 2 * HOUR)


def store_away(world: World) -> None:
    assert world.store
    world.store.away(60)


def store_silent(world: World) -> None:
    assert world.store
    world.store.silence(10)


def store_slow(world: World) -> None:
    assert world.store
    world.store.door.during(Way.SLOW, 15)


def store_failing(world: World) -> None:
    """Every request gets an HTTP 500."""
    assert world.store
    world.store.door.during(Way.FAILING, 15)


def broker_cut_off(world: World) -> None:
    """Two minutes behind a cable that is out; not even a refusal comes back."""
    world.broker.door.during(Way.SILENT, 120)


FAULTS: dict[str, Callable[[World], None]] = {
    fault.__name__: fault
    for fault in (
        web_killed, web_stopped, worker_killed, worker_stopped, sweeper_killed, beat_killed, all_killed, broker_restarted,
        broker_wiped, broker_silent, messages_doubled, database_restarted, database_full, disk_full, store_away,
        store_silent, store_slow, store_failing, broker_cut_off, clock_ahead, clock_behind, clocks_apart, clock_of_beat,
        clock_of_database, poison,
    )
}  # fmt: skip


def possible(database: str, broker: str, photos: str) -> list[str]:
    """The faults that such a site can meet on this computer."""
    cannot = {
        "database_": database == "sqlite",
        "broker_cut_off": broker == "embedded",  # a socket of the same computer
        "store_": photos == "folder",
        "disk_full": database != "sqlite" and photos == "s3",  # then nothing is written to it
        "clock": shutil.which("cc") is None,
        "clock_of_database": database == "sqlite",  # its clock is the web's
    }
    return [name for name in FAULTS if not any(true and name.startswith(start) for start, true in cannot.items())]


class Around(NamedTuple):
    """What a site stands on."""

    broker: Any
    database: OwnPostgres | None
    data: Path
    small: bool
    store: OwnStore | None
    clocks: Clocks | None


@contextmanager
def surroundings(folder: Path, database: str, broker: str, photos: str) -> Iterator[Around]:
    """Broker, database, data folder and the photos' store, in the environment of this process."""
    with ExitStack() as stack:
        data = folder / "data"
        small = stack.enter_context(small_disk(data, DISK))
        clocks = Clocks(folder / "clocks") if shutil.which("cc") else None
        owned = OwnPostgres(folder / "postgresql", clocks) if database == "postgresql" else None
        if owned:
            stack.callback(owned.stop)
        own = OwnRedis() if broker == "redis" else None if broker == "embedded" else OwnRabbit(folder / "rabbitmq")
        if own:
            stack.callback(own.stop)
        store = OwnStore(folder / "store") if photos == "s3" else None
        if store:
            stack.callback(store.stop)
        os.environ.pop("DATABASE_URL", None)
        os.environ.update(
            DATA_DIR=str(data), DJANGO_SETTINGS_MODULE="config.settings", SECRET_KEY="b" * 50, DEBUG="0",
            STORAGE_URL=store.url if store else "", BROKER_URL=own.url if own else "",
            BROKER_QUORUM=str(int(broker == "quorum")), LOG_LEVEL="ERROR", **({"DATABASE_URL": owned.url} if owned else {}),
        )  # fmt: skip
        import django

        django.setup()
        yield Around(own or Embedded(data), owned, data, small, store, clocks)


def set_up() -> dict[str, str]:
    """The demo factory with line B at full; the tokens of those who act."""
    from django.core.management import call_command
    from django.utils import timezone

    from automation.demo import set_up_demo
    from inspection.models import ApiToken, User
    from shadow.models import Assignment

    call_command("migrate", verbosity=0)
    set_up_demo(password="a password of the bench")
    hand_over()
    # A version answers what came since it was assigned, and a clock set back by hours dates parts before that.
    Assignment.objects.update(assigned_at=timezone.now() - timedelta(days=1))
    return {
        name: ApiToken.issue(User.objects.get(username=name)) for name in ("sim-1", "sim-2", "sim-camera", "ada", "sam")
    }


def hand_over() -> None:
    """Line B at full, whatever has lowered it: what is looked at here is whether parts get lost, not who may decide."""
    from django.db import connection
    from django.utils import timezone

    from automation import policies
    from automation.actions.changing import write_policy
    from automation.levels import Level
    from inspection.models import Line
    from shadow.models import ModelVersion

    line, version = Line.objects.get(slug="line-b"), ModelVersion.objects.get(name="starter")
    if policies.in_force(line).level != Level.FULL:
        fields = {name: getattr(policies.in_force(line), name) for name in policies.FIELDS}
        at = version.thresholds[len(version.thresholds) // 2]
        fields |= {"level": Level.FULL, "version_id": version.pk, "step": 0, "strata": None, "ramp": []}
        fields |= {"pass_below": at, "reject_from": at, "hold_seconds": 20}
        write_policy(line=line, fields=fields, by="bench", reason="bench", action="level_raise", now=timezone.now())
    connection.close()  # the server may be restarted before it is asked again


def pictures(count: int = 24) -> list[tuple[Any, bool]]:
    """Rendered phones, and whether each is scratched."""
    from PIL import Image

    from automation.simulation import Rates, part_of
    from shadow.vision.synthetic import render

    parts = [part_of(number, Rates()) for number in range(count)]
    return [
        (Image.fromarray(render(part.number, flaw=part.flaw, variant=part.variant).image), part.scratched)
        for part in parts
    ]


def workers() -> int:
    """How many answer: one that the fault before has stopped may be loading its model still."""
    from config.celery import app

    with app.connection_for_write() as connection, suppress(*connection.connection_errors, *connection.channel_errors):
        return len(app.control.ping(timeout=2.0, connection=connection))
    return 0


def break_one(name: str, site: Any, around: Around, tokens: dict, made: list, asked: Any) -> dict[str, Any]:
    from bench.rig.faulty_site import Traffic, count, is_right

    until(lambda: site.ready() and workers() == 2, 300, "A site that is ready, with its workers")
    hand_over()
    traffic = Traffic(site.url, tokens, made, asked.rate, f"{name}-{int(time.time())}")
    traffic.start()
    time.sleep(BEFORE)
    began = time.time()
    FAULTS[name](World(site, traffic, *around))
    time.sleep(max(0.0, asked.seconds - BEFORE - (time.time() - began)))
    traffic.no_more_parts()
    row = count(traffic, began, asked.settle)
    traffic.go_home()
    return {"fault": name} | row | {"right": is_right(row, NULLS.get(name, 0))}


COLUMNS = ("sent", "in", "scored", "machine", "people", "queued", "lost", "twice", "retried", "unreachable", "503", "5xx", "null",
           "late")  # fmt: skip


def tell(row: dict[str, Any]) -> None:
    figures = "".join(f"{row[name]:>{max(7, len(name) + 2)}}" for name in COLUMNS)
    print(f"{row['fault']:<20}{figures}{row['normal_after']:>14.1f} s  {'' if row['right'] else 'WRONG'}", flush=True)
    for fault in row["faults"]:
        print(f"    {fault}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--broker", choices=["embedded", "redis", "rabbitmq", "quorum"], default="embedded")
    parser.add_argument("--photos", choices=["folder", "s3"], default="folder")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--rate", type=float, default=3.0)
    settle = "seconds for the last part to be decided and scored; a dead worker's lease is 60"
    parser.add_argument("--settle", type=float, default=120.0, help=settle)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the table")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument("--shapes", action="store_true", help="every fault on all three shapes, one after the other")
    asked = parser.parse_args()
    if asked.shapes:
        raise SystemExit(on_all_shapes(asked))
    names = [name for name in possible(asked.database, asked.broker, asked.photos) if name in (asked.only or FAULTS)]
    if asked.list:
        print("\n".join(names))
        return
    if not names:
        parser.error(
            f"{', '.join(asked.only)} cannot happen with {asked.database}, {asked.broker} and {asked.photos} here."
        )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        rows = run(Path(folder), names, asked)
    if asked.json:
        print(json.dumps({"database": asked.database, "broker": asked.broker, "photos": asked.photos, "rows": rows}))
    if wrong := [row["fault"] for row in rows if not row["right"]]:
        raise SystemExit(f"Parts in are not parts out: {', '.join(wrong)}.")


def on_all_shapes(asked: Any) -> int:
    """One table of all shapes; each is run by a process of its own, for settings are read once. The exit code."""
    only = ["--only", *asked.only] if asked.only else []
    rates = ["--seconds", str(asked.seconds), "--rate", str(asked.rate), "--settle", str(asked.settle)]
    told, wrong = [], 0
    for database, broker, photos in SHAPES:
        if not asked.json:
            print(f"{database}, {broker}, {photos}", flush=True)
        shape = ["--database", database, "--broker", broker, "--photos", photos]
        named = asked.only and not set(asked.only) & set(possible(database, broker, photos))
        if named:  # none of those can happen there
            continue
        done = subprocess.run(
            [sys.executable, __file__, *shape, *rates, *only, *(["--json"] if asked.json else [])],
            stdout=subprocess.PIPE if asked.json else None,
            text=True,
            check=False,
        )
        wrong += done.returncode != 0
        if asked.json and done.stdout:
            told.append(json.loads(done.stdout))
    if asked.json:
        print(json.dumps({"commit": commit(), "shapes": told}))
    else:
        print(f"Commit {commit()}; {'all counts are right' if not wrong else f'{wrong} shapes have wrong counts'}.")
    return int(wrong > 0)


def commit() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def kind_of(name: str) -> str:
    return next((kind for kind in ("clock", "poison") if name.startswith(kind)), "")


def run(folder: Path, names: list[str], asked: Any) -> list[dict[str, Any]]:
    rows = []
    with surroundings(folder, asked.database, asked.broker, asked.photos) as around:
        from bench.rig.faulty_site import Site, commands

        tokens, made = set_up(), pictures()
        if not asked.json:
            print(
                f"{asked.database}, {asked.broker}, {asked.photos}, {asked.rate:g} parts/s for {asked.seconds:g} s a fault",
                flush=True,
            )
            heads = "".join(f"{name:>{max(7, len(name) + 2)}}" for name in COLUMNS)
            print(f"{'':<20}{heads}{'normal after':>16}", flush=True)
        for kind in ("", "clock", "poison"):  # each needs processes that are started in their own way
            here = [name for name in names if kind_of(name) == kind]
            if not here:
                continue
            clocks = around.clocks if kind == "clock" else None
            run = commands("bench.rig.poisoned" if kind == "poison" else "config")
            site = Site(around.data, free_port(), {n: clocks.command(n, c) if clocks else c for n, c in run.items()})
            try:
                for name in here:
                    if name == "disk_full" and not around.small:
                        print("disk_full: left out, no disk of its own may be mounted here", file=sys.stderr)
                        continue
                    rows.append(break_one(name, site, around, tokens, made, asked))
                    if not asked.json:
                        tell(rows[-1])
            finally:
                site.stop()
    return rows


if __name__ == "__main__":
    main()
