"""The whole path in one process: what intake, scoring and judging cost beside the bare work inside them.

Run with `python bench/walk.py [--parts 200]`; it makes a database and photos of its own in a temporary folder. Quote the
ratios: the machine's speed drifts, both sides of a ratio are measured in the same run.
"""

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=200)
    parts = parser.parse_args().parts
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("seed_demo", verbosity=0, stdout=io.StringIO())
        measure(parts)


def measure(parts: int) -> None:
    from automation.actions import score_and_settle
    from automation.simulation import Rates, part_of, photo_of
    from inspection import actions, wake
    from inspection.models import Line, User
    from inspection.photos import clean_photo, path_of
    from shadow.actions import load_scorer
    from shadow.models import ModelVersion

    wake._wake = lambda: None  # no worker runs beside the measurement
    line, ivy = Line.objects.get(slug="line-a"), User.objects.get(username="ivy")
    photos = [photo_of(part_of(number, Rates()), None, 0.0) for number in range(parts)]

    checked = timed(lambda: [clean_photo(photo) for photo in photos])
    received = []
    intake = timed(
        lambda: received.extend(
            actions.receive_inspection(
                line=line, serial=f"B{number:06d}", photos_sent=[actions.NewPhoto(photo)], by=None
            )[0]
            for number, photo in enumerate(photos)
        )
    )  # fmt: skip
    paths = [[path_of(part.photos.get().stored)] for part in received]
    scorer = load_scorer(ModelVersion.objects.get(name="starter"))
    scorer.score(paths[:16])  # warm
    bare = timed(lambda: [scorer.score(paths[start : start + 16]) for start in range(0, parts, 16)])

    def work() -> None:
        while score_and_settle():
            pass

    scored = timed(work)
    verdicts = []
    for _ in range(parts):
        started = time.perf_counter()
        lease = actions.claim(line=line, by=ivy)
        if lease is None:
            break
        actions.record_verdict(inspection=lease.inspection, by=ivy, lease=lease.token, outcome="ok")
        verdicts.append((time.perf_counter() - started) * 1000)
    print(f"{parts} parts of one photo, SQLite, one process")
    print(f"{'step':<34}{'ms a part':>12}{'beside the bare work':>24}")
    print(f"{'check photos (decode)':<34}{1000 * checked / parts:>12.1f}")
    print(f"{'intake':<34}{1000 * intake / parts:>12.1f}{intake / checked:>23.2f}x")
    print(f"{'decode and network':<34}{1000 * bare / parts:>12.1f}")
    print(f"{'score, write, route':<34}{1000 * scored / parts:>12.1f}{scored / bare:>23.2f}x")
    print(f"{'claim and verdict, median':<34}{statistics.median(verdicts):>12.1f}")


if __name__ == "__main__":
    main()
