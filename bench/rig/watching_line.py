"""A line with real photos, the real pipeline and the real watch: what is named, where, and after how many parts; and what
the watch costs.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing import get_context

from bench.rig.handover_table import Row, no_more_than, stream

STATIONS = ("front", "back")
CHANGED = "back"
STEP = 10  # parts between two looks


def rendered(number: int, drift: str | None) -> bytes:
    from automation.simulation import Rates, part_of, photo_of

    return photo_of(part_of(number, Rates()), drift, 1.0)


class Floor:
    """Sends parts, has them scored and judged, and looks."""

    def __init__(self, seed: int) -> None:
        from automation.simulation import Rates
        from inspection.models import Line, User

        self.line = Line.objects.get(slug="line-a")
        Line.objects.filter(pk=self.line.pk).update(undo_seconds=0)
        self.line.refresh_from_db()
        self.line.stations.exclude(slug__in=STATIONS).delete()
        for slug in STATIONS:
            self.line.stations.get_or_create(slug=slug, defaults={"name": f"station {slug}"})
        self.judges = list(User.objects.filter(username__startswith="sim-").exclude(username="sim-camera"))
        self.rates, self.rng, self.sent, self.scoring = Rates(), stream(seed, 10), 0, 0.0

    def send(self, number: int, station: str, photo: bytes) -> None:
        from automation.simulation import part_of
        from inspection import actions
        from inspection.models import Origin

        part = part_of(number, self.rates)
        self.sent += 1
        actions.receive_inspection(
            line=self.line, serial=f"{part.serial}-{self.sent}", photos_sent=[actions.NewPhoto(photo)], by=None,
            station=station, variant=part.variant, origin=Origin.SIMULATED,
        )  # fmt: skip

    def score(self) -> None:
        from automation import actions

        began = time.process_time()
        while actions.score_and_settle(seconds=60):
            pass
        self.scoring += time.process_time() - began

    def judge(self, *, concept_moved: bool = False) -> None:
        """A verdict on each part that has none, by a simulated person, as the pages would write it."""
        from automation.simulation import part_of, verdict_of
        from inspection.models import Inspection, Verdict

        waiting = list(Inspection.objects.filter(line=self.line, verdicts=None).order_by("pk"))
        Verdict.objects.bulk_create(
            Verdict(
                inspection=part, inspector=self.judges[0], duration_ms=int(self.rng.lognormal(8, 0.4)),
                outcome=verdict_of(
                    part_of(int(part.serial[3:].split("-")[0]), self.rates), self.rates, self.rng,
                    concept_moved=concept_moved,
                ),
            )
            for part in waiting
        )  # fmt: skip

    def look(self) -> float:
        """One look of the watch; returns the processor's seconds that it took."""
        from django.utils import timezone

        from monitoring.watching import watch_line

        began = time.process_time()
        watch_line(self.line, now=timezone.now() + timedelta(seconds=1))
        return time.process_time() - began

    def alarms(self) -> list:
        from monitoring.models import Alarm

        return list(Alarm.objects.open().filter(line=self.line, rule="drift").select_related("station"))

    def close_all(self) -> None:
        from inspection.models import User
        from monitoring.actions import close_alarm

        for alarm in self.alarms():
            close_alarm(alarm=alarm, by=User.objects.get(username="sam"), comment="put right")


def measure(seed: int, first: int, processes: int) -> Iterator[Row]:
    """`first` unchanged parts at each of two stations; then one lamp darker by 10 %; then another idea of a scratch."""
    began = seed * 1_000_000
    with get_context("spawn").Pool(processes) as pool:
        usual = pool.starmap(rendered, [(began + n, None) for n in range(first)], chunksize=20)
        dark = pool.starmap(rendered, [(began + first + n, "lighting") for n in range(100)], chunksize=20)
    floor = Floor(seed)
    for n, photo in enumerate(usual):
        for station in STATIONS:
            floor.send(began + n, station, photo)
    floor.score()
    floor.judge()
    looked = floor.look()
    each, cost = 1000 * floor.scoring / floor.sent, 1000 * looked / floor.sent
    about = f"{floor.sent:,} rendered parts through the pipeline"
    yield no_more_than(about, "alarms while nothing changes", len(floor.alarms()), 0)
    yield no_more_than(
        about, f"cost of the watch beside scoring ({cost:.2f} of {each:.1f} ms a part)", 100 * cost / each, 5, " %"
    )
    floor.close_all()
    yield from lighting(floor, began, first, usual, dark)
    floor.close_all()
    yield from concept(floor, began, usual)


def lighting(floor: Floor, began: int, first: int, usual: list[bytes], dark: list[bytes]) -> Iterator[Row]:
    """Parts of the line, of both stations in turn, until the alarm names the right station and stage."""
    about = "the lamp of one station 10 % darker"
    for n in range(0, 100, STEP):
        for place in range(n, n + STEP):
            changed = place % 2 == 1
            number = began + first + place if changed else began + place
            floor.send(number, CHANGED if changed else STATIONS[0], dark[place] if changed else usual[place])
        floor.score()
        floor.judge()
        floor.look()
        if alarms := floor.alarms():
            yield from named(about, alarms, n + STEP, 100, (CHANGED, "quality", "fix_station"))
            return
    yield Row(about, "parts to the alarm", 100, "not seen", "<= 100", False)


def named(about: str, alarms: list, parts: int, most: int, expected: tuple[str, ...]) -> Iterator[Row]:
    from monitoring.actions.finding import moved_of
    from monitoring.diagnosis import diagnose

    found = [
        (
            alarm.station.slug if alarm.station else "",
            diagnose([moved_of(finding) for finding in alarm.findings.select_related("stream__station")]).first_stage,
            alarm.remedy,
        )
        for alarm in alarms
    ]
    yield Row(about, "parts to the alarm", parts, str(parts), f"<= {most}", parts <= most)
    right = all(not word or word == told for place in found for word, told in zip(expected, place, strict=True))
    words = " / ".join(word for word in expected if word)
    yield Row(about, "what it names", float(right), alarms[0].message, words, right)


def concept(floor: Floor, began: int, usual: list[bytes]) -> Iterator[Row]:
    """Oil and stains count as scratches from now on; the photos are as before."""
    about = "people hold oil and stains for scratches"
    for n in range(0, 200, STEP):
        for place in range(n, n + STEP):
            floor.send(began + place, STATIONS[place % 2], usual[place])
        floor.score()
        floor.judge(concept_moved=True)
        floor.look()
        moved = [alarm for alarm in floor.alarms() if alarm.remedy == "review_rule"]
        if moved:
            yield from named(about, moved, n + STEP, 200, ("", "judge", "review_rule"))
            return
    yield Row(about, "labels to the alarm", 200, "not seen", "<= 200", False)
