"""What a look at the watch costs: the pages over HTTP, with 90 days of every figure at two stations of two lines.

Run with `python bench/dashboards.py [--database both] [--times 60]`. The product's own gunicorn serves the pages to a
supervisor; each page is asked for in turn so that a slow moment of the machine falls on all of them. The aim is 150 ms at
the 95th percentile. It exits with 1 where a page misses it.
"""

import argparse
import sys
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.inspecting import apart, cpu_seconds, server, site  # noqa: E402 - the path is set first
from bench.reports import Browser, hire, quantiles, timed  # noqa: E402
from tests.servers import missing  # noqa: E402

LIMIT = 0.150  # seconds, p95
PAGES = {
    "line, 24 hours": "/lines/line-a/watch/",
    "line, 90 days": "/lines/line-a/watch/?period=90",
    "line, what is live of 90 days": "/lines/line-a/watch/live/?period=90",
    "one figure, 90 days": "/lines/line-a/watch/figures/{stream}/?period=90",
    "all lines": "/watch/",
    "wall, as it is refreshed": "/watch/wall/live/",
    "overview": "/",
}
METRICS = "/metrics"


def fill() -> int:
    """Two lines of two stations, 90 days and a day of 10 minutes of every figure; an alarm of three figures is open."""
    from django.utils import timezone

    from bench.rig import fill as rig
    from bench.rig import watched
    from inspection.models import Line
    from monitoring.models import Alarm, Stream
    from shadow.models import Assignment, ModelVersion

    now = timezone.now()
    version = ModelVersion.objects.create(
        name="v7", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1], by="bench"
    )
    line, other = Line.objects.get(slug="line-a"), Line.objects.create(slug="line-b", name="Line B")
    for number, each in enumerate((line, other)):
        stations = [each.stations.create(slug=f"cam-{n}", name=f"Camera {n}") for n in (1, 2)]
        Assignment.objects.create(line=each, version=version, role="live")
        watched.furnish(each, version, stations, now=now, seed=number)
        watched.looked(each, at=now + timedelta(days=1))  # it does not fall asleep while it is measured
    alarm = Alarm.objects.create(
        line=line, rule="drift", severity="alarm", message="Brightness rose.", suggestion="Look."
    )
    at = now - timedelta(hours=6)
    for figure in ("quality.brightness", "quality.contrast", "score.novelty"):
        moved = Stream.objects.get(line=line, station__slug="cam-2", figure=figure)
        watched.move(moved, at=at, by=1.11)
        watched.find(alarm, moved, at=at, before=131, after=145, now=now)
    rig.add_bare(1)
    rig.tidy()
    return Stream.objects.get(line=line, station__slug="cam-2", figure="quality.brightness").pk


def counts() -> tuple[int, int, int]:
    from monitoring.models import Stream, Window

    figures = Stream.objects.values("figure").distinct().count()
    return figures, Stream.objects.count(), Window.objects.count()


def cpu_of(running, browser: Browser, path: str, times: int) -> float:
    """Seconds of the server's processor that a page takes: what is left of the time when the machine has others to serve."""
    before = cpu_seconds(running)
    for _ in range(times):
        browser.get(path)
    return (cpu_seconds(running) - before) / times


def measure(vendor: str, times: int, port: int) -> None:
    with site(vendor) as folder:
        from django.core.management import call_command

        person = hire()
        stream = fill()
        figures, streams, windows = counts()
        print(f"\n{vendor}: {figures} figures, {streams} streams, {windows:,} windows", flush=True)
        call_command("collectstatic", interactive=False, verbosity=0)
        with server(folder, port) as running:
            browser = Browser(port, person)
            pages = {name: path.format(stream=stream) for name, path in PAGES.items()} | {"/metrics": METRICS}
            sizes = {name: browser.get(path) for name, path in pages.items()}
            seconds: dict[str, list[float]] = {name: [] for name in pages}
            for _ in range(times):
                for name, path in pages.items():
                    seconds[name] += timed(lambda path=path: browser.get(path), 1)
            cpu = {name: cpu_of(running, browser, path, times) for name, path in pages.items()}
        print(f"{'':<32}{'p50 ms':>8}{'p95 ms':>8}{'CPU ms':>8}{'kB':>7}")
        slow = []
        for name, taken in seconds.items():
            p50, p95 = quantiles(taken)
            slow += [name] if p95 > LIMIT else []
            print(
                f"{name:<32}{1000 * p50:>8.0f}{1000 * p95:>8.0f}{1000 * cpu[name]:>8.0f}{sizes[name] / 1000:>7.0f}{'   over' if p95 > LIMIT else ''}"
            )
    if slow:
        raise SystemExit(f"Over {1000 * LIMIT:.0f} ms: {', '.join(slow)}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--port", type=int, default=8778)
    asked = parser.parse_args()
    vendors = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    if "postgresql" in vendors and missing(["PostgreSQL"]):
        print("PostgreSQL does not answer: only SQLite is measured.")
        vendors.remove("postgresql")
    for vendor in vendors:
        apart(measure, vendor, asked.times, asked.port)


if __name__ == "__main__":
    main()
