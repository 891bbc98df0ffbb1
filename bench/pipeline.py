"""What the queue, the database and the routing cost: the whole pipeline beside decode and forward pass alone.

Run with `python bench/pipeline.py [--parts 240] [--memory] [--database-url URL] [--broker-url URL]`. It makes a database, photos
and, unless told another, a broker of its own. Quote the ratio: the machine's speed drifts, so both sides are measured
in turn in the same run, each as many processes of one thread as there are cores.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

RENDERED = 24  # distinct phones; every photo differs in a mark and the quality of its JPEG
SIZE = (1920, 1080)
BATCH = 16
LONGEST = 900.0  # seconds a round may take before the run is given up


def bare_work(scorer, paths: list[str], windows: list[tuple[int, int, int, int]]) -> None:
    """Decode and forward pass of some photos, and nothing else of the product: where the phones lie is known before."""
    import numpy as np

    from scoring.photos import open_photo

    for path, (left, top, width, height) in zip(paths, windows, strict=True):
        scorer.network(np.asarray(open_photo(path).crop((left, top, left + width, top + height)))[None])


def windows_of(scorer, paths: list[str]) -> list[tuple[int, int, int, int]]:
    """The pixels that the pipeline will look at, in sides that the network takes."""
    from scoring.grid import COARSEST

    views = [scorer.read([[path]])[0].views[0] for path in paths]
    return [(*view.window[:2], *(side // COARSEST * COARSEST for side in view.window[2:])) for view in views]


def bare_process(weights: str, paths: list[str], pipe) -> None:
    """One process of the bare limit: on each word from the pipe it works through its photos."""
    from shadow.vision.runtime import load

    scorer = load(Path(weights))
    windows = windows_of(scorer, paths)
    bare_work(scorer, paths[:BATCH], windows[:BATCH])  # warm
    pipe.send("ready")
    while pipe.recv():
        bare_work(scorer, paths, windows)
        pipe.send("done")


@contextmanager
def bare_processes(count: int, weights: Path, paths: list[str]) -> Iterator[list]:
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(count):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=bare_process, args=(str(weights), paths[number::count], theirs), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            pipe.recv()
        yield pipes
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(None)
            process.join(10)


def bare_round(pipes: list) -> float:
    started = time.perf_counter()
    for pipe in pipes:
        pipe.send("go")
    for pipe in pipes:
        pipe.recv()
    return time.perf_counter() - started


@contextmanager
def database(url: str | None) -> Iterator[None]:
    """A database of our own: SQLite in DATA_DIR, or one made beside the one that the URL names."""
    os.environ.pop("DATABASE_URL", None)
    if url is None:
        yield
        return
    import psycopg

    name, where = f"shadowline_bench_{os.getpid()}", urlsplit(url)
    os.environ["DATABASE_URL"] = urlunsplit(where._replace(path=f"/{name}"))
    with psycopg.connect(urlunsplit(where._replace(path="/postgres")), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield
        finally:
            from django.db import connections

            connections.close_all()
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def worker(processes: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker on the queue of scoring, and the broker unless there is one."""
    from django.conf import settings

    from config.broker import EmbeddedBroker

    broker = None if settings.BROKER_URL else EmbeddedBroker(settings.DATA_DIR)
    if broker:
        broker.join()
    command = ["-m", "celery", "--quiet", "-A", "config", "worker", "-Q", "score", "--loglevel", "ERROR"]
    started = subprocess.Popen([sys.executable, *command, "--concurrency", str(processes)], cwd=ROOT)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)
        if broker:
            broker.leave()


def photos(count: int) -> list[bytes]:
    from PIL import Image

    from shadow.vision.synthetic import FLAWS, render

    rendered = [render(seed, flaw=FLAWS[seed % len(FLAWS)], size=SIZE).image for seed in range(min(count, RENDERED))]
    made = []
    for number in range(count):
        pixels, nth = rendered[number % RENDERED].copy(), number // RENDERED
        pixels[:8, 8 * nth : 8 * nth + 8] = 255 - pixels[:8, 8 * nth : 8 * nth + 8]
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=86 + nth % 9)
        made.append(buffer.getvalue())
    return made


def receive(sent: list[bytes], name: str) -> None:
    from inspection import actions
    from inspection.models import Line

    line = Line.objects.get(slug="line-a")
    for number, photo in enumerate(sent):
        actions.receive_inspection(line=line, serial=f"{name}-{number}", photos_sent=[actions.NewPhoto(photo)], by=None)


def pipeline_round(
    parts: int, processes: int, running: subprocess.Popen[bytes], tell: Callable[[int], None] | None = None
) -> float:
    """Seconds from the wake-ups until the last of the parts that wait is scored and routed; `tell` hears how many are."""
    from automation.models import Routing
    from automation.tasks import score_waiting_parts

    whole = Routing.objects.count() + parts
    started = woken = time.perf_counter()
    wake_ups = processes
    while True:
        for _ in range(wake_ups):
            score_waiting_parts.apply_async(expires=30)
        wake_ups = 0
        time.sleep(0.1)  # asking oftener costs what is measured
        done = Routing.objects.count() - whole + parts
        if tell:
            tell(done)
        if done >= parts:
            return time.perf_counter() - started
        if running.poll() is not None or time.perf_counter() - started > LONGEST + parts:
            raise SystemExit("The worker ended, or hangs; nothing was measured.")
        if time.perf_counter() - woken > 10:  # beat would do so every 2 s
            woken, wake_ups = time.perf_counter(), processes


def memory_of(running: subprocess.Popen[bytes], what: str = "VmHWM:") -> list[float]:
    """Resident MB of the worker's processes, the parent first: the peak, or `VmRSS:` now. Empty elsewhere than on Linux."""
    try:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        status = [Path(f"/proc/{pid}/status").read_text() for pid in [str(running.pid), *children]]
    except OSError:
        return []
    return [int(text.split(what)[1].split()[0]) / 1024 for text in status]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--memory", action="store_true", help="watch the worker's memory instead, one round")
    parser.add_argument("--database-url")
    parser.add_argument("--broker-url", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR", DEBUG="1",
            BROKER_URL=asked.broker_url, STORAGE_URL="",
        )  # fmt: skip
        with database(asked.database_url):
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            call_command("seed_demo", verbosity=0, stdout=io.StringIO())
            if asked.memory:
                measure_memory(asked.parts, asked.processes)
            else:
                measure(asked.parts, asked.rounds, asked.processes)


def measure_memory(parts: int, processes: int) -> None:
    """Print the worker's memory at every tenth of the way through the parts."""
    from inspection import wake

    wake._wake = lambda: None
    sent = photos(min(parts, 40 * RENDERED))
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if done * 10 >= told * parts:
            print(f"{done:>7} parts: {', '.join(f'{mb:.0f} MB' for mb in memory_of(running, 'VmRSS:'))}", flush=True)
            told = done * 10 // parts + 1

    for at in range(0, parts, len(sent)):
        receive(sent[: parts - at], f"memory-{at}")
    with worker(processes) as running:
        took = pipeline_round(parts, processes, running, tell)
        print(f"{parts / took:.2f} images/s; peaks {', '.join(f'{mb:.0f} MB' for mb in memory_of(running))}")


def measure(parts: int, rounds: int, processes: int) -> None:
    from django.db import connection

    from inspection import wake
    from inspection.photos import clean_photo, path_of
    from shadow.actions import weights_path
    from shadow.models import ModelVersion

    wake._wake = lambda: None  # the clock starts at our own wake-ups
    sent = photos(parts)
    receive(sent[: 8 * processes], "warm")
    paths = [str(path_of(clean_photo(photo).stored)) for photo in sent]
    weights = weights_path(ModelVersion.objects.get(name="starter"))
    bare, whole = [], []
    with worker(processes) as running:
        pipeline_round(len(sent[: 8 * processes]), processes, running)  # warm: each process loads its scorer
        receive(sent, "round-0")
        with bare_processes(processes, weights, paths) as pipes:
            for number in range(rounds):
                bare.append(bare_round(pipes))
                whole.append(pipeline_round(parts, processes, running))
                if number + 1 < rounds:
                    receive(sent, f"round-{number + 1}")
        memory = memory_of(running)
    limit, reached = statistics.median(bare), statistics.median(whole)
    each = 1000 * processes / parts
    print(
        f"{parts} parts of one {SIZE[0]} x {SIZE[1]} JPEG, {connection.vendor}, {processes} processes, {rounds} rounds"
    )
    print(f"{'':<34}{'images/s':>10}{'ms a part and process':>24}")
    print(f"{'decode and forward pass alone':<34}{parts / limit:>10.2f}{each * limit:>24.1f}")
    print(f"{'the whole pipeline':<34}{parts / reached:>10.2f}{each * reached:>24.1f}")
    print(f"{'the pipeline costs':<34}{'':>10}{each * (reached - limit):>24.1f}")
    print(f"share of the bare limit: {100 * limit / reached:.1f} %")
    each_round = (f"{parts / b:.1f} of {parts / a:.1f} ({100 * a / b:.1f} %)" for a, b in zip(bare, whole, strict=True))
    print(f"rounds: {', '.join(each_round)}")
    if memory:
        print(f"peak memory of the worker: {memory[0]:.0f} MB and {', '.join(f'{mb:.0f} MB' for mb in memory[1:])}")


if __name__ == "__main__":
    main()
