"""What the gates cost: the admin's page of a line and its answer over HTTP, over a million pairs of verdict and prediction.

Run with `python bench/gates.py [--database both] [--pairs 1000000]`. The pairs are judged blind at shadow over 23 days, in
three shifts and four strata (two stations, two variants); then the machine decides for 30 hours, a tenth audited, with
audits due, overdue and found escapes; inspectors are measured by 9,000 seeded parts. The product's own gunicorn serves the
line as an admin sees it: in a ramp, at each level, and after an alarm has voided its evidence.
"""

import argparse
import io
import sys
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.inspecting import apart, server, site  # noqa: E402 - the path is set first
from bench.reports import Browser, fill_pairs, hire, quantiles, rebuild, timed  # noqa: E402
from bench.rig.load import Person  # noqa: E402
from tests.servers import missing  # noqa: E402

PAGES = {
    "page": "/lines/line-a/automation/",
    "API": "/api/v1/lines/line-a/automation/",
    "flow, as it is refreshed": "/lines/line-a/automation/flow/",
}
RAMP = [[0.25, 0.1], [0.5, 0.1], [1.0, 0.1]]
SHIFTS = (("Early", "06:00", "14:00"), ("Late", "14:00", "22:00"), ("Night", "22:00", "06:00"))
DECIDED, HOURS = 60_000, 30
REFERENCES, TIMES = 300, 30
QUARTER = 1 / 96  # of an hour, in days: in less a step of a ramp has its audits on so quick a line


def admin() -> Person:
    """Whoever hands the line over is signed in, and six inspectors are there."""
    from inspection.models import User
    from inspection.roles import Role, give_role

    person = hire()
    give_role(User.objects.get(username="sam"), Role.ADMIN)
    return person


def set_level(level: str, *, days: float, void: bool = False, **fields):
    """The next policy of the line, as if written some days ago."""
    from django.utils import timezone

    from automation import policies
    from automation.actions.changing import write_policy
    from automation.actions.voiding import void_evidence
    from inspection.models import Line
    from shadow.models import ModelVersion

    line = Line.objects.get(slug="line-a")
    current = policies.in_force(line)
    kept = {name: getattr(current, name) for name in policies.FIELDS} | {"step": current.step, "strata": current.strata}
    kept |= {"level": level, "version_id": ModelVersion.objects.get().pk} | fields
    now = timezone.now() - timedelta(days=days)
    if void:
        void_evidence(line=line, version=ModelVersion.objects.get(), reason="set for the bench", now=now)
    return write_policy(line=line, fields=kept, by="bench", reason="set for the bench", action="level_edit", now=now)


def fill_line(pairs: int) -> None:
    """The whole history, counted."""
    from django.utils import timezone

    from automation.actions import watch_escapes
    from bench.rig import fill, handing
    from inspection.models import Line, Variant
    from shadow.models import ChangedPart, ModelVersion

    line = Line.objects.get(slug="line-a")
    for name, starts, ends in SHIFTS:
        line.shifts.create(name=name, starts_at=starts, ends_at=ends)
    stations = [line.stations.create(slug=slug, name=slug.title()).pk for slug in ("front", "back")]
    variants = [Variant.objects.create(slug=slug, name=slug.title()).pk for slug in ("compact", "large")]
    places = [(station, variant) for station in stations for variant in variants]
    fill_pairs(pairs, places)
    version = ModelVersion.objects.get().pk
    shadow = set_level("shadow", days=23)
    handing.add_routings(shadow.pk)
    bars = {"pass_below": handing.PASS_BELOW, "reject_from": handing.REJECT_FROM}
    partial = set_level("partial", days=HOURS / 24, ramp=RAMP, **bars)
    handing.add_seeds(REFERENCES, TIMES, version=version, policy=shadow.pk)
    handing.add_decided(DECIDED, hours=HOURS, version=version, policy=partial.pk, places=places)
    ChangedPart.objects.all().delete()
    rebuild()
    fill.tidy()
    while watch_escapes(now=timezone.now()) or not is_seen():
        pass


def is_seen() -> bool:
    """Whether the watch over audits has seen them all, as it has on a line that runs."""
    from automation.actions.escapes import AT_ONCE
    from automation.models import EscapeWatch
    from inspection.models import Verdict

    return not Verdict.objects.filter(pk__gt=EscapeWatch.objects.get().seen_to + AT_ONCE).exists()


def print_evidence() -> None:
    """What the gates read, so that nobody measures an empty table."""
    from django.db.models import Count

    from automation.facts import facts_of
    from inspection.models import Line
    from shadow.models import Comparison, ModelVersion

    found = Comparison.objects.order_by().values_list("evidence").annotate(n=Count("pk"))
    print("  counted as: " + ", ".join(f"{n:,} {word or 'no evidence'}" for word, n in sorted(found)), flush=True)
    facts = facts_of(Line.objects.get(), ModelVersion.objects.get())
    print(
        f"  {facts.evidence.parts:,} parts of evidence in {len(facts.evidence.strata)} strata, {facts.audits_judged:,} of"
        f" {facts.audits_due:,} audits judged, {len(facts.seeds):,} seeds",
        flush=True,
    )


def print_pages(browser: Browser, state: str, times: int) -> None:
    for name, path in PAGES.items():
        size = browser.get(path)
        timed(lambda path=path: browser.get(path), 5)
        p50, p95 = quantiles(timed(lambda path=path: browser.get(path), times))
        print(f"  {state:<26}{name:<26}{1000 * p50:>9.1f}{1000 * p95:>9.1f}{size / 1000:>7.0f}", flush=True)


def measure(vendor: str, pairs: int, times: int, port: int) -> None:
    with site(vendor) as folder:
        from django.core.management import call_command

        from automation.levels import Level

        person = admin()
        [filled] = timed(lambda: fill_line(pairs), 1)
        print(f"\n{pairs:,} pairs on {vendor}, filled and counted in {filled:.0f} s", flush=True)
        print_evidence()
        call_command("collectstatic", interactive=False, verbosity=0, stdout=io.StringIO())
        with server(folder, port):
            browser = Browser(port, person)
            print(f"  {'':<26}{'':<26}{'p50 ms':>9}{'p95 ms':>9}{'kB':>7}")
            set_level(Level.PARTIAL, days=QUARTER, ramp=RAMP, step=1)
            print_pages(browser, "in a step of a ramp", times)
            set_level(Level.PARTIAL, days=0, ramp=[])
            print_pages(browser, "at partial", times)
            for level in (Level.ASSIST, Level.SHADOW, Level.HUMAN_ONLY):
                set_level(level, days=0)
                print_pages(browser, f"at {level.words}", times)
            set_level(Level.ASSIST, days=2.5, void=True)
            print_pages(browser, "after a void certificate", times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--port", type=int, default=8768)
    asked = parser.parse_args()
    vendors = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    if asked.database == "both" and missing(["PostgreSQL"]):
        print(f"{missing(['PostgreSQL'])[0]} Only SQLite is measured.")
        vendors = ["sqlite"]
    for vendor in vendors:
        apart(measure, vendor, asked.pairs, asked.times, asked.port)


if __name__ == "__main__":
    main()
