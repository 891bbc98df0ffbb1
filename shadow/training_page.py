"""A training as its page shows it: how far it is, and the version that came of it beside the live one, in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from scipy.special import bdtr

from inspection.models import Line, User
from inspection.refusals import Unknown
from shadow.agreement import Rate
from shadow.cards import as_mapping, as_sequence, curve_chart
from shadow.charts import interval_bar, percent, reach
from shadow.models import Assignment, ModelVersion, RunState, Stage, TrainingRun
from shadow.side_by_side import CONFIDENCE, Replay, Side, replay_of, side_of
from shadow.studies import PERCENT

BY_CHANCE = 0.05  # below it, that one of two equal versions is wrong so much oftener is no chance


def find_training(number: int, by: User, line: Line) -> TrainingRun:
    """A training of the line. Raises Unknown."""
    run = TrainingRun.objects.select_related("line", "version", "snapshot").filter(pk=number, line=line).first()
    if run is None:
        raise Unknown(_("There is no training {number} of {line}.").format(number=number, line=line.name))
    return run


# ---- How far it is


class Step(NamedTuple):
    words: str
    done: bool
    now: bool


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    run: TrainingRun
    steps: tuple[Step, ...]
    share: float | None  # percent of the stage; None: nobody can tell
    words: str
    left: timedelta | None
    chart: SafeString
    last: dict[str, Any]


def progress_of(run: TrainingRun) -> Progress:
    stages = list(Stage)
    place = stages.index(Stage(run.stage)) if run.stage else -1
    running, over = run.state == RunState.RUNNING, run.state == RunState.DONE
    steps = tuple(
        Step(str(stage.label), over or number < place, running and number == place)
        for number, stage in enumerate(stages)
    )
    curve = [row for row in as_sequence(run.curve) if isinstance(row, dict)]
    kept = [row["number"] for row in curve if row.get("kept")]
    share = 100 * run.done / run.of if run.of and running else None
    return Progress(
        run, steps, share, _how_far(run), _left(run, curve) if running else None,
        curve_chart(curve, kept[-1] if kept else None), curve[-1] if curve else {},
    )  # fmt: skip


def _how_far(run: TrainingRun) -> str:
    if run.state == RunState.WAITING:
        return _("It waits for the worker that trains.")
    if run.state == RunState.FAILED:
        return _("It failed: {why}").format(why=run.failure)
    if run.state == RunState.CANCELLED:
        return _("{by} cancelled it. It goes on from its last epoch when you let it.").format(by=run.ended_by)
    if run.state == RunState.DONE:
        return _("It is done.")
    words = (
        {
            Stage.DRAWING: _("Reminder {done} of {of} is rendered."),
            Stage.READING: _("Photo {done} of {of} is read."),
            Stage.LEARNING: _("Epoch {done} of at most {of} is learnt."),
        }.get(Stage(run.stage))
        if run.stage
        else None
    )
    return words.format(done=run.done, of=run.of) if words and run.of else ""


def _left(run: TrainingRun, curve: Sequence[dict[str, Any]]) -> timedelta | None:
    """How long the epochs left take, at the pace of the last three."""
    if run.stage != Stage.LEARNING or not curve:
        return None
    pace = [float(row.get("seconds") or 0) for row in curve[-3:]]
    return timedelta(seconds=sum(pace) / len(pace) * (run.of - run.done))


# ---- What came of it


class Cell(NamedTuple):
    """A figure of one version: as words, its counts, its interval as words and drawn."""

    value: str
    counts: str
    between: str
    bar: SafeString


class Row(NamedTuple):
    name: str
    meaning: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Report:
    """A version beside the live one."""

    sentence: str
    verdict: str
    versions: tuple[str, ...]
    rows: tuple[Row, ...]
    parts: int
    serials: int
    left_out: int
    replay: Replay | None
    role: str  # what the version does on the line now


def report_of(run: TrainingRun) -> Report | None:
    """None before there is a comparison."""
    told = as_mapping(run.comparison)
    held = as_mapping(told.get("held"))
    if run.version is None or not held:
        return None
    live = ModelVersion.objects.filter(name=told.get("live") or "").first()
    sides = as_mapping(held.get("sides"))
    new = side_of(run.version.name, sides.get("new"))
    shown = (new, side_of(live.name, sides.get("live"))) if live and "live" in sides else (new,)
    assigned = Assignment.objects.current().filter(line=run.line, version=run.version).first()
    return Report(
        sentence=sentence(shown), verdict=verdict(run.version.name, live.name if live else "", as_mapping(held.get("differ"))),
        versions=tuple(side.version for side in shown), rows=rows(shown), parts=int(held.get("parts") or 0),
        serials=int(held.get("serials") or 0), left_out=int(held.get("left_out") or 0),
        replay=replay_of(run.version, live, as_sequence(told.get("replayed"))),
        role=assigned.get_role_display() if assigned else "",
    )  # fmt: skip


def sentence(sides: Sequence[Side]) -> str:
    """What a reader came for: which of the scratched parts held out are missed."""
    new = sides[0]
    if not new.misses.n:
        return _("No scratched part held out has been scored: nobody can say what {version} misses.").format(
            version=new.version
        )
    words = _("{version} misses {k} of {n} scratched parts that it has not learnt from, between {low} and {high}")
    low, high = (percent(end) for end in new.misses.interval(CONFIDENCE))
    first = words.format(version=new.version, k=new.misses.k, n=new.misses.n, low=low, high=high)
    if len(sides) == 1:
        return f"{first}."
    live = sides[1]
    second = _("{version}, which is live, misses {k} of {n}.").format(
        version=live.version, k=live.misses.k, n=live.misses.n
    )
    return f"{first}; {second}"


def by_chance(one: int, other: int) -> float:
    """How probable so uneven a share is where both are as likely: McNemar's exact test, two-sided.

    McNemar 1947, Psychometrika 12, 153-157. Nothing to tell apart: 1.

    >>> round(by_chance(0, 6), 4), by_chance(0, 0), by_chance(3, 3)
    (0.0313, 1.0, 1.0)
    """
    return min(1.0, 2 * float(bdtr(min(one, other), one + other, 0.5))) if one + other else 1.0


def verdict(new: str, live: str, differ: Any) -> str:
    """Which of the two is better, if that can be told of the parts on which only one of them is wrong."""
    if not differ:
        return ""
    mine, theirs = int(differ.get("new_misses") or 0), int(differ.get("live_misses") or 0)
    if by_chance(mine, theirs) < BY_CHANCE:
        better = new if mine < theirs else live
        words = _(
            "{better} misses fewer: of the scratched parts that only one of them misses, {new} misses {mine} and {live} {theirs}."
        )
    else:
        better = ""
        words = _(
            "Which misses fewer cannot be told yet: of the scratched parts that only one of them misses, {new} misses {mine} and {live} {theirs}."
        )
    told = words.format(better=better, new=new, live=live, mine=mine, theirs=theirs)
    alarms, others = int(differ.get("new_alarms") or 0), int(differ.get("live_alarms") or 0)
    more = _("Of the good parts that only one of them rejects, {new} rejects {mine} and {live} {theirs}.")
    return f"{told} {more.format(new=new, live=live, mine=alarms, theirs=others)}"


def rows(sides: Sequence[Side]) -> tuple[Row, ...]:
    return (
        Row(_("Missed"), _("of scratched parts"), _rates([side.misses for side in sides])),
        Row(_("False alarms"), _("of good parts"), _rates([side.alarms for side in sides])),
        Row(_("AUROC"), _("a scratched part scores above a good one"), tuple(_area(side, sides) for side in sides)),
        Row(
            _("Without an answer"), _("such as a blank photo"),
            tuple(Cell(str(side.nulls), "", "", SafeString("")) for side in sides),
        ),
    )  # fmt: skip


def _rates(rates: Sequence[Rate]) -> tuple[Cell, ...]:
    top = max((reach(rate.interval(CONFIDENCE)[1]) for rate in rates if rate.n), default=1.0)
    return tuple(_rate(rate, top) for rate in rates)


def _rate(rate: Rate, top: float) -> Cell:
    low, high = rate.interval(CONFIDENCE)
    between = f"{percent(low).rstrip(PERCENT)} to {percent(high)}" if rate.n else ""
    counts = _("{k} of {n}").format(k=f"{rate.k:,}", n=f"{rate.n:,}")
    return Cell(percent(rate.value), counts, between, interval_bar(rate.value, low, high, top=top))


def _area(side: Side, sides: Sequence[Side]) -> Cell:
    if side.auroc is None:
        return Cell(_("not defined"), "", "", interval_bar(None, 0, 1))
    low, high = side.auroc_interval
    bottom = min(one.auroc_interval[0] for one in sides if one.auroc is not None)
    bar = interval_bar(side.auroc, low, high, bottom=bottom - (1 - bottom) / 10, top=1.0)
    return Cell(f"{side.auroc:.4f}", "", f"{low:.3f} to {high:.3f}", bar)


def replay_words(replay: Replay, new: str, live: str) -> str:
    """How much another picture the line would have been."""
    if not replay.answered:
        return _("The latest {n} parts of the line are being scored again; the figures appear here.").format(
            n=replay.parts
        )
    same = ngettext(
        "Of the latest parts {n} is scored by both; they decide alike on {agree}.",
        "Of the latest parts {n} are scored by both; they decide alike on {agree}.", replay.answered,
    )  # fmt: skip
    differ = _("{new} would reject {more} that {live} passes, and pass {less} that {live} rejects.")
    told = {"new": new, "live": live, "more": replay.new_rejects, "less": replay.live_rejects}
    return f"{same.format(n=replay.answered, agree=replay.agree)} {differ.format(**told)}"


def took(run: TrainingRun, now: datetime | None = None) -> timedelta | None:
    """How long it has run."""
    end = run.ended_at or (now or timezone.now())
    return end - run.started_at if run.started_at else None
