"""The export of dispositions in flat memory: how long 100,000 take, and how much more memory that needs than a twentieth.

Run with `python bench/exporting.py [--parts 100000] [--database NAME_OF_POSTGRES]`. It fills a database of its own with
decided parts, two in a hundred of them changed afterwards and three with a marked scratch, and reads the export as the API
does, as CSV and as JSON lines. Memory is by how much the peak of this process grows while it reads.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def prepare(database: str) -> None:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="exporting-")
    os.environ["DEBUG"] = "1"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ.pop("DATABASE_URL", None)
    if database:
        os.environ["DATABASE_URL"] = f"postgres://postgres@127.0.0.1:5432/{database}"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill(parts: int) -> None:
    from django.utils import timezone

    from inspection.models import DefectKind, Disposition, Inspection, Line, Photo, User, Verdict
    from inspection.models.judgement import Defect

    line = Line.objects.create(slug="line-a", name="Line A")
    person = User.objects.create(username="bench")
    kind = DefectKind.objects.create(slug="scratch", name="Scratch")
    start = timezone.now() - timedelta(days=3)
    for begin in range(0, parts, 5000):
        moments = [start + timedelta(seconds=n / 2) for n in range(begin, min(begin + 5000, parts))]
        rows = Inspection.objects.bulk_create(
            Inspection(
                line=line,
                serial=f"B{begin + n}",
                lot=f"L{n % 50}",
                captured_at=at,
                received_at=at,
                hold_until=at,
                state="decided",
            )
            for n, at in enumerate(moments)
        )
        verdicts = Verdict.objects.bulk_create(
            Verdict(inspection=row, inspector=person, outcome="ok", at=row.received_at) for row in rows
        )
        marked = list(zip(rows, verdicts, strict=True))[::33]
        photos = Photo.objects.bulk_create(
            Photo(
                inspection=row, position=0, sha256="0" * 64, stored="0" * 64, format="JPEG", width=1, height=1, size=1
            )
            for row, _ in marked
        )
        Defect.objects.bulk_create(
            Defect(verdict=verdict, photo=photo, kind=kind, x=0.1, y=0.1)
            for (_, verdict), photo in zip(marked, photos, strict=True)
        )
        decided = [
            Disposition(inspection=r, verdict=v, outcome="pass", reason="judged ok", at=r.received_at)
            for r, v in zip(rows, verdicts, strict=True)
        ]
        changed = [
            Disposition(
                inspection=d.inspection, verdict=d.verdict, outcome="reject", reason="judged scratched", at=d.at
            )
            for d in decided[::50]
        ]
        Disposition.objects.bulk_create([*decided, *changed])


def measure(format: str, most: int | None) -> tuple[int, float, float]:
    """Records, seconds, and by how much the peak of this process's memory grew meanwhile, in MB."""
    from automation.exporting import csv_rows, json_lines, read_wanted, records
    from inspection.sheets import written

    before, began, rows = peak(), time.perf_counter(), 0
    wanted = read_wanted({})
    found = written(csv_rows(records(wanted))) if format == "csv" else json_lines(records(wanted))
    for rows, _ in enumerate(found, start=0 if format == "csv" else 1):  # the head of a CSV is no record
        if most and rows >= most:
            break
    return rows, time.perf_counter() - began, peak() - before


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--database", default="", help="an empty database of PostgreSQL on this computer")
    asked = parser.parse_args()
    prepare(asked.database)
    fill(asked.parts)
    print(f"{'format':<8}{'rows':>10}{'seconds':>10}{'MB more':>10}")
    for format in ("csv", "jsonl"):
        for most in (asked.parts // 20, None):
            rows, seconds, grown = measure(format, most)
            print(f"{format:<8}{rows:>10,}{seconds:>10.1f}{grown:>10.1f}")


if __name__ == "__main__":
    main()
