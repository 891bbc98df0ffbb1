"""What judging a part costs the server: a verdict that answers with the next part, beside a bare Django view.

Run with `python bench/inspecting.py [--database both] [--inspections 1000 1000000] [--clients 1 8]`, or with
`--soak 10 --clients 50` for inspectors who think between their verdicts. It starts the product's own gunicorn on a
fresh database and fills that in bulk. Quote the ratio: the machine's speed drifts, so the bare view (authenticate,
insert one row, return the next: see `rig/bare.py`) is measured in turn with the verdicts, on the same server and
database, from the same client processes. Sessions are what the room uses; tokens what a station or script does.
"""

import argparse
import io
import itertools
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.pipeline import database  # noqa: E402 - the path is set first
from bench.rig.load import Person, Round, all_together, clients, shift  # noqa: E402
from tests.servers import SERVERS, missing  # noqa: E402

WAYS = ("bare", "session", "token")
WARM = 30  # requests of each client before anything is measured
VERDICTS = {"bare": 4000, "session": 4000, "token": 2000}  # of each way with eight clients; one alone does a quarter


@contextmanager
def site(vendor: str) -> Iterator[Path]:
    """Django set up on an empty database of that vendor, with a line; yields the data folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATA_DIR=folder, DJANGO_SETTINGS_MODULE="bench.rig.settings", SECRET_KEY="b" * 50, DEBUG="0", BROKER_URL=""
        )
        with database(SERVERS["PostgreSQL"] if vendor == "postgresql" else None):
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0, stdout=io.StringIO())
            from inspection.models import Line

            Line.objects.create(slug="line-a", name="Line A")
            yield Path(folder)


def hire(count: int) -> list[Person]:
    """Inspectors, each signed in by a session and with a token."""
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    from inspection.models import ApiToken, User
    from inspection.roles import Role, give_role

    people = []
    for number in range(count):
        user = User.objects.create_user(username=f"inspector-{number}")
        give_role(user, Role.INSPECTOR)
        browser = Client()
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        session = browser.cookies["sessionid"].value
        people.append(Person(session=session, csrf=_get_new_csrf_string(), token=ApiToken.issue(user)))
    return people


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The product's gunicorn as its own configuration says, with its log in the data folder."""
    with open(folder / "web.log", "wb") as log:
        command = [sys.executable, "-m", "gunicorn", "config.wsgi"]
        running = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PORT": str(port)}, stdout=log, stderr=log)
        try:
            wait_for(port, running)
            yield running
        except BaseException:
            print((folder / "web.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            running.terminate()
            running.wait(20)


def wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return
        except OSError:
            time.sleep(0.1)
        if running.poll() is not None:
            break
    raise SystemExit("The web server did not start; nothing was measured.")


def cpu_seconds(running: subprocess.Popen[bytes]) -> float:
    """User and system seconds of gunicorn's processes so far."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    stats = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in [running.pid, *children]]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def measure(vendor: str, inspections: int, counts: list[int], rounds: int, port: int) -> None:
    """One database of one size: fill it, serve it, and print a table."""
    with site(vendor) as folder:
        from bench.rig import fill

        started = time.perf_counter()
        people = hire(max(counts))
        fill.add_bare(inspections)
        fill.add_history(inspections)
        fill.tidy()
        print(f"\n{inspections:,} inspections on {vendor}, filled in {time.perf_counter() - started:.0f} s", flush=True)
        print(
            f"{'clients':>7}  {'':<22}{'p50 ms':>8}{'p99 ms':>8}{'a second':>10}{'CPU ms':>8}{'p50 x':>7}{'p99 x':>7}"
        )
        with server(folder, port) as running:
            for count in counts:
                with clients(port, people[:count]) as pipes:
                    print_rows(count, run_rounds(pipes, running, rounds))


@contextmanager
def counted(running: subprocess.Popen[bytes], figures: dict) -> Iterator[None]:
    before = cpu_seconds(running)
    yield
    figures["cpu"] += cpu_seconds(running) - before


def run_rounds(pipes: list, running: subprocess.Popen[bytes], rounds: int) -> dict[str, dict]:
    """The three ways in turn, so often, each round on connections dealt anew; a first one is thrown away."""
    from bench.rig import fill

    each = {way: max(1, VERDICTS[way] // min(8, 4 * len(pipes)) // rounds) for way in WAYS}
    figures = {way: {"cpu": 0.0, "took": 0.0, "seen": []} for way in WAYS}
    for number in range(rounds + 1):
        share = each if number else dict.fromkeys(WAYS, WARM)
        fill.add_parts(
            sum(share[way] for way in ("session", "token")) * len(pipes) + 100, state="waiting", oldest=90_000
        )
        all_together(pipes, "reconnect")
        for way in WAYS if number % 2 else WAYS[::-1]:
            spent = {"cpu": 0.0}
            with counted(running, spent):
                seen, took = all_together(pipes, (way, share[way]))
            if number:
                figures[way]["cpu"] += spent["cpu"]
                figures[way]["took"] += took
                figures[way]["seen"] += seen
    return figures


def print_rows(count: int, figures: dict[str, dict]) -> None:
    names = {"bare": "bare view", "session": "verdict and next", "token": "the same, by token"}
    bare = None
    for way, figure in figures.items():
        seconds = [each for seen in figure["seen"] for each in seen.seconds]
        p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
        bare = bare or (p50, p99)
        rate, cpu = len(seconds) / figure["took"], figure["cpu"] / len(seconds)
        print(
            f"{count:>7}  {names[way]:<22}{1000 * p50:>8.1f}{1000 * p99:>8.1f}{rate:>10.0f}{1000 * cpu:>8.2f}"
            f"{p50 / bare[0]:>7.2f}{p99 / bare[1]:>7.2f}",
            flush=True,
        )
    print(f"{'':>7}  {proof([seen for way in ('session', 'token') for seen in figures[way]['seen']])}", flush=True)


def proof(seen: list[Round]) -> str:
    """Held against the rows: answers without one are lost, and a part that was answered twice is a double."""
    from inspection.models import Verdict

    judged = [pk for one in seen for pk in one.judged]
    written = Verdict.objects.filter(inspection__in=judged, occasion="first")
    errors = [error for one in seen for error in one.errors]
    doubles = len(judged) - len(set(judged)) + written.count() - len(set(judged))
    lost = len(set(judged)) - written.values("inspection").distinct().count()
    line = f"{len(judged):,} verdicts: {max(doubles, 0)} doubles, {lost} lost, {len(errors)} errors"
    return line + (f", the first: {errors[0][:200]}" if errors else "")


def soak(minutes: float, count: int, port: int) -> None:
    """A shift of inspectors who think, on PostgreSQL; afterwards the rows are held against what each of them saw."""
    with site("postgresql") as folder:
        from bench.rig import fill

        people = hire(count)
        fill.add_bare(1)
        fill.add_history(100_000)
        fill.add_parts(int(minutes * count * 30) + 5000, state="waiting", oldest=90_000)
        fill.tidy()
        with server(folder, port) as running:
            before, started = cpu_seconds(running), time.time()
            seen = shift(port, people, started + 60 * minutes)
            cpu, took = cpu_seconds(running) - before, time.time() - started
        seconds = [each for one in seen for each in one.seconds]
        p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
        print(f"{count} inspectors for {took / 60:.1f} minutes on PostgreSQL: {len(seconds):,} requests of a verdict,")
        print(f"{len(seconds) / took:.1f} a second, p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms,", end=" ")
        print(
            f"slowest {1000 * max(seconds):.0f} ms, {1000 * cpu / len(seconds):.2f} ms CPU each, all requests counted"
        )
        print(proof_of_shift(seen), flush=True)


def proof_of_shift(seen: list[Round]) -> str:
    """No part with two people at one time, no first verdict twice, no verdict lost or made up, no error."""
    from inspection.actions.judging import outcome_now
    from inspection.models import Lease, Verdict

    spans = sorted((pk, start, end) for one in seen for pk, start, end in one.held)
    together = sum(a[0] == b[0] and b[1] < a[2] for a, b in itertools.pairwise(spans))
    answered = {number: outcome for one in seen for number, outcome in one.verdicts.items()}
    rows = Verdict.objects.exclude(lease_token="").prefetch_related("corrections")
    written = {row.pk: outcome_now(row) for row in rows}
    firsts = [row.inspection_id for row in rows if row.occasion == "first"]
    lost = sum(written.get(number) != outcome for number, outcome in answered.items())
    errors = [error for one in seen for error in one.errors]
    line = (
        f"{len(written):,} verdicts on {len({row.inspection_id for row in rows}):,} parts: {together} parts with two"
        f" people at once, {len(firsts) - len(set(firsts))} judged twice first, {lost} lost,"
        f" {len(written.keys() - answered.keys())} unasked for, {Lease.objects.count()} still held, {len(errors)} errors"
    )
    return line + (f", the first: {errors[0][:300]}" if errors else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--inspections", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--clients", type=int, nargs="+", default=[])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="a shift of thinking inspectors on PostgreSQL")
    asked = parser.parse_args()
    if asked.soak:
        apart(soak, asked.soak, (asked.clients or [50])[0], asked.port)
        return
    vendors = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    if asked.database == "both" and missing(["PostgreSQL"]):
        print(f"{missing(['PostgreSQL'])[0]} Only SQLite is measured.")
        vendors = ["sqlite"]
    for vendor in vendors:
        for inspections in asked.inspections:
            apart(measure, vendor, inspections, asked.clients or [1, 8], asked.rounds, asked.port)


def apart(target, *arguments) -> None:
    """In a process of its own: Django is set up once for one database."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"The measurement ended with {process.exitcode}.")


if __name__ == "__main__":
    main()
