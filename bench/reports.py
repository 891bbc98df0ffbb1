"""What the supervisor's desk costs: report, discrepancy list and exports over a million pairs of verdict and prediction.

Run with `python bench/reports.py [--database both] [--pairs 1000000 10000000]`. Each size is filled in bulk (23 days, 6
inspectors: 138 groups), counted by `rebuild_rollups`, and served by the product's own gunicorn. Beside it, in the same
run, the same pairs are grouped by DuckDB over a Parquet file and by PostgreSQL from one flat table: the ratios are what
to quote, for the machine's speed drifts.
"""

import argparse
import http.client
import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.inspecting import apart, server, site  # noqa: E402 - the path is set first
from bench.rig.load import Person  # noqa: E402
from tests.servers import SERVERS, missing  # noqa: E402

REPORT = "line=line-a&model=starter&group_by=inspector"
PAGES = {
    "report, page": f"/reports/agreement/?{REPORT}",
    "report, API": f"/api/v1/reports/agreement/?{REPORT}",
    "report of a lot, API": f"/api/v1/reports/agreement/?{REPORT}&lot=L700",
    "discrepancies, page": "/discrepancies/?line=line-a",
    "discrepancies, API": "/api/v1/discrepancies/?line=line-a",
    "open escapes, API": "/api/v1/discrepancies/?line=line-a&kind=escape&adjudicated=no",
}
GROUPED = (
    "SELECT day, inspector, count(*) FILTER (WHERE verdict = 'ok' AND answer = 'ok'),"
    " count(*) FILTER (WHERE verdict = 'ok' AND answer = 'scratched'),"
    " count(*) FILTER (WHERE verdict = 'scratched' AND answer = 'ok'),"
    " count(*) FILTER (WHERE verdict = 'scratched' AND answer = 'scratched') FROM {table} GROUP BY day, inspector"
)


AT_LENGTH = 1_000_000  # with more pairs the report alone is measured: the others only take longer


def hire() -> Person:
    """A supervisor who is signed in, and six inspectors before them."""
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    from inspection.models import User
    from inspection.roles import Role, give_role

    for number in range(6):
        give_role(User.objects.create_user(username=f"inspector-{number}"), Role.INSPECTOR)
    user = User.objects.create_user(username="sam")
    give_role(user, Role.SUPERVISOR)
    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return Person(session=browser.cookies["sessionid"].value, csrf=_get_new_csrf_string(), token="")


def fill_pairs(
    pairs: int, places: Sequence[tuple[int, int] | tuple[None, None]] = ((None, None),), *, model: str = "starter"
) -> None:
    """The rows without the triggers, as they lie there after months; nothing of them is counted yet."""
    from django.db import connection

    from bench.rig import fill
    from shadow import changes
    from shadow.models import ChangedPart, ModelVersion

    version = ModelVersion.objects.create(
        name=model, weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1, 0.2, 0.5], by="bench"
    )
    with connection.cursor() as cursor:
        for table in changes.SOURCES:
            on = f" ON {table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER {changes.NAME.format(table=table)}{on}")
    fill.add_pairs(pairs, version=version.pk, places=places)
    ChangedPart.objects.all().delete()
    changes.install_triggers()
    fill.add_bare(1)
    fill.tidy()


def timed(work: Callable[[], object], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def quantiles(seconds: list[float]) -> tuple[float, float]:
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[18]


def rebuild() -> float:
    from django.core.management import call_command

    started = time.perf_counter()
    call_command("rebuild_rollups", json=True, stdout=io.StringIO())
    return time.perf_counter() - started


def report_in_process() -> object:
    from inspection.models import User
    from shadow.asked import read_asked
    from shadow.reports import agreement_report

    params = dict(field.split("=") for field in REPORT.split("&"))
    return agreement_report(read_asked(params, User.objects.get(username="sam")))


class Others:
    """The same pairs as others group them: DuckDB over Parquet, PostgreSQL from a flat table."""

    def __init__(self, folder: Path):
        import duckdb

        self.duck, self.parquet = duckdb.connect(), folder / "pairs.parquet"
        csv = folder / "pairs.csv"
        self._write_csv(csv)
        self.duck.execute(f"COPY (SELECT * FROM read_csv('{csv}', header=true)) TO '{self.parquet}' (FORMAT parquet)")
        self.postgresql = self._copy(csv)
        csv.unlink()

    def _write_csv(self, csv: Path) -> None:
        from shadow.models import Comparison

        names = {"both_ok": "ok,ok", "overkill": "ok,scratched", "escape": "scratched,ok"}
        rows = Comparison.objects.values_list("line_id", "day", "inspector_id", "standing", "score")
        with csv.open("w") as file:
            file.write("line,day,inspector,verdict,answer,score\n")
            for line, day, inspector, standing, score in rows.iterator(chunk_size=20_000):
                file.write(f"{line},{day},{inspector},{names.get(standing, 'scratched,scratched')},{score}\n")

    def _copy(self, csv: Path):
        import psycopg

        if missing(["PostgreSQL"]):
            return None
        connection = psycopg.connect(SERVERS["PostgreSQL"].rsplit("/", 1)[0] + "/postgres", autocommit=True)
        connection.execute(
            "CREATE TEMPORARY TABLE pairs (line int, day date, inspector int, verdict text, answer text, score float8)"
        )
        with (
            connection.cursor().copy("COPY pairs FROM STDIN WITH (FORMAT csv, HEADER)") as copy,
            csv.open("rb") as file,
        ):
            while block := file.read(1 << 20):
                copy.write(block)
        connection.execute("VACUUM ANALYZE pairs")
        return connection

    def by_duckdb(self) -> None:
        assert len(self.duck.execute(GROUPED.format(table=f"'{self.parquet}'")).fetchall()) == 138

    def by_postgresql(self) -> None:
        assert len(self.postgresql.execute(GROUPED.format(table="pairs")).fetchall()) == 138


def print_groupings(folder: Path) -> None:
    """Ours in this process beside the others, in turn."""
    others = Others(folder)
    ways = {"report from the tallies": report_in_process, "DuckDB over Parquet": others.by_duckdb}
    if others.postgresql:
        ways["PostgreSQL GROUP BY"] = others.by_postgresql
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(12):
        for name, work in ways.items():
            seen[name] += timed(work, 1) if number > 1 else timed(work, 1)[:0]
    ours = statistics.median(seen["report from the tallies"])
    for name, seconds in seen.items():
        print(f"  {name:<26}{1000 * statistics.median(seconds):>9.1f} ms{statistics.median(seconds) / ours:>8.1f}x")


class Browser:
    def __init__(self, port: int, person: Person):
        self.connection, self.headers = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=300),
            person.headers("page"),
        )

    def get(self, path: str) -> int:
        """Read the page whole; says how many bytes it had."""
        self.connection.request("GET", path, headers=self.headers)
        response = self.connection.getresponse()
        size = 0
        while block := response.read(1 << 16):
            size += len(block)
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status}")
        return size


def memory_of(pid: int) -> float:
    """MiB of the largest of gunicorn's processes at its highest."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = [
        int(line.split()[1])
        for child in children
        for line in Path(f"/proc/{child}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return max(peaks, default=0) / 1024


def print_pages(browser: Browser, times: int) -> None:
    print(f"  {'':<26}{'p50 ms':>9}{'p95 ms':>9}{'kB':>7}")
    for name, path in PAGES.items():
        size = browser.get(path)
        timed(lambda path=path: browser.get(path), 5)
        p50, p95 = quantiles(timed(lambda path=path: browser.get(path), times))
        print(f"  {name:<26}{1000 * p50:>9.1f}{1000 * p95:>9.1f}{size / 1000:>7.0f}", flush=True)


def print_export(browser: Browser, pid: int) -> None:
    """50,000 pairs as CSV, then 200,000: the memory says whether it streams."""
    from shadow.models import Comparison

    for wanted in (50_000, 200_000):
        days = list(Comparison.objects.order_by("-day").values_list("day", flat=True).distinct())
        taken, start = 0, days[0]
        for day in days:
            start, taken = day, taken + Comparison.objects.filter(day=day).count()
            if taken >= wanted:
                break
        before = memory_of(pid)
        started = time.perf_counter()
        size = browser.get(f"/api/v1/reports/pairs/?line=line-a&model=starter&from={start}&format=csv")
        took = time.perf_counter() - started
        print(
            f"  CSV of {taken:,} pairs: {took:.1f} s, {50_000 * took / taken:.2f} s per 50,000, {size / 1e6:.1f} MB,"
            f" highest memory {before:.0f} -> {memory_of(pid):.0f} MiB",
            flush=True,
        )


def print_counting() -> None:
    """How fast what changes is counted: 5,000 parts marked, as after 5,000 verdicts."""
    from inspection.models import Inspection
    from shadow import rollups
    from shadow.models import ChangedPart

    parts = list(Inspection.objects.order_by("-pk").values_list("pk", flat=True)[:5000])
    ChangedPart.objects.bulk_create(ChangedPart(inspection_id=part) for part in parts)
    [took] = timed(rollups.catch_up, 1)
    print(f"  counting changed parts: {5000 / took:,.0f} a second", flush=True)


def measure(vendor: str, pairs: int, times: int, port: int) -> None:
    with site(vendor) as folder:
        from django.core.management import call_command

        from bench.rig import fill

        person = hire()
        [filled] = timed(lambda: fill_pairs(pairs), 1)
        print(f"\n{pairs:,} pairs on {vendor}, filled in {filled:.0f} s", flush=True)
        first = rebuild()
        fill.tidy()
        print(f"  rebuild_rollups from nothing: {first:.1f} s", flush=True)
        if pairs <= AT_LENGTH:
            print(f"  rebuild_rollups again, all counted: {rebuild():.1f} s", flush=True)
            print_groupings(folder)
        print_counting()
        call_command("collectstatic", interactive=False, verbosity=0)
        with server(folder, port) as running:
            browser = Browser(port, person)
            print_pages(browser, times)
            print_export(browser, running.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--port", type=int, default=8767)
    asked = parser.parse_args()
    vendors = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    if asked.database == "both" and missing(["PostgreSQL"]):
        print(f"{missing(['PostgreSQL'])[0]} Only SQLite is measured.")
        vendors = ["sqlite"]
    for vendor in vendors:
        for pairs in asked.pairs:
            apart(measure, vendor, pairs, asked.times, asked.port)


if __name__ == "__main__":
    main()
