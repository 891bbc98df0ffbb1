"""What a factory of so many stations needs: the line of scoring simulated event by event, checked against measured runs.

Run with `python bench/capacity.py [RESULT.json ..] [--period 12] [--within 3] [--hours 16]`. Each RESULT is what `bench/load.py --json` printed: from
them come the processor time and the bytes of a part, as a straight line of the rate, and each is simulated again at its own
rate on its own cores, so that the table shows how far the model is from what was measured. Without any the figures of
docs/capacity.md are taken. Then sites of 1 to 1,000 stations are simulated, each station a part every `--period` seconds, with the fewest
scoring processes whose 95 of 100 answers come within `--within` seconds.

The model: parts come from each station at its period, a tenth early or late. A web process sends a wake-up at most once a second, the
sweep every two; a scoring process that is woken takes a quarter of what waits, 4 to 16 parts, answers them together, and
goes on until nothing waits (`inspection/wake.py`, `shadow/jobs.py`). Where scoring shares its cores, whatever else works there
slows it in proportion.
"""

import argparse
import heapq
import json
import math
import random
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH, FEWEST = 16, 4  # parts of a lease; see shadow/jobs.py
SWEEP, WAKE = 2.0, 1.0  # seconds
STATIONS = (1, 3, 10, 30, 100, 300, 1000)
FULL = 0.7  # of a scoring process's time
YEAR = 365 * 24 * 3600
SCORING = "score"


@dataclass(frozen=True)
class Costs:
    """Milliseconds of one core: of each part, and of each second whatever comes; bytes of a part."""

    part: dict[str, float]
    second: dict[str, float]
    rows: float
    photos: float

    def cores(self, kind: str, rate: float) -> float:
        return (self.part[kind] * rate + self.second[kind]) / 1000


# Two cores, PostgreSQL and Redis, photos of 1920 x 1080 with 210 kB; see docs/capacity.md.
MEASURED = Costs(
    part={"database": 25.9, "broker": 0.0, "web": 30.4, "worker": 23.1, "watch": 3.5, "score": 121.7, "beat": 0.0},
    second={"database": 63.1, "broker": 2.9, "web": 64.1, "worker": 36.4, "watch": 7.9, "score": 47.1, "beat": 13.8},
    rows=4540.0,
    photos=228_300.0,
)


def costs_of(runs: list[dict[str, Any]]) -> Costs:
    """The straight line through the runs' processor time a second, kind by kind; one run alone knows no cost of a second."""
    shared = set.intersection(*(set(run["ms_of_processor"]) for run in runs)) - {
        "clients"
    }  # RabbitMQ is no child of ours
    kinds = [kind for kind in runs[0]["ms_of_processor"] if kind in shared]
    part, second = {}, {}
    rates = [run["rate"] for run in runs]
    for kind in kinds:
        spent = [run["ms_of_processor"][kind] * run["rate"] for run in runs]
        part[kind], second[kind] = line(rates, spent)
    last = max(runs, key=lambda run: run["parts"])
    return Costs(part, second, sum(last["bytes"].values()), last["photo_bytes"])


def line(xs: list[float], ys: list[float]) -> tuple[float, float]:
    """Slope and offset by least squares, neither below 0; of one point the slope alone."""
    middle, level = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle) ** 2 for x in xs)
    slope = sum((x - middle) * (y - level) for x, y in zip(xs, ys, strict=True)) / spread if spread else level / middle
    slope = max(0.0, min(slope, level / middle))
    return slope, level - slope * middle


@dataclass
class Site:
    """A line of scoring: so many processes, each of which takes `seconds` for a part."""

    processes: int
    seconds: float
    webs: int = 2

    def ages(self, stations: int, period: float, duration: float, seed: int = 1) -> list[float]:
        """Seconds from intake to answer of every part that is answered within `duration` seconds."""
        chance = random.Random(seed)
        events = [(chance.uniform(0, period), "part", number) for number in range(stations)] + [(0.0, "sweep", 0)]
        heapq.heapify(events)
        waiting: deque[float] = deque()
        idle, messages, woken = self.processes, 0, [-WAKE] * self.webs
        ages = []
        while events:
            now, what, number = heapq.heappop(events)
            if now > duration:
                break
            if what == "part":
                waiting.append(now)
                web = chance.randrange(self.webs)
                if now - woken[web] >= WAKE:
                    woken[web], messages = now, messages + 1
                heapq.heappush(events, (now + period * chance.uniform(0.9, 1.1), "part", number))
            elif what == "sweep":
                messages += min(8, -(-len(waiting) // BATCH))
                heapq.heappush(events, (now + SWEEP, "sweep", 0))
            else:
                idle, messages = idle + 1, messages + 1  # it goes on before it would be idle
            while idle and messages:
                messages -= 1
                lot = [waiting.popleft() for _ in range(min(len(waiting), BATCH, max(FEWEST, len(waiting) // 4)))]
                if lot:
                    ends = now + self.seconds * len(lot)
                    ages += [ends - at for at in lot]
                    idle -= 1
                    heapq.heappush(events, (ends, "done", 0))
        return ages


def of(figures: list[float], share: float) -> float:
    return sorted(figures)[min(len(figures) - 1, int(share * len(figures)))] if figures else float("inf")


def again(run: dict[str, Any], costs: Costs) -> tuple[list[float], list[float]]:
    """Median and 95 of 100 of a run's answers, as measured (the median of its minutes) and as simulated on its own cores."""
    rate, cores = run["rate"], run["cores"]
    beside = sum(costs.cores(kind, rate) for kind in costs.part if kind != SCORING)
    beside += run["ms_of_processor"].get("clients", 0.0) * rate / 1000
    whole = beside + costs.cores(SCORING, rate)
    # As many processes as cores: each gets what the others leave, on average over a second.
    seconds = costs.part[SCORING] / 1000 * max(1.0, cores / max(0.1, cores - beside) if whole > cores / 2 else 1.0)
    ages = Site(cores, seconds).ages(run["stations"], run["stations"] / rate, 600)
    minutes = [row["answer"] for row in run["minutes"]]
    return [of([row[place] for row in minutes], 0.5) for place in (0, 1)], [of(ages, 0.5), of(ages, 0.95)]


def fewest(costs: Costs, stations: int, period: float, within: float) -> tuple[int, list[float]]:
    """Scoring processes on cores of their own, and the seconds of the answers: the first number whose 95 of 100 come in
    time, and that leaves room to empty a queue that grew in an outage."""
    rate = stations / period
    processes = max(1, math.ceil(costs.cores(SCORING, rate) / FULL))
    while True:
        ages = Site(processes, costs.part[SCORING] / 1000, webs=max(2, round(costs.cores("web", rate)) + 1)).ages(
            stations, period, 300
        )
        if of(ages, 0.95) <= within:
            return processes, [of(ages, 0.5), of(ages, 0.95)]
        processes += 1 + processes // 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RESULT.json")
    parser.add_argument("--period", type=float, default=12.0, help="seconds from part to part of a station")
    parser.add_argument("--within", type=float, default=3.0, help="seconds for 95 of 100 answers")
    parser.add_argument("--hours", type=float, default=16.0, help="of work a day")
    asked = parser.parse_args()
    runs = [json.loads(path.read_text().strip().splitlines()[-1]) for path in asked.runs]
    costs = costs_of(runs) if runs else MEASURED
    print("ms of a core    " + "".join(f"{kind:>10}" for kind in costs.part))
    print("of each part    " + "".join(f"{figure:>10.1f}" for figure in costs.part.values()))
    print("of each second  " + "".join(f"{figure:>10.1f}" for figure in costs.second.values()))
    for run in runs:
        measured, simulated = again(run, costs)
        told = " / ".join(f"{second:.1f}" for second in measured), " / ".join(f"{second:.1f}" for second in simulated)
        print(f"{run['rate']:6.2f} parts/s: answers after {told[0]} s measured, {told[1]} s simulated")
    print(
        f"\n{'stations':>8}{'parts/s':>9}{'scoring':>9}{'answers s':>12}{'web':>6}{'database':>10}{'sweeps':>8}{'cores':>7}"
        f"{'rows GB/a':>11}{'photos TB/a':>13}"
    )
    for stations in STATIONS:
        rate = stations / asked.period
        processes, ages = fewest(costs, stations, asked.period, asked.within)
        web, database, sweeps = (costs.cores(kind, rate) for kind in ("web", "database", "worker"))
        whole = processes + web + database + sweeps + costs.cores("watch", rate) + costs.cores("beat", rate)
        parts = rate * YEAR * asked.hours / 24
        told = f"{ages[0]:.1f} / {ages[1]:.1f}"
        print(
            f"{stations:>8}{rate:>9.2f}{processes:>9}{told:>12}{web:>6.1f}{database:>10.1f}{sweeps:>8.1f}{whole:>7.1f}"
            f"{parts * costs.rows / 1e9:>11.1f}{parts * costs.photos / 1e12:>13.2f}"
        )


if __name__ == "__main__":
    main()
