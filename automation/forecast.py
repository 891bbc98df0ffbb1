"""On which day each gate is likely met if a line goes on as it does, or why no day can be said."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from automation.counts import Evidence, Tally
from automation.evidence import e_safe, needed
from automation.facts import evidence_start
from automation.gates import Facts, Gate, Limits, looked_at
from automation.routing import Stratum
from inspection.models import Line
from shadow.certifying import Counted, Row
from shadow.days import Calendar
from shadow.models import ModelVersion

WEEK = 7  # days that a pace is taken of
FARTHEST = 365  # days: beyond them the pace of one week says nothing
NOBODY_JUDGES = "No blind verdict came in the last week."
TOO_FAR = "More than a year away at this pace."
FIRST_PASSES = "It waits for the first parts that the version passes."
UNSEEDED = "It waits until it is known how many scratches inspectors find."
UNKNOWN = "No day can be said."

Figures = Mapping[str, Any]
Likely = date | str  # the day, or why none can be said


@dataclass(frozen=True)
class Pace:
    """How fast the evidence of a version comes in on a line, by its last week, and what there is so far."""

    per_day: float = 0.0  # blind verdicts
    days: float = 0.0  # of the days, the share with blind verdicts
    shifts: float = 0.0  # shifts with blind verdicts, a day
    judged: int = 0  # blind verdicts so far: what the shares of scratched and of rejected parts are taken of
    passed: Tally = field(default_factory=Tally)  # so far, below the threshold that the certificate stopped at
    strata: Mapping[Stratum, Tally] = field(default_factory=dict)  # by station and variant, each where it stopped
    known: bool = True  # how many scratches inspectors find, without which nothing is certified
    alpha: float = 0.005  # what is certified, and with which error probability
    delta: float = 0.04
    limits_delta: float = 0.05  # error probability of the other limits


def forecast(gates: Iterable[Gate], pace: Pace, now: datetime) -> dict[str, Likely]:
    """For each gate that is not met the day on which it likely is, as `now` tells days, or why none can be said.

    What was seen goes on: blind verdicts at the pace of the last week, escapes at their rate so far. A gate that hangs
    on something else than verdicts and time has a reason and no day.
    """
    found: dict[str, Likely] = {}
    for gate in gates:
        if not gate.met:
            left = DAYS_LEFT.get(gate.name, _unknown)(gate.figures, pace)
            found[gate.name] = left if isinstance(left, str) else _day(left, now)
    return found


def _day(left: float, now: datetime) -> Likely:
    return TOO_FAR if left > FARTHEST else (now + timedelta(days=left)).date()


def parts_to_go(n: int, k: int, limit: float, delta: float, overdue: int = 0) -> int | None:
    """How many further judged parts certify `limit` if escapes go on at their rate so far; None: no number does.
    `overdue` further parts count as escapes for good, though nobody has seen a scratch on them.

    >>> parts_to_go(0, 0, 0.005, 0.05), parts_to_go(400, 0, 0.005, 0.05), parts_to_go(100, 1, 0.005, 0.05)
    (756, 356, None)
    """
    rate = k / n if n else 0.0
    if rate >= limit:
        return None

    def enough(more: int) -> bool:
        return e_safe(n + overdue + more, k + overdue + round(rate * more), limit) >= -math.log(delta)

    if enough(0):
        return 0
    low, high = 0, max(1, needed(limit, delta, k + overdue) - n - overdue)
    while not enough(high):
        if high > MOST_PARTS:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


MOST_PARTS = 1_000_000_000


# ---- The gates: days until each is met, or why none can be said


def _at(lacking: float, per_day: float) -> float | str:
    """Days until what is lacking has come."""
    return lacking / per_day if per_day > 0 else NOBODY_JUDGES


def _certificate(figures: Figures, pace: Pace) -> float | str:
    verdict = figures["verdict"]
    if verdict == "refuted":
        return "The evidence speaks against this threshold: choose a stricter one, or another version."
    if verdict == "invalid":
        return "Choose a threshold of the version's order."
    if verdict == "certified":
        return UNSEEDED
    if figures["more"] == 0:
        return "The parts that wait for a person have to be judged first."
    left = _passes(pace.passed, pace)
    if pace.known or isinstance(left, str):
        return left
    return f"{UNSEEDED} With perfect ones it would take about {math.ceil(left):,} more days."


def _passes(tally: Tally, pace: Pace) -> float | str:
    """Days until enough parts are judged that the version passes."""
    if not tally.judged:
        return FIRST_PASSES
    lacking = parts_to_go(tally.judged, tally.escapes, pace.alpha, pace.delta, tally.overdue)
    if lacking is None:
        return "At the present rate of escapes the limit is not reached."
    return _at(lacking, pace.per_day * tally.judged / max(tally.judged, pace.judged))


def _limit(nouns: str) -> Callable[[Figures, Pace], float | str]:
    def left(figures: Figures, pace: Pace) -> float | str:
        n, k = figures["n"], figures["k"]
        if not n:
            return f"No {nouns} have been judged blind yet."
        lacking = parts_to_go(n, k, figures["limit"], pace.limits_delta)
        if lacking is None:
            return f"At the present rate ({k:,} of {n:,}) the limit is not reached."
        return _at(lacking, pace.per_day * n / max(n, pace.judged))

    return left


def _strata(figures: Figures, pace: Pace) -> float | str:
    """The first station and variant to prove itself opens the gate."""
    if not pace.known:
        return UNSEEDED
    left = [_passes(tally, pace) for tally in pace.strata.values()]
    days = [one for one in left if not isinstance(one, str)]
    return min(days) if days else next(iter(left), FIRST_PASSES)


def _rate(figures: Figures, pace: Pace) -> str:
    if not figures["n"]:
        return "It waits for the first such part."
    return "A rate does not fall by waiting: a better version, or another operating threshold, lowers it."


def _escalations(figures: Figures, pace: Pace) -> str:
    if figures["share"] is None:
        return "It waits for the first parts at partial."
    return "It falls with a narrower unsure band, not by waiting."


def _unknown(figures: Figures, pace: Pace) -> str:
    return UNKNOWN


def _says(reason: str) -> Callable[[Figures, Pace], str]:
    return lambda figures, pace: reason


DAYS_LEFT: dict[str, Callable[[Figures, Pace], float | str]] = {
    "version": _says("It waits for you to assign a version."),
    "null rate": _says("It hangs on the photos and the version, not on verdicts."),
    "latency": _says("It hangs on the workers that score, not on verdicts."),
    "alarms": _says("It waits until the alarm is closed."),
    "shifts": lambda figures, pace: _at(figures["needed"] - figures["shifts"], pace.shifts),
    "days": lambda figures, pace: _at(figures["needed"] - figures["days"], pace.days),
    "blind pairs": lambda figures, pace: _at(figures["needed"] - figures["have"], pace.per_day),
    "miss rate": _rate,
    "false alarm rate": _rate,
    "thresholds": _says("It waits for you to choose thresholds."),
    "inspectors": _says("It waits for answers to seeded scratched parts that the version passes."),
    "certificate": _certificate,
    "miss limit": _limit("scratched parts"),
    "overkill limit": _limit("rejected parts"),
    "strata": _strata,
    "time at partial": lambda figures, pace: figures["needed"] - figures["days"],
    "escalations": _escalations,
    "audits": _says("It waits for the audits that are due."),
}


# ---- The pace


def pace_of(
    line: Line,
    version: ModelVersion | None,
    facts: Facts,
    gates: Sequence[Gate],
    limits: Limits,
    *,
    now: datetime,
    counted: Counted | None = None,
) -> Pace:
    """The pace of a version's evidence on a line, for the gates that were judged of these facts; from the tallies."""
    if version is None:
        return Pace(limits_delta=limits.delta)
    counted = counted or Counted(line, version, evidence_start(line, version))
    evidence = facts.evidence
    pace = Pace(*weekly(counted.rows, line, now), judged=_judged(evidence), limits_delta=limits.delta)
    figures = {gate.name: gate.figures for gate in gates}
    certificate, strata = figures.get("certificate", {}), figures.get("strata", {})
    tested = certificate.get("tested")
    if tested is None:
        return pace
    stopped = zip(map(tuple, strata.get("strata", ())), strata.get("tested", ()), strict=True)
    return replace(
        pace, passed=evidence.below(tested), alpha=certificate["alpha"], delta=certificate["delta"],
        strata={stratum: evidence.below(bar, stratum) for stratum, bar in stopped},
        known=looked_at(facts, limits, tested)[2],
    )  # fmt: skip


def weekly(rows: Iterable[Row], line: Line, now: datetime) -> tuple[float, float, float]:
    """Of the last week, a day: blind verdicts, days with any, and shifts with any. A line that began later is measured
    from its first day on."""
    today = Calendar(line).day_of(now)
    lately = [row for row in rows if row.day > today - timedelta(days=WEEK) and row.judged]
    if not lately:
        return 0.0, 0.0, 0.0
    first = datetime.combine(min(row.day for row in lately), time(), line.zone)
    length = max(1.0, (now - first) / timedelta(days=1))
    judged = sum(row.judged for row in lately)
    days, shifts = {row.day for row in lately}, {(row.day, row.shift) for row in lately}
    return judged / length, min(1.0, len(days) / length), len(shifts) / length


def _judged(evidence: Evidence) -> int:
    return sum(tally.judged for slots in evidence.everything.values() for tally in slots.values())
