"""What the watch promises, on seeded streams and on rendered parts: how rare false alarms are and how soon a change is seen,
what is named when a lamp darkens or the idea of a scratch moves, how many updates a second, and what all of it costs.

Run with `python bench/watching.py [--quick] [--json] [--seed 1] [--parts 1000]`. It prints a row for each figure: as
measured, as it should be, and whether it is; it ends with 1 if one is not. All of it takes some minutes, `--quick` a tenth
of the runs. The same seed gives the same figures, but for speed and cost.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.pipeline import database  # noqa: E402 - the path is set first

PARTS = ("streams", "line")


def measure(share: float, seed: int, parts: int, processes: int, only: str) -> Iterator:
    """The rows, as they come. Django must be set up, on a database of the product with its demo."""
    from bench.rig import watching_line, watching_streams
    from bench.rig.handover_table import Size

    size = Size(share)
    if only in ("", "line"):
        yield from watching_line.measure(seed, parts, processes)
    if only in ("", "streams"):
        yield from watching_streams.updates(size, seed)
        yield from watching_streams.delays(size, seed)
        yield from watching_streams.false_alarms(size, seed)
        yield from watching_streams.no_alarm(size, seed, processes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the table")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parts", type=int, default=1000, help="unchanged parts at each station before the changes")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=PARTS, default="")
    parser.add_argument("--database-url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR", DEBUG="1", STORAGE_URL=""
        )
        with database(asked.database_url):
            import django

            django.setup()
            from django.core.management import call_command

            from inspection import wake

            wake._wake = lambda: None  # the bench scores by itself
            call_command("migrate", verbosity=0)
            call_command("seed_demo", verbosity=0, stdout=io.StringIO())
            started = time.perf_counter()
            found = []
            share = 0.1 if asked.quick else 1.0
            for row in measure(share, asked.seed, asked.parts, asked.processes, asked.only):
                found.append(row)
                if not asked.json:
                    mark = "holds" if row.holds else "FAILS"
                    print(f"{mark}  {row.about}: {row.figure}: {row.measured} ({row.expected})", flush=True)
    seconds, failed = time.perf_counter() - started, [row for row in found if not row.holds]
    if asked.json:
        answer = {"seed": asked.seed, "quick": asked.quick, "seconds": round(seconds, 1), "holds": not failed}
        print(json.dumps(answer | {"rows": [row.to_json() for row in found]}))
    else:
        print(f"\n{len(found) - len(failed)} of {len(found)} figures hold; seed {asked.seed}, {seconds:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
