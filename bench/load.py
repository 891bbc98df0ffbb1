"""How much a site takes: intake, prediction and verdicts together, for as long as one likes, counted from outside.

Run with `python bench/load.py [--database postgresql|sqlite] [--broker redis|rabbitmq|embedded] [--minutes 10] [--rate R]
[--stations 20] [--json]`. It starts a site of its own as the product runs it (web, scoring on every core, sweeps, watch,
beat) on a database and a broker of its own. Stations send photos of 1920 x 1080, no two alike, half of them to a line at
shadow, where people judge every part, and half to one at full, where the machine decides and the station waits for its
answer. Without `--rate` it looks for the highest at which nothing piles up, each step a quarter above the last, and
holds nine tenths of it. Inspectors answer without a pause, so they are never what is waited for.

A row is a minute: parts sent, in, answered by the model, judged by people (the middle two up to 15 s before its end); seconds from a part's intake to the answer
(half, 95 of 100, the longest) and to its disposition; milliseconds of the requests; what waited at the minute's end; memory.
At the end: the rise of memory an hour, processor time and bytes of a part, and whether parts in are parts out. The clients
run on the same cores: their share is told beside the site's, as `clients`.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.faults import hand_over  # noqa: E402 - the path is set first
from bench.rig.faulty_servers import OwnPostgres, OwnRabbit, OwnRedis, free_port, until  # noqa: E402
from bench.rig.gauged import memory, processor, size_of, slope  # noqa: E402

LINES = ("line-a", "line-b")
STEP = 40.0  # seconds of a step on the way to the highest rate
GROWTH = 1.25
HELD = 0.9  # of the highest rate
LAG = timedelta(seconds=15)  # by then the model has answered, where nothing piles up
PILED_UP = 3.0  # seconds of parts that may wait at a step's end
DRAIN = 120.0  # seconds for the last part
WARM = 3  # minutes until memory counts: every process has loaded what it loads once


@contextmanager
def surroundings(folder: Path, asked: Any) -> Iterator[dict[str, int]]:
    """Database and broker in the environment; yields the pids of those that are ours alone."""
    data = folder / "data"
    data.mkdir()
    owned = OwnPostgres(folder / "postgresql") if asked.database == "postgresql" else None
    own: Any = None
    if asked.broker != "embedded":
        own = OwnRedis() if asked.broker == "redis" else OwnRabbit(folder / "rabbitmq")
    os.environ.pop("DATABASE_URL", None)
    os.environ.update(
        DATA_DIR=str(data), DJANGO_SETTINGS_MODULE="config.settings", SECRET_KEY="b" * 50, DEBUG="0", STORAGE_URL="",
        BROKER_URL=own.url if own else "", LOG_LEVEL="ERROR", **({"DATABASE_URL": owned.url} if owned else {}),
    )  # fmt: skip
    try:
        import django

        django.setup()
        pids = {}
        if owned:
            pids["database"] = int((owned.folder / "data" / "postmaster.pid").read_text().split()[0])
        if isinstance(own, OwnRedis):
            pids["broker"] = own.running.pid
        yield pids
    finally:
        if owned:
            owned.stop()
        if own:
            own.stop()


def set_up(stations: int, people: int) -> tuple[str, list[str], list[tuple[str, str]]]:
    """The demo factory with line B at full, stations evenly on both lines; the tokens of cameras and inspectors."""
    from django.core.management import call_command

    from automation.demo import set_up_demo
    from inspection.models import ApiToken, Line, Station, User
    from inspection.roles import Role, give_role

    call_command("migrate", verbosity=0)
    set_up_demo(password="a password of the bench")
    hand_over()
    places = []
    for number in range(stations):
        line = LINES[number % 2]
        Station.objects.create(line=Line.objects.get(slug=line), slug=f"cam-{number:04}", name=f"Camera {number}")
        places.append((line, f"cam-{number:04}"))
    tokens = []
    for number in range(people):
        judge = User.objects.create(username=f"judge-{number}")
        give_role(judge, Role.INSPECTOR)
        tokens.append(ApiToken.issue(judge))
    return ApiToken.issue(User.objects.get(username="sim-camera")), tokens, places


def pictures(size: tuple[int, int], count: int = 24) -> list[bytes]:
    """Rendered phones without a photo's loss, as the crowd wants them."""
    from PIL import Image

    from automation.simulation import Rates, part_of
    from shadow.vision.synthetic import render

    made = []
    for number in range(count):
        part, buffer = part_of(number, Rates()), io.BytesIO()
        pixels = render(part.number, flaw=part.flaw, variant=part.variant, size=size).image
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        made.append(buffer.getvalue())
    return made


def commands(processes: int) -> dict[str, list[str]]:
    """What the units of deploy/systemd start."""
    worker = [sys.executable, "-m", "celery", "--quiet", "-A", "config", "worker", "--loglevel", "WARNING"]
    return {
        "web": [sys.executable, "-m", "gunicorn", "config.wsgi"],
        "worker": [*worker, "-n", "worker@load", "-Q", "default", "--concurrency", "1"],
        "watch": [*worker, "-n", "watch@load", "-Q", "watch", "--concurrency", "1"],
        "score": [*worker, "-n", "score@load", "-Q", "score", "--concurrency", str(processes)],
        "beat": [sys.executable, "-m", "celery", "--quiet", "-A", "config", "beat", "--loglevel", "WARNING"],
    }


def rows(sql: str, *values: Any) -> list[tuple]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def waiting() -> tuple[int, int]:
    """Parts that wait for the model, and those that wait for a person and may be claimed."""
    jobs = rows("SELECT count(*) FROM shadow_scoringjob WHERE state IN ('pending', 'leased')")[0][0]
    people = rows(
        "SELECT count(*) FROM inspection_inspection WHERE state IN ('waiting', 'audit_due', 'second_opinion')"
    )
    return jobs, people[0][0]


PARTS = """
SELECT part.received_at,
  (SELECT min(answer.at) FROM shadow_prediction answer WHERE answer.inspection_id = part.id),
  (SELECT min(told.at) FROM inspection_disposition told WHERE told.inspection_id = part.id)
FROM inspection_inspection part WHERE part.origin = 'simulated' AND part.received_at >= %s AND part.received_at < %s
"""


def ages(begin: Any, end: Any) -> tuple[list[float], list[float], int]:
    """Seconds from intake to answer and to disposition of the parts received meanwhile, and how many those are."""
    found = rows(PARTS, begin, end)
    answers = [(moment(answer) - moment(at)).total_seconds() for at, answer, _ in found if answer]
    told = [(moment(disposed) - moment(at)).total_seconds() for at, _, disposed in found if disposed]
    return answers, told, len(found)


def moment(value: datetime | str) -> datetime:
    """A moment as the row has it: SQLite's are text, or without their zone."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def of(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))] if seconds else float("nan")


class Bench:
    """The site under load: asks the crowd, reads the rows, and keeps the table."""

    def __init__(self, site: Any, told: Any, clients: int, pids: dict[str, int], asked: Any):
        self.site, self.told, self.clients, self.own, self.asked = site, told, clients, pids, asked
        self.table: list[dict[str, Any]] = []

    def pids(self) -> dict[str, int]:
        running = {kind: process.pid for kind, process in self.site.running.items()}
        return self.own | running | {"clients": self.clients}

    def seen(self) -> Any:
        self.told.send("seen")
        return self.told.recv()

    def minute(self, number: int, before: Any, began: Any) -> Any:
        """Let a minute go by since `began` and make its row, of the parts received up to `LAG` before its end."""
        from django.utils import timezone

        ends = began + timedelta(minutes=number)
        time.sleep(max(0.0, (ends - timezone.now()).total_seconds()))
        seen, piled = self.seen(), waiting()
        hand_over()
        since = began if number == 1 else ends - timedelta(minutes=1) - LAG
        answers, told, count = ages(since, ends - LAG)
        row = {
            "minute": number, "sent": seen.sent - before.sent, "in": count, "answered": len(answers), "judged":
            seen.judged - before.judged, "answer": [of(answers, share) for share in (0.5, 0.95, 1)], "told": [of(told, share)
            for share in (0.5, 0.95, 1)], "intake_ms": 1000 * of(seen.seconds.get("intake", []), 0.95), "verdict_ms": 1000 *
            of(seen.seconds.get("verdict", []), 0.95), "behind": seen.behind, "jobs": piled[0], "queue": piled[1],
            "memory": memory(self.pids()),
        }  # fmt: skip
        self.table.append(row)
        if not self.asked.json:
            tell(row)
        return seen


def tell(row: dict[str, Any]) -> None:
    answer, told = ("/".join(f"{second:.1f}" for second in row[name]) for name in ("answer", "told"))
    whole = sum(figure for kind, figure in row["memory"].items() if kind != "clients")
    print(
        f"{row['minute']:>6}{row['sent']:>7}{row['in']:>7}{row['answered']:>7}{row['judged']:>7}{answer:>16}{told:>16}"
        f"{row['intake_ms']:>9.0f}{row['verdict_ms']:>9.0f}{row['behind']:>8.1f}{row['jobs']:>6}{row['queue']:>7}{whole:>8.0f}",
        flush=True,
    )


HEAD = (
    f"{'minute':>6}{'sent':>7}{'in':>7}{'scored':>7}{'judged':>7}{'answer s':>16}{'told s':>16}"
    f"{'intake':>9}{'verdict':>9}{'behind':>8}{'jobs':>6}{'queue':>7}{'MiB':>8}"
)


def highest(bench: Bench) -> float:
    """The last rate at which neither the model nor people had more waiting at a step's end than `PILED_UP` seconds of parts."""
    rate, best = bench.asked.start, 0.0
    while True:
        bench.told.send(rate)
        time.sleep(STEP)
        seen, (jobs, queue) = bench.seen(), waiting()
        fits = max(jobs, queue) <= PILED_UP * rate and seen.behind < PILED_UP
        print(f"{rate:6.2f} parts/s: {jobs} wait for the model, {queue} for people, sent {seen.behind:.1f} s late"
              f"{'' if fits else ': too much'}", file=sys.stderr, flush=True)  # fmt: skip
        if not fits:
            break
        best, rate = rate, rate * GROWTH
    if not best:
        raise SystemExit("Even the first rate is too high; begin lower with --start.")
    bench.told.send(0.0)
    until(lambda: max(waiting()) == 0, DRAIN, "An empty queue")
    return best


def whole() -> dict[str, int]:
    """What came of every part: each is there once, disposed of, and has one answer of the model."""
    sql = "SELECT count(*), count(DISTINCT serial) FROM inspection_inspection WHERE origin = 'simulated'"
    parts, serials = rows(sql)[0]
    disposed = rows(
        "SELECT count(*) FROM inspection_inspection part WHERE origin = 'simulated' AND EXISTS (SELECT 1 FROM"
        " inspection_disposition told WHERE told.inspection_id = part.id)"
    )[0][0]
    scored, nulls = rows(
        "SELECT count(*), count(*) FILTER (WHERE score IS NULL) FROM shadow_prediction"
    )[0]  # fmt: skip
    return {"in": parts, "serials": serials, "disposed": disposed, "scored": scored, "null": nulls}


def over() -> bool:
    """Whether every part is disposed of and answered; a part has no job before a worker looks."""
    end = whole()
    return end["in"] == end["disposed"] == end["scored"]


def table_bytes() -> dict[str, int]:
    """Bytes of each table with its indexes; of SQLite the file as a whole."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return {"database": os.path.getsize(connection.settings_dict["NAME"])}
    return dict(
        rows(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    )


def measure(bench: Bench) -> dict[str, Any]:
    from django.utils import timezone

    asked, data = bench.asked, Path(os.environ["DATA_DIR"])
    rate = asked.rate or HELD * highest(bench)
    if not asked.json:
        print(f"{asked.database}, {asked.broker}, {asked.stations} stations, {rate:.2f} parts/s\n{HEAD}", flush=True)
    before, spent, bytes_before, photos = bench.seen(), processor(bench.pids()), table_bytes(), size_of(data / "photos")
    parts_before = whole()["in"]
    bench.told.send(rate)
    began = timezone.now()
    for number in range(1, asked.minutes + 1):
        before = bench.minute(number, before, began)
    bench.told.send(0.0)
    until(over, DRAIN, "An answer and a disposition of every part")
    after, seen = processor(bench.pids()), bench.seen()
    parts = whole()["in"] - parts_before
    return {
        "database": asked.database, "broker": asked.broker, "stations": asked.stations, "rate": rate, "cores": os.cpu_count(),
        "minutes": bench.table, "parts": parts, "sent": seen.sent, "accepted": seen.accepted,
        "statuses": dict(seen.statuses), "told": seen.told, "whole": whole(),
        "ms_of_processor": {kind: 1000 * (after[kind] - spent[kind]) / parts for kind in after},
        "bytes": {name: (size - bytes_before.get(name, 0)) / parts for name, size in table_bytes().items()},
        "photo_bytes": (size_of(data / "photos") - photos) / parts,
        "rise": rises(bench.table),
    }  # fmt: skip


def rises(table: list[dict[str, Any]]) -> dict[str, float]:
    """MiB an hour by kind of process, once everything is warm."""
    warm = [row for row in table if row["minute"] > WARM]
    return {
        kind: slope([row["minute"] for row in warm], [row["memory"][kind] for row in warm])
        for kind in (warm[0]["memory"] if warm else {})
    }


def conclude(found: dict[str, Any]) -> None:
    cost, last = found["ms_of_processor"], found["minutes"][-1]["memory"]
    print(f"\n{'':<10}{'ms/part':>10}{'MiB':>8}{'MiB/h':>8}")
    for kind in cost:
        print(f"{kind:<10}{cost[kind]:>10.1f}{last[kind]:>8.0f}{found['rise'].get(kind, 0.0):>8.1f}")
    site = [sum(figures[kind] for kind in figures if kind != "clients") for figures in (cost, last, found["rise"])]
    print(f"{'site':<10}{site[0]:>10.1f}{site[1]:>8.0f}{site[2]:>8.1f}")
    heavy = sorted(found["bytes"].items(), key=lambda item: -item[1])[:12]
    print(f"bytes of a part: photos and previews {found['photo_bytes']:.0f}, rows {sum(found['bytes'].values()):.0f}:")
    print(", ".join(f"{name} {size:.0f}" for name, size in heavy))
    print(f"answers: {found['statuses']}")
    print(f"parts: {found['sent']} sent, {found['accepted']} accepted, {found['whole']}; stations told {found['told']}")


def is_right(found: dict[str, Any]) -> list[str]:
    """What is wrong with the counts; the times are no judgement."""
    end, wrong = found["whole"], []
    if not found["sent"] == found["accepted"] == end["in"] == end["serials"] == end["disposed"] == end["scored"]:
        wrong.append("parts in are not parts out")
    if any(status.split()[-1][0] in "05" for status in found["statuses"]):
        wrong.append("some requests had no answer, or one of 5xx")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--broker", choices=["embedded", "redis", "rabbitmq"], default="redis")
    parser.add_argument("--minutes", type=int, default=2)
    parser.add_argument("--rate", type=float, help="parts/s of all stations; without it the highest is looked for")
    parser.add_argument("--start", type=float, default=2.0, help="where to begin to look")
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="that score")
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        with surroundings(Path(name), asked) as pids:
            found = run(Path(name), pids, asked)
    if asked.json:
        print(json.dumps(found))
    else:
        conclude(found)
    if wrong := is_right(found):
        raise SystemExit(f"{'; '.join(wrong)}.")


def run(folder: Path, pids: dict[str, int], asked: Any) -> dict[str, Any]:
    from bench.rig.crowd import Crowd, gathered
    from bench.rig.faulty_site import Site

    cameras, people, places = set_up(asked.stations, asked.people)
    port, made = free_port(), pictures(tuple(asked.size))
    site = Site(folder / "data", port, commands(asked.processes))
    try:
        until(site.ready, 120, "A site that is ready")
        with gathered(Crowd(port, cameras, people, places, {"line-b"}, made)) as (told, clients):
            return measure(Bench(site, told, clients, pids, asked))
    finally:
        site.stop()


if __name__ == "__main__":
    main()
