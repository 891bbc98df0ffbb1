"""What months cost and spare: a full table turned over beside writers, inserts, look-ups, and the end of an old month.

    python bench/months.py --rows 5000000

It works on the database of DATABASE_URL, an empty one of PostgreSQL that is migrated and thrown away afterwards.
"""

import argparse
import os
import statistics
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from datetime import timedelta  # noqa: E402
from functools import partial  # noqa: E402

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from inspection import months, partitioning  # noqa: E402
from inspection.models import AuditEvent  # noqa: E402

TABLE = "inspection_auditevent"
FILL = f"""
INSERT INTO {TABLE} (at, by, action, line, subject, data)
SELECT now() - interval '1 second' * (%s - n) * %s, 'ivy', 'verdict_recorded', 'line-' || n %% 4,
'inspection ' || n, '{{"outcome": "ok"}}' FROM generate_series(1, %s) n"""
LOOKS = {
    "by id": lambda: AuditEvent.objects.get(pk=4242),
    "by subject": lambda: list(AuditEvent.objects.filter(subject="inspection 4242")),
    "the last 50 of a line": lambda: list(AuditEvent.objects.filter(line="line-1").order_by("-pk")[:50]),
}


def run(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


class Writer(threading.Thread):
    """Writes an event each 10 ms, as verdicts do, and notes how long each took."""

    def __init__(self) -> None:
        super().__init__()
        self.took: list[float] = []
        self.failed: list[str] = []
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.wait(0.01):
            begun = time.perf_counter()
            try:
                AuditEvent.objects.create(by="x", action="written_beside")
            except Exception as error:
                self.failed.append(str(error))
            self.took.append(time.perf_counter() - begun)
        connection.close()


def ms(work, times: int = 200) -> str:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - begun))
    return f"{statistics.median(took):.2f} ms (95 %: {sorted(took)[int(0.95 * times)]:.2f})"


def tell(title: str) -> None:
    print(f"\n{title}")
    for name, look in LOOKS.items():
        print(f"  {name:24} {ms(look)}")
    print(f"  {'insert':24} {ms(lambda: AuditEvent.objects.create(by='x', action='x'))}")


def turned_over() -> None:
    writer = Writer()
    writer.start()
    begun = time.perf_counter()
    locked = partitioning.by_month(TABLE, "at")
    whole = time.perf_counter() - begun
    writer.ending.set()
    writer.join()
    print(f"\nturned over in {whole:.1f} s, locked for {locked:.3f} s; beside it {len(writer.took)} inserts,")
    print(f"  {len(writer.failed)} failed {writer.failed[:1]}, the slowest {max(writer.took):.3f} s")


def many(years: int) -> None:
    """The same rows over so many years of months."""
    partitioning.one_table(TABLE)
    first = months.month_of(timezone.now() - timedelta(days=365 * years))
    run(f"CREATE TABLE kept AS SELECT * FROM {TABLE}")
    run("SET shadowline.purging = 'on'")
    run(f"TRUNCATE {TABLE}")
    run("SET shadowline.purging = 'off'")
    partitioning.by_month(TABLE, "at", now=first - timedelta(days=40))
    for later in range(12 * years + 2):
        months.briefly(partial(months.make_part, TABLE, "at", months.month_of(first, later)))
    run(f"INSERT INTO {TABLE} OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    run("DROP TABLE kept")


def ended() -> None:
    old = [part for part in months.parts(TABLE) if part.start][2]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {old.name}")
        rows = cursor.fetchone()[0]
    begun = time.perf_counter()
    months.briefly(lambda: months.drop(old))
    print(f"\na month of {rows:,} rows dropped in {time.perf_counter() - begun:.3f} s")
    begun, where = time.perf_counter(), f"at < '{months.parts(TABLE)[3].end.isoformat()}'"
    run("SET shadowline.purging = 'on'")
    run(f"DELETE FROM {TABLE} WHERE {where}")
    print(f"the next one deleted by rows in {time.perf_counter() - begun:.3f} s, its space not yet given back")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--years", type=int, default=5)
    asked = parser.parse_args()
    call_command("migrate", verbosity=0)
    partitioning.one_table(TABLE)
    seconds = 365 * 24 * 3600 * asked.years / asked.rows
    run(FILL, asked.rows, seconds, asked.rows)
    run(f"ANALYZE {TABLE}")
    tell(f"one table of {asked.rows:,} rows over {asked.years} years")
    turned_over()
    tell("after the turn: a first part and three months")
    many(asked.years)
    run(f"ANALYZE {TABLE}")
    tell(f"{len(months.parts(TABLE))} parts")
    ended()


if __name__ == "__main__":
    main()
