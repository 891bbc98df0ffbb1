"""What the pages of the watch say, in words and pictures: the sentence on top, a card for each figure, the way of a part."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import dateformat
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from monitoring.dashboard_charts import Ticks, spark
from monitoring.dashboards import (
    STATE_WORDS,
    Dashboard,
    Glance,
    OpenAlarm,
    Pace,
    Period,
    Point,
    Stage,
    State,
    Trace,
    Usual,
    pace,
)
from monitoring.figures import STAGE_WORDS, Figure, Kind
from monitoring.models import Severity, Span
from shadow.charts import percent

# What stands for a line where there is room for few: the photos, the speed, the answers, the agreement.
KEY_FIGURES = ("quality.brightness", "settle.seconds", "score.reject", "judge.disagreement")
ON_A_CARD, ON_THE_WALL = 5, 4
ALARMS_NAMED = 3  # beside the sentence


@dataclass(frozen=True)
class Saying:
    """The line in one sentence, what is known beside it, and what to do."""

    sentence: str
    facts: tuple[str, ...]
    do: str
    alarms: tuple[tuple[str, str], ...]  # address and words of the open ones; the sentence is about the first
    shape: str
    kind: str  # critical, alarm, warning, asleep, learning, quiet
    word: str


@dataclass(frozen=True)
class Card:
    """One figure at one place: its value now, what is usual, and its course."""

    label: str
    where: str
    value: str
    usual: str
    change: str  # since when and by how much it moved
    state: State
    state_words: str
    n: str
    picture: SafeString
    url: str
    alarm: str  # the address of the alarm that rests on it
    moved_at: datetime | None


@dataclass(frozen=True)
class StageCards:
    """A step of a part's way with its cards; `note` is its time and what of it moved."""

    name: str
    label: str
    time: str
    note: str
    state: State
    first: bool
    cards: tuple[Card, ...]

    @property
    def calm(self) -> bool:
        return self.state in (State.QUIET, State.DRAWN)


# Words


def write(figure: Figure, value: float | None) -> str:
    """A value with its unit, to three digits."""
    if value is None:
        return "-"
    if figure.kind == Kind.RATE:
        return percent(min(max(value, 0.0), 1.0))
    return f"{digits(value)}\u00a0{figure.unit}" if figure.unit else digits(value)


def digits(value: float) -> str:
    """Three of them, whole from 100 on."""
    size = abs(value)
    if size >= 100 or value == 0 or (size >= 10 and value == round(value)):
        return f"{value:,.0f}"
    places = 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:.{places}f}" if size >= 0.001 else f"{value:.1g}"


def when(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """A moment as people of the line say it: the hour alone today, with its day this week, else with its date."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    if local.date() == today:
        return dateformat.format(local, "H:i")
    if today - local.date() < timedelta(days=7):
        return dateformat.format(local, "l H:i")
    return dateformat.format(local, "j F" if local.year == today.year else "j F Y")


def change_of(trace: Trace, zone: ZoneInfo, now: datetime, *, share: bool = False) -> str:
    """Since when it is different, and from what to what; with its `share` also by how many percent, where the usual is
    not nothing. Each is marked whole: another language has other punctuation."""
    moved = trace.moved
    if moved is None:
        return ""
    after = moved.after if moved.after is not None else trace.now.value if trace.now else None
    told = {"time": when(moved.at, zone, now)}
    if moved.before is None or after is None:
        return _("since {time}").format(**told)
    told |= {"before": write(trace.figure, moved.before), "after": write(trace.figure, after)}
    if share and moved.before and moved.after is not None and trace.figure.kind != Kind.RATE:
        told["share"] = f"{100 * (moved.after / moved.before - 1):+.0f}\u00a0%"
        return _("since {time}: {before} → {after} ({share})").format(**told)
    return _("since {time}: {before} → {after}").format(**told)


def change_words(trace: Trace, zone: ZoneInfo, now: datetime) -> str:
    """The same as a sentence."""
    words = change_of(trace, zone, now, share=True)
    return words[:1].upper() + words[1:]


def usual_of(trace: Trace, usual: tuple[Usual, ...]) -> str:
    """The band in words; with several shifts, from the lowest to the highest."""
    if trace.figure.kind == Kind.LOAD:
        limit = trace.limit
        return _("limit {value}").format(value=write(trace.figure, limit)) if limit is not None else ""
    if not usual:
        return _("learning what is usual") if trace.watched else ""
    low, high = min(band.low for band in usual), max(band.high for band in usual)
    written = [write(trace.figure, edge) for edge in (low, high)]
    if trace.figure.kind == Kind.RATE:
        written[0] = written[0].removesuffix("\u00a0%")
    elif trace.figure.unit:  # it stands at the value above
        written = [words.removesuffix(f"\u00a0{trace.figure.unit}") for words in written]
    words = _("usual {low} to {high}") if low < 0 else _("usual {low}–{high}")
    return words.format(low=written[0], high=written[1])


def place_of(trace: Trace) -> str:
    return trace.station or trace.host


def label_of(trace: Trace, words: str | Promise | None = None) -> str:
    where = place_of(trace)
    label = str(words or trace.figure.label)
    return f"{label}, {where}" if where else label


# Cards


def card(trace: Trace, page: "Page") -> Card:
    value, usual = write(trace.figure, trace.now.value if trace.now else None), usual_of(trace, trace.usual)
    change = change_of(trace, page.zone, page.now)
    n = ngettext("n {n:,}", "n {n:,}", trace.now.n).format(n=trace.now.n) if trace.now else ""
    told = _("{figure}: {value}").format(figure=label_of(trace), value=value)
    words = ". ".join(filter(None, [told, usual, change, str(STATE_WORDS[trace.state])]))
    return Card(
        str(trace.figure.label), place_of(trace), value, usual, change, trace.state, str(STATE_WORDS[trace.state]), n,
        spark(trace, page.since, page.until, words),
        reverse("watch_figure", args=[page.line, trace.stream]) + f"?period={page.period.key}",
        reverse("alarm", args=[trace.moved.alarm]) if trace.moved else "", trace.moved.at if trace.moved else None,
    )  # fmt: skip


@dataclass(frozen=True)
class Page:
    """What a card has to know of the page that it stands on."""

    line: str
    zone: ZoneInfo
    period: Period
    since: datetime
    until: datetime
    now: datetime


def page_of(shown: Dashboard, now: datetime) -> Page:
    return Page(shown.line.slug, shown.line.zone, shown.period, shown.since, shown.until, now)


def stage_cards(shown: Dashboard, now: datetime) -> list[StageCards]:
    """Every stage with its cards, those that moved first."""
    page = page_of(shown, now)
    return [_stage(stage, page) for stage in shown.stages]


def _stage(stage: Stage, page: Page) -> StageCards:
    traces = sorted(stage.traces, key=lambda trace: trace.state not in (State.MOVED, State.OVER))
    time = stage.ms
    return StageCards(
        stage.name, str(STAGE_WORDS[stage.name]), write(time.figure, time.now.value) if time and time.now else "",
        _stage_note(stage), stage.state, stage.first, tuple(card(trace, page) for trace in traces),
    )  # fmt: skip


def _stage_note(stage: Stage) -> str:
    if stage.first:
        return _("moved first")
    if stage.moved:
        return ngettext("{n} moved", "{n} moved", stage.moved).format(n=stage.moved)
    return str(STATE_WORDS[stage.state])


def moved_cards(stages: Iterable[StageCards]) -> list[Card]:
    """What moved, in the order of time: the figure that moved first may be the cause of the others."""
    moved = [
        (card.moved_at, place, card) for place, card in enumerate(card for stage in stages for card in stage.cards)
    ]
    return [card for _at, _place, card in sorted(each for each in moved if each[0])]


def few_cards(traces: Iterable[Trace], page: Page, most: int) -> list[Card]:
    """What moved, in order of time, then the key figures, as many as there is room for."""
    moved = [trace for trace in traces if trace.moved]
    moved.sort(key=lambda trace: trace.moved.at if trace.moved else page.now)
    quiet = [trace for name in KEY_FIGURES for trace in traces if trace.figure.name == name and not trace.moved]
    return [card(trace, page) for trace in [*moved, *quiet][:most]]


# The sentence


def saying(seen: Glance, now: datetime, pace: str = "") -> Saying:
    """What is to be read first of a line: the gravest open alarm, or that all is quiet and since when."""
    if seen.alarms:
        return _alarmed(seen, now, pace)
    line, zone = seen.line.name, seen.line.zone
    if seen.looked_at is None or not (seen.watching or seen.learning):
        return Saying(
            _("{line} is not watched yet.").format(line=line), (), _("Its figures appear with its first parts."), (),
            "learning", "learning", _("not watched yet"),
        )  # fmt: skip
    if not seen.awake:
        words = _("Nobody has watched {line} since {time}.").format(line=line, time=when(seen.looked_at, zone, now))
        do = _("The looks have stopped: see whether a worker and beat run.")
        return Saying(words, (), do, (), "alarm", "asleep", _("nobody watches"))
    if seen.quiet_since is None or not seen.watching:
        words = _("{line} is learning what is usual.").format(line=line)
        do = _("Nothing is said of a figure until its first parts are in; nothing has to be done.")
        return Saying(words, (), do, (), "learning", "learning", _("learning"))
    words = _("All quiet since {time}.").format(time=when(seen.quiet_since, zone, now))
    return Saying(words, _counts(seen), "", (), "quiet", "quiet", _("quiet"))


def _counts(seen: Glance) -> tuple[str, ...]:
    facts = [ngettext("{n} figure as usual", "{n} figures as usual", seen.watching).format(n=seen.watching)]
    if seen.learning:
        words = ngettext("{n} is learning what is usual", "{n} are learning what is usual", seen.learning)
        facts.append(words.format(n=seen.learning))
    return tuple(facts)


def _alarmed(seen: Glance, now: datetime, pace: str) -> Saying:
    first, others = seen.alarms[0], len(seen.alarms) - 1
    alarm, zone = first.alarm, seen.line.zone
    # What is said of figures tells itself since when.
    since = "" if alarm.rule == "drift" else _("since {time}").format(time=when(first.moved_at, zone, now))
    facts = [since, pace, _who(first, zone, now)]
    if others:
        facts.append(ngettext("{n} more alarm is open", "{n} more alarms are open", others).format(n=others))
    if not seen.awake and seen.looked_at:
        facts.append(_("nobody has watched since {time}").format(time=when(seen.looked_at, zone, now)))
    shape = "warning" if alarm.severity == Severity.WARNING else "alarm"
    facts = [fact for fact in facts if fact]
    return Saying(
        alarm.message,
        tuple(facts),
        alarm.suggestion,
        tuple((reverse("alarm", args=[each.alarm.pk]), each.alarm.message) for each in seen.alarms[:ALARMS_NAMED]),
        shape,
        alarm.severity,
        str(alarm.get_severity_display()),
    )


def _who(alarm: OpenAlarm, zone: ZoneInfo, now: datetime) -> str:
    if not alarm.by:
        return _("nobody is on it yet")
    if alarm.until:
        return _("{by} is on it until {time}").format(by=alarm.by, time=when(alarm.until, zone, now))
    return _("{by} is on it").format(by=alarm.by)


# The page of one figure


@dataclass(frozen=True)
class Row:
    """A window in the table below a chart."""

    at: datetime
    label: str
    value: str
    number: float
    n: int
    missing: int
    outside: bool  # of the usual band


def rows_of(trace: Trace, period: Period, zone: ZoneInfo) -> list[Row]:
    """The newest first."""
    form = "H:i" if period.span == Span.MINUTES else "D j N"
    return [_row(point, trace, zone, form) for point in reversed(trace.points)]


def _row(point: Point, trace: Trace, zone: ZoneInfo, form: str) -> Row:
    start = (point.at - trace.step / 2).astimezone(zone)
    bands = trace.usual
    outside = bool(bands) and not any(band.low <= point.value <= band.high for band in bands)
    return Row(
        start, dateformat.format(start, form), write(trace.figure, point.value), point.value, point.n, point.missing,
        outside,
    )  # fmt: skip


def ticks_of(trace: Trace, period: Period, since: datetime, until: datetime, zone: ZoneInfo) -> Ticks:
    """Every three hours, every other day, or every other week."""
    step, form = {
        "today": (timedelta(hours=3), "H:i"), "14": (timedelta(days=2), "D j N"), "90": (timedelta(days=14), "j N")
    }[period.key]  # fmt: skip
    start = since.astimezone(zone)
    if period.span == Span.MINUTES:
        start = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3 - start.hour % 3)
    else:
        start += period.step / 2
    moments = []
    while start < until:
        moments.append((start, dateformat.format(start, form)))
        start += step
    return Ticks(moments, lambda value: write(trace.figure, value))


def pace_of(seen: Glance) -> str:
    """How fast what moved first goes on, as far as that is known."""
    found = pace(seen.alarms[0].alarm) if seen.alarms else None
    if found is None:
        return ""
    if found.shape == "unknown" or not math.isfinite(found.low):
        return _("sudden or gradual is not known yet")
    if found.shape == "sudden":
        return _("it came at once")
    words = _("it goes on by {slope} a day ({low} to {high})")
    return words.format(
        slope=_signed(found, found.slope), low=_signed(found, found.low), high=_signed(found, found.high)
    )


def _signed(found: Pace, value: float) -> str:
    written = write(found.figure, abs(value))
    return f"−{written}" if value < 0 else f"+{written}"


def rhythm_of(alarm_every: int, warn_every: int, per_day: float | None) -> str:
    """What 'one in so many parts' comes to on a calendar."""
    if not per_day:
        return _("How often that is, is said here once the line has had parts for a day.")
    words = _("At {n:,.0f} parts a day that is a false warning in {warning} and a false alarm in {alarm}.")
    return words.format(n=per_day, warning=_lasting(warn_every / per_day), alarm=_lasting(alarm_every / per_day))


def _lasting(days: float) -> str:
    if days >= 730:
        return ngettext("{n:.0f} year", "{n:.0f} years", round(days / 365)).format(n=days / 365)
    if days >= 1.5:
        return ngettext("{n:,.0f} day", "{n:,.0f} days", round(days)).format(n=days)
    return ngettext("{n:.0f} hour", "{n:.0f} hours", round(24 * days)).format(n=24 * days)
