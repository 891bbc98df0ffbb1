"""What the figures of a line did in a period, read from their windows: it costs days and figures, never parts."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from django.db import connections
from django.db.models import Max, Min, Q, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inspection.models import Line
from monitoring.actions.watching import policy_of
from monitoring.detectors import Shape, rate_of_change
from monitoring.figures import BY_NAME, STAGES, Figure, Kind
from monitoring.models import (
    Alarm,
    AlarmAction,
    Cursor,
    DetectorState,
    Finding,
    Relearning,
    Severity,
    Span,
    Stream,
    WatchPolicy,
    Window,
)
from monitoring.watching import look_of
from shadow.models import ModelVersion, live_version

BAND_SD = 2.0  # of 100 batches from which the usual was learned, 95 lie in the band
RATE_PARTS = 100  # a band of a rate is drawn for so many parts: of 20 it would begin at nothing
POLICIES = 50  # of a line are listed
RATE_STEP = timedelta(hours=1)  # of 20 parts in 10 minutes a share says nothing
PACE, PACE_PARTS = timedelta(days=14), 10_000  # how far after a change it is followed
ASLEEP = timedelta(minutes=10)  # without a look: nobody watches, and a quiet page would lie


@dataclass(frozen=True)
class Period:
    """How far back a page reaches, and in windows of which length."""

    key: str
    label: str | Promise
    span: Span
    length: timedelta
    step: timedelta
    recent: timedelta  # what counts as now


_DAY = timedelta(days=1)
TODAY = Period("today", _("24 hours"), Span.MINUTES, _DAY, timedelta(minutes=10), timedelta(hours=1))
FORTNIGHT = Period("14", _("14 days"), Span.DAY, 14 * _DAY, _DAY, _DAY)
QUARTER = Period("90", _("90 days"), Span.DAY, 90 * _DAY, _DAY, _DAY)
PERIODS = {period.key: period for period in (TODAY, FORTNIGHT, QUARTER)}


@dataclass(frozen=True, slots=True)
class Point:
    """A window: its middle, the mean of its values, how many they were, and of how many it is not known."""

    at: datetime
    value: float
    n: int
    missing: int


@dataclass(frozen=True)
class Usual:
    """A frozen baseline as a band; `shift` names the one it belongs to where the line watches by shift."""

    shift: str
    mean: float
    low: float
    high: float
    n: int
    reason: str
    learned_from: datetime
    learned_to: datetime


@dataclass(frozen=True)
class Moved:
    """What was found of a stream for an alarm that is open."""

    alarm: int
    severity: Severity
    at: datetime
    before: float | None
    after: float | None


class State(StrEnum):
    """How a stream stands, the gravest first."""

    MOVED = "moved"
    OVER = "over"  # a load above its limit
    LEARNING = "learning"
    QUIET = "quiet"
    DRAWN = "drawn"  # kept and drawn, raises no alarm
    SILENT = "silent"  # nothing came in the period


STATE_WORDS = {
    State.MOVED: pgettext_lazy("figure", "moved"),
    State.OVER: pgettext_lazy("figure", "over its limit"),
    State.LEARNING: pgettext_lazy("figure", "learning what is usual"),
    State.QUIET: pgettext_lazy("figure", "as usual"),
    State.DRAWN: pgettext_lazy("figure", "drawn only"),
    State.SILENT: pgettext_lazy("figure", "no values"),
}


@dataclass(frozen=True)
class Trace:
    """One stream in a period: its windows, what is usual, and whether it moved."""

    stream: int
    figure: Figure
    station: str
    station_slug: str
    version: str
    host: str
    points: tuple[Point, ...]
    usual: tuple[Usual, ...]
    moved: Moved | None
    watched: bool
    now: Point | None  # the latest windows together
    step: timedelta
    limit: float | None  # of a load, above which it is an alarm

    @property
    def gap(self) -> timedelta:
        """Windows that lie further apart are not joined by a line: nothing came between them."""
        return 3.5 * self.step

    @property
    def state(self) -> State:
        if self.moved:
            return State.MOVED
        if not self.points:
            return State.SILENT
        if self.figure.kind == Kind.LOAD:
            over = self.limit is not None and self.now is not None and self.now.value > self.limit
            return State.OVER if over else State.DRAWN
        if not self.watched:
            return State.DRAWN
        return State.QUIET if self.usual else State.LEARNING


@dataclass(frozen=True)
class Stage:
    """A step of a part's way with its figures; `first`: what moved, moved here first."""

    name: str
    traces: tuple[Trace, ...]
    first: bool

    @property
    def state(self) -> State:
        states = {trace.state for trace in self.traces}
        return next((state for state in State if state in states), State.SILENT)

    @property
    def moved(self) -> int:
        return sum(trace.state in (State.MOVED, State.OVER) for trace in self.traces)

    @property
    def ms(self) -> Trace | None:
        """How long the stage takes, where it is timed."""
        return next((trace for trace in self.traces if trace.figure.name == f"{self.name}.ms"), None)


@dataclass(frozen=True)
class OpenAlarm:
    """An alarm that is not over, who is on it, and since when what moved is taken to have moved."""

    alarm: Alarm
    by: str
    until: datetime | None
    moved_at: datetime


@dataclass(frozen=True)
class Glance:
    """A line at one glance: what is open, the gravest first; since when it is quiet; whether somebody watches at all."""

    line: Line
    alarms: tuple[OpenAlarm, ...]
    quiet_since: datetime | None
    looked_at: datetime | None
    awake: bool
    learning: int  # streams that do not know yet what is usual
    watching: int  # streams that do


@dataclass(frozen=True)
class Dashboard:
    """A line in a period: the glance, and every figure along a part's way."""

    line: Line
    period: Period
    since: datetime
    until: datetime
    glance: Glance
    stages: tuple[Stage, ...]
    stations: tuple[tuple[str, str], ...]
    versions: tuple[str, ...]
    version: str

    @property
    def traces(self) -> list[Trace]:
        return [trace for stage in self.stages for trace in stage.traces]


def dashboard(
    line: Line, *, period: Period, now: datetime, station: str = "", version: str = "", stream: int | None = None
) -> Dashboard:
    """Everything that the line's page shows; of one station and one version, or one stream, when they are asked for."""
    since, until = reach_of(line, period, now)
    streams = list(_streams(line))
    versions = _versions(streams)
    shown = version if version in versions else _shown(line, versions)
    stations = tuple(sorted({(stream.station.slug, stream.station.name) for stream in streams if stream.station}))
    if stream is None:
        asked = [each for each in streams if _is_of(each, station=station, version=shown)]
    else:
        asked = [each for each in streams if each.pk == stream]
    found = _moved(line)
    traces = _traces(line, asked, found, period, since, until)
    return Dashboard(
        line, period, since, until, glance(line, now=now), _stages(traces), stations, versions, shown
    )  # fmt: skip


def _is_of(stream: Stream, *, station: str, version: str) -> bool:
    """A stream of all stations, or of all versions, belongs to each of them."""
    of_version = stream.version is None or stream.version.name == version
    return of_version and (not station or stream.station is None or stream.station.slug == station)


def traces_of(line: Line, *, period: Period, now: datetime, figures: Collection[str]) -> list[Trace]:
    """The named figures of the version that is live, and whatever else moved, in the order of a part's way."""
    since, until = reach_of(line, period, now)
    streams, found = list(_streams(line)), _moved(line)
    shown = _shown(line, _versions(streams))
    asked = [
        stream
        for stream in streams
        if stream.pk in found or (stream.figure in figures and _is_of(stream, station="", version=shown))
    ]
    return _traces(line, asked, found, period, since, until)


def reach_of(line: Line, period: Period, now: datetime) -> tuple[datetime, datetime]:
    """From when to when a period goes: whole days by the line's clock, or up to this moment."""
    if period.span == Span.MINUTES:
        return now - period.length, now
    tomorrow = now.astimezone(line.zone).date() + _DAY
    return (
        datetime.combine(tomorrow - period.length, time(), line.zone),
        datetime.combine(tomorrow, time(), line.zone),
    )


def _streams(line: Line) -> Iterable[Stream]:
    """The line's streams and the factory's, of figures that are still kept, in the order of the catalogue."""
    order = {name: place for place, name in enumerate(BY_NAME)}
    rows = Stream.objects.filter(Q(line=line) | Q(line=None), figure__in=BY_NAME)
    rows = rows.select_related("station", "version").only(
        "key", "figure", "station__slug", "station__name", "version__name"
    )
    return sorted(rows, key=lambda row: (order[row.figure], row.key))


def _versions(streams: Iterable[Stream]) -> tuple[str, ...]:
    return tuple(sorted({stream.version.name for stream in streams if stream.version}))


def _shown(line: Line, versions: Collection[str]) -> str:
    """The live version's figures, or the newest's where none is live."""
    live = live_version(line)
    if live and live.name in versions:
        return live.name
    newest = ModelVersion.objects.filter(name__in=versions).order_by("-pk").values_list("name", flat=True)
    return newest.first() or ""


def _traces(
    line: Line,
    streams: list[Stream],
    found: dict[int, Moved],
    period: Period,
    since: datetime,
    until: datetime,
) -> list[Trace]:
    points, usual, policy = _points(streams, period, since, until), _usual(streams), policy_of(line)
    unwatched = set(policy.unwatched)
    traces = []
    for stream in streams:
        figure, own = BY_NAME[stream.figure], points[stream.pk]
        step = max(period.step, RATE_STEP) if figure.kind == Kind.RATE else period.step
        drawn = hourly(own) if step > period.step else own
        traces.append(
            Trace(
                stream.pk, figure, stream.station.name if stream.station else "",
                stream.station.slug if stream.station else "", stream.version.name if stream.version else "",
                stream.key.partition("@")[2], tuple(drawn), tuple(usual[stream.pk]), found.get(stream.pk),
                figure.watched and figure.name not in unwatched, _together(own, period), step,
                policy.limit_of(figure),
            )
        )  # fmt: skip
    return traces


def _points(streams: list[Stream], period: Period, since: datetime, until: datetime) -> dict[int, list[Point]]:
    """The windows in the order of their time, as the index of the table keeps them.

    Read without the ORM's converters: of nine thousand rows they would take longer than the database does. SQLite keeps
    UTC and does not say so.
    """
    rows = Window.objects.filter(
        stream__in=[stream.pk for stream in streams], span=period.span, start__gte=since - period.step, start__lt=until,
        n__gt=0,
    ).order_by("stream", "start")  # fmt: skip
    half, points = period.step / 2, defaultdict[int, list[Point]](list)
    if not streams:
        return points
    statement, values = rows.values_list("stream_id", "start", "n", "missing", "total").query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(statement, values)
        middles: dict[datetime, datetime] = {}
        for stream, start, n, missing, total in cursor.fetchall():
            at = middles.get(start)
            if at is None:
                at = middles[start] = (start if start.tzinfo else start.replace(tzinfo=UTC)) + half
            if at >= since:
                points[stream].append(Point(at, total / n, n, missing))
    return points


def hourly(points: Iterable[Point]) -> list[Point]:
    """The windows of an hour as one."""
    by_hour: dict[tuple[int, int], list[Point]] = defaultdict(list)
    for point in points:
        by_hour[point.at.toordinal(), point.at.hour].append(point)
    middles = (own[0].at.replace(minute=30, second=0, microsecond=0) for own in by_hour.values())
    return [_pooled(own, middle) for own, middle in zip(by_hour.values(), middles, strict=True)]


def _pooled(points: list[Point], at: datetime) -> Point:
    n = sum(point.n for point in points)
    return Point(at, sum(point.value * point.n for point in points) / n, n, sum(point.missing for point in points))


def _together(points: list[Point], period: Period) -> Point | None:
    """The last windows as one, so that a thin one does not speak alone."""
    if not points:
        return None
    last = points[-1].at
    return _pooled([point for point in points[-6:] if last - point.at < period.recent], last)


def _usual(streams: list[Stream]) -> dict[int, list[Usual]]:
    """The baseline that holds, for each shift that has one. A sample's values stay where they are: they are large."""
    rows = DetectorState.objects.filter(stream__in=[stream.pk for stream in streams], baseline__isnull=False)
    bands = defaultdict(list)
    names = ("n", "mean", "sd", "batch", "batch_sd", "reason", "learned_from", "learned_to")
    fields = ("stream_id", "stream__figure", "shift", *(f"baseline__{name}" for name in names))
    for stream, name, shift, n, mean, sd, batch, batch_sd, reason, start, end in rows.order_by("shift").values_list(
        *fields
    ):
        low, high = band_of(BY_NAME[name], mean, sd, batch, batch_sd)
        bands[stream].append(Usual(shift, mean, low, high, n, reason, start, end))
    return bands


def band_of(figure: Figure, mean: float, sd: float, batch: int, batch_sd: float) -> tuple[float, float]:
    """Where 95 of 100 batches of parts lay while the usual was learned; a rate's for 100 parts, within 0 and 1."""
    if figure.kind == Kind.RATE:
        half = BAND_SD * (mean * (1 - mean) / RATE_PARTS) ** 0.5 if 0 <= mean <= 1 else 0.0
        return max(0.0, mean - half), min(1.0, mean + half)
    half = BAND_SD * max(batch_sd, sd) / max(batch, 1) ** 0.5
    return mean - half, mean + half


def _moved(line: Line) -> dict[int, Moved]:
    """What the open alarms of the line rest on, by stream: since when, and its last finding. Two queries, any storm."""
    findings = Finding.objects.filter(alarm__in=Alarm.objects.open().filter(line=line))
    by_stream = findings.order_by().values_list("stream").annotate(Max("pk"), Min("moved_at"))
    latest = {last: moved_at for _stream, last, moved_at in by_stream}
    rows = Finding.objects.filter(pk__in=latest).values_list("pk", "stream", "alarm", "severity", "before", "after")
    return {
        stream: Moved(alarm, Severity(severity), latest[pk], before, after)
        for pk, stream, alarm, severity, before, after in rows
    }


def _stages(traces: list[Trace]) -> tuple[Stage, ...]:
    """Along a part's way; of the stages where something moved, the one where it moved earliest is the first."""
    by_stage = defaultdict(list)
    for trace in traces:
        by_stage[trace.figure.stage].append(trace)
    starts = [(trace.moved.at, STAGES.index(trace.figure.stage)) for trace in traces if trace.moved]
    first = STAGES[min(starts)[1]] if starts else ""
    return tuple(Stage(name, tuple(by_stage[name]), name == first) for name in STAGES if by_stage[name])


def glance(line: Line, *, now: datetime) -> Glance:
    """The line's alarms that are not over, and if there are none, since when it is quiet."""
    alarms = open_alarms(line, now=now)
    states = DetectorState.objects.filter(stream__line=line).values_list("stream", "baseline__learned_to")
    learned = [end for _stream, end in states if end]
    looked_at = Cursor.objects.filter(name=look_of(line)).values_list("at", flat=True).first()
    quiet = (
        None
        if alarms
        else max(filter(None, [_last_closed(line), _last_relearned(line), min(learned, default=None)]), default=None)
    )
    awake = looked_at is not None and now - looked_at < ASLEEP
    return Glance(line, alarms, quiet, looked_at, awake, len(states) - len(learned), len(learned))


def _last_closed(line: Line) -> datetime | None:
    closed = AlarmAction.objects.filter(alarm__line=line, action=AlarmAction.Action.CLOSED)
    return closed.aggregate(at=Max("at"))["at"]


def _last_relearned(line: Line) -> datetime | None:
    return Relearning.objects.filter(line=line).aggregate(at=Max("at"))["at"]


@dataclass(frozen=True)
class Pace:
    """How what moved first goes on: its shape, and the slope per day between two bounds."""

    figure: Figure
    shape: Shape
    slope: float
    low: float
    high: float


def pace(alarm: Alarm) -> Pace | None:
    """The pace of what moved first for an alarm, from its windows; None where no figure moved.

    Each window stands for its parts: the fit takes means of blocks in any case, and a page must not read parts.
    """
    finding = alarm.findings.select_related("stream").order_by("moved_at", "pk").first()
    if finding is None or finding.stream.figure not in BY_NAME:
        return None
    around = (finding.moved_at - _DAY, finding.moved_at + PACE)
    rows = Window.objects.filter(stream=finding.stream, span=Span.MINUTES, start__range=around, n__gt=0)
    series, before = [], 0
    for start, n, total in rows.order_by("start").values_list("start", "n", "total"):
        series += [(start + TODAY.step / 2, total / n)] * n
        before += n if start + TODAY.step / 2 < finding.moved_at else 0
        if len(series) - before > PACE_PARTS:
            break
    return Pace(BY_NAME[finding.stream.figure], *rate_of_change(series, alarm=before))


def parts_per_day(line: Line, now: datetime) -> float | None:
    """How many parts the line has had on the days of the last fortnight on which it ran."""
    since, until = reach_of(line, FORTNIGHT, now)
    rows = Window.objects.filter(
        stream__line=line, stream__figure="intake.views", span=Span.DAY, start__gte=since, start__lt=until - _DAY
    )
    days = rows.order_by().values_list("start").annotate(Sum("n"))
    counts = [n for _start, n in days if n]
    return sum(counts) / len(counts) if counts else None


def policies_of(line: Line) -> list[WatchPolicy]:
    """How the line was watched, the newest first."""
    return list(WatchPolicy.objects.filter(line=line).order_by("-number")[:POLICIES])


def open_alarms(line: Line, *, now: datetime) -> tuple[OpenAlarm, ...]:
    """The gravest first, of equal ones the one that nobody is on, then the oldest."""
    rows = list(Alarm.objects.open().filter(line=line).select_related("line", "station"))
    pks = [alarm.pk for alarm in rows]
    started = dict(Finding.objects.filter(alarm__in=pks).order_by().values_list("alarm").annotate(Min("moved_at")))
    taken = AlarmAction.objects.filter(alarm__in=pks, action=AlarmAction.Action.ACKNOWLEDGED).select_related("by")
    last = {action.alarm_id: action for action in taken.order_by("pk")}  # a later one takes an earlier one's place
    found = []
    for alarm in rows:
        action = last.get(alarm.pk)
        action = action if action and action.holds(now) else None
        found.append(
            OpenAlarm(
                alarm, str(action.by) if action else "", action.until if action else None,
                started.get(alarm.pk) or alarm.opened_at,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-Severity(one.alarm.severity).rank, bool(one.by), one.moved_at)))
