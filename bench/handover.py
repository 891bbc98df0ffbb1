"""What the hand-over promises, simulated with production's own rules: how often a certificate is false, and with which looks;
what each trap of counting evidence does without its rule; how soon a rise of escapes is seen; whether keyed draws keep
their shares; and what routing costs.

Run with `python bench/handover.py [--quick] [--json] [--seed 1]`. It prints a row for each figure: as measured, as it should
be, and whether it is; it ends with 1 if one is not. All of it takes some minutes, `--quick` a tenth of the runs. The same
seed gives the same figures, but for what routing costs.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

QUICK = 0.1


def measure(share: float, seed: int) -> Iterator:
    """The rows, as they come; `share` of the full number of runs. Django must be set up, on a database of the product."""
    from bench.rig import handover_looks as looks
    from bench.rig import handover_traps as traps
    from bench.rig import handover_watch as watch
    from bench.rig.handover_table import Size, stream

    figures = (
        looks.looked_at_after_every_part, looks.parts_to_certify, looks.one_of_many_thresholds,
        traps.assisted_verdicts, traps.late_labels, traps.inspectors_miss_scratches, traps.pooling,
        traps.same_part_twice, traps.retrospective_evidence, traps.no_data, traps.a_new_version,
        traps.verification_bias, traps.second_thoughts, traps.rules_as_rows,
        watch.a_rise_is_seen, watch.a_steep_rise_is_seen, watch.false_alarms_are_rare, watch.canary_shares_are_kept,
        watch.the_better_version_is_found, watch.routing_is_cheap,
        traps.never_judged, traps.pooling_at_any_threshold,
    )  # fmt: skip
    for place, figure in enumerate(figures):
        yield from figure(Size(share), stream(seed, place))


def show(rows: Iterator) -> Iterator:
    """Prints the rows as they come, and passes them on."""
    about = ""
    for row in rows:
        if row.about != about:
            about = row.about
            print(f"\n{about}")
        print(
            f"  {row.figure:<88} {row.measured:>21}  {row.expected:<36} {'holds' if row.holds else 'DOES NOT HOLD'}",
            flush=True,
        )
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the table")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("DATABASE_URL", None)  # it files rows: in a database of its own
        os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        started = time.perf_counter()
        rows = measure(QUICK if asked.quick else 1.0, asked.seed)
        found = list(rows if asked.json else show(rows))
    seconds, failed = time.perf_counter() - started, [row for row in found if not row.holds]
    if asked.json:
        answer = {"seed": asked.seed, "quick": asked.quick, "seconds": round(seconds, 1), "holds": not failed}
        print(json.dumps(answer | {"rows": [row.to_json() for row in found]}))
    else:
        print(f"\n{len(found) - len(failed)} of {len(found)} figures hold; seed {asked.seed}, {seconds:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
