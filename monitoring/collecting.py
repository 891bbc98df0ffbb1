"""One look at one source of a line: new rows become windows, baselines, the detectors' states and findings.

What is read is worked out without a lock and written in one transaction, which begins by locking the cursor: of two
workers at once the second finds that the cursor has moved on, and drops its work. So a restart in the middle of a look
loses nothing and counts nothing twice.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max

from inspection.models import Line
from monitoring import buckets, windows
from monitoring import figures as catalogue
from monitoring.actions.finding import RULE, add_finding
from monitoring.actions.watching import policy_of
from monitoring.detection import Group, Hit, Mark, Usual, Watching, count_of, scalar_of
from monitoring.figures import BY_NAME, FIGURES, Figure, Kind
from monitoring.learning import Learning
from monitoring.models import (
    Alarm,
    Baseline,
    Cursor,
    DetectorState,
    Finding,
    Relearning,
    Severity,
    Stream,
    WatchPolicy,
)
from monitoring.sources import Point, Reading, Source
from monitoring.streams import Place, place_of, streams_of
from shadow.models import live_version

FIRST_LOOK = timedelta(days=30)  # how far back a line that was never watched is read
FIRST_PARTS = "the first parts"
RECENT = 40  # parts whose values are remembered, of which the farthest are shown
EXAMPLES = 6
KEPT = 2_000  # baselines per process

VECTORS = {"network.features"}


@dataclass(frozen=True)
class Terms:
    """How the line is watched now. `detectors` is how many it has: they share its false alarms."""

    line: Line
    policy: WatchPolicy
    version: int | None
    detectors: int
    stations: Mapping[int, str]
    relearnings: tuple[Relearning, ...]
    shift_of: Callable[[datetime], str]
    now: datetime

    def watches(self, stream: Stream) -> bool:
        """Whether detectors look at a stream: of the live version alone, for only that one decides."""
        figure = BY_NAME[stream.figure]
        return (
            figure.watched
            and figure.kind != Kind.LOAD
            and figure.name not in self.policy.unwatched
            and stream.version_id in (None, self.version)
        )

    def every(self, stream: Stream, station: str) -> tuple[float, float]:
        """Parts to a false alarm of one detector of a stream, as a warning and as an alarm."""
        factors = self.policy.factors
        factor = factors.get(f"{stream.figure}@{station}", factors.get(stream.figure, 1.0))
        shared = max(1, self.detectors) * factor
        return self.policy.warn_every * shared, self.policy.alarm_every * shared

    def relearned(self, stream: Stream, since: int) -> Relearning | None:
        """The last event of this stream that its detectors do not know of."""
        concerned = [
            event
            for event in self.relearnings
            if event.pk > since
            and event.station_id in (None, stream.station_id)
            and (not event.figures or stream.figure in event.figures)
        ]
        return concerned[-1] if concerned else None

    def severity_of(self, figure: str, hit: Hit) -> str:
        """Only what is worse is critical: a line is not lowered because fewer of its parts lack an answer."""
        if hit.severity == Severity.ALARM and figure in self.policy.critical and _is_worse(hit):
            return Severity.CRITICAL
        return hit.severity

    def of_its_own(self, figure: Figure, point: Point) -> str:
        """Which of a stream's baselines a value belongs to: its group's, where groups have their own, else its shift's."""
        return point.group[:40] if figure.by_group else self.shift_of(point.at)


class Seen(NamedTuple):
    """A detector's hit, at which part, and the parts that show it best."""

    stream: Stream
    hit: Hit
    part: int
    examples: list[int]


@dataclass
class Eye:
    """The detectors of one stream and shift while a look lasts."""

    stream: Stream
    row: DetectorState
    figure: Figure
    learning: Learning | None = None
    watching: Watching | None = None
    compared: Watching | None = None  # beside the version before, while this one's own baseline is learned
    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=RECENT))
    learned: Learning | None = None  # just now: its baseline is to be written
    reason: str = FIRST_PARTS

    def take(self, point: Point, every: tuple[float, float]) -> list[Seen]:
        """Let the detectors have one part's value, or learn from it."""
        mark, scalar = point.at.timestamp(), scalar_of(point.value)
        if scalar is not None:
            self.recent.append((point.part, scalar))
        if self.watching:
            return self._seen(self.watching.update(point.value, mark, point.group), point)
        hits = self.compared.update(point.value, mark, point.group) if self.compared else []
        learning = self.learning or Learning(self.figure.batch)
        learning.add(point.value, point.part, mark, point.group)
        if learning.ready:
            self.learned, self.learning, self.compared = learning, None, None
            self.watching = watching_of(self.figure, learning.usual(rate=self.figure.kind == Kind.RATE), every, {})
        return self._seen([hit for hit in hits if _is_worse(hit)], point)

    def _seen(self, hits: Sequence[Hit], point: Point) -> list[Seen]:
        return [Seen(self.stream, hit, point.part, self._farthest(hit)) for hit in hits]

    def _farthest(self, hit: Hit) -> list[int]:
        """Of the last parts those farthest from what was before, on the side to which the figure moved."""
        before, side = hit.before or 0.0, 0.0 if hit.after is None else hit.after - (hit.before or 0.0)
        moved = (lambda value: (value - before) * side) if side else (lambda value: abs(value - before))
        return [part for part, value in sorted(self.recent, key=lambda pair: -moved(pair[1]))[:EXAMPLES]]

    def to_row(self) -> DetectorState:
        state: dict[str, Any] = {"recent": [list(pair) for pair in self.recent], "reason": self.reason}
        for name in ("learning", "watching", "compared"):
            if found := getattr(self, name):
                state[name] = found.to_json()
        self.row.state = state
        return self.row


def _is_worse(hit: Hit) -> bool:
    """Whether the figure rose: what is critical, or held against another version, is bad when it is high."""
    return hit.after is not None and hit.before is not None and hit.after > hit.before


def watching_of(figure: Figure, usual: Usual, every: tuple[float, float], state: Mapping[str, Any]) -> Watching:
    """The detectors of a figure over a baseline; an empty state is a new beginning."""
    return Watching.from_json(figure.kind, usual, *every, state, instants=figure.group == catalogue.Group.INPUT)


def usual_of(baseline: Baseline) -> Usual:
    """A frozen baseline as the detectors take it."""
    figures = (baseline.n, baseline.mean, baseline.sd, baseline.batch, baseline.batch_sd)
    groups = {name: Group(*known) for name, known in baseline.groups.items()}
    return Usual(*figures, sample=tuple(baseline.sample), groups=groups)


_kept: OrderedDict[tuple[Any, ...], Usual] = OrderedDict()


def _usual(baseline: Baseline) -> Usual:
    """Baselines never change, so a process reads the sample of each once; `baseline` is without it."""
    key = (baseline.pk, baseline.stream_id, baseline.mean, baseline.sd, baseline.learned_to)
    if key not in _kept:
        _kept[key] = usual_of(baseline)  # reads what was deferred
    _kept.move_to_end(key)
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return _kept[key]


DEFERRED = ("sample", "groups", "parts", "reason")


def terms_of(line: Line, *, now: datetime) -> Terms:
    policy, live = policy_of(line), live_version(line)
    shifts = list(line.shifts.all()) if policy.by_shift else []

    def shift_of(moment: datetime) -> str:
        clock = moment.astimezone(line.zone).time()
        return next((shift.name for shift in shifts if shift.covers(clock)), "")

    stations = tuple(line.stations.all())
    return Terms(
        line=line, policy=policy, version=live.pk if live else None, detectors=_detectors(policy, len(stations)),
        stations={station.pk: station.slug for station in stations}, relearnings=tuple(Relearning.objects.filter(line=line)),
        shift_of=shift_of, now=now,
    )  # fmt: skip


def _detectors(policy: WatchPolicy, stations: int) -> int:
    """How many detectors a line has, by the catalogue: a figure that has not come yet must not lower the thresholds."""
    watched = [figure for figure in FIGURES if figure.watched and figure.name not in policy.unwatched]
    return sum(
        count_of(figure.kind, figure.name in VECTORS) * (max(1, stations) if figure.by_station else 1)
        for figure in watched
    )


def collect(source: Source, terms: Terms) -> tuple[int, bool]:
    """Read what is new of a source on a line: how many rows, and whether there may be more."""
    cursor = _cursor(terms.line, source, terms.now)
    upto = source.horizon(terms.line, cursor.seen_to, terms.now)
    if upto == cursor.seen_to:
        return 0, False
    readings = source.read(terms.line, cursor.seen_to, upto, terms.now)
    points = _points(readings)
    streams = streams_of(points)
    eyes, seen = _looked(points, streams, terms)
    tallies = windows.tallied(
        (
            (streams[place].pk, point.at, scalar_of(point.value))
            for place, found in points.items()
            for point in found
        ),
        terms.line.zone,
    )  # fmt: skip
    times = buckets.counted(
        (
            (streams[place].pk, BY_NAME[place.figure], point.at, scalar_of(point.value))
            for place, found in points.items()
            if BY_NAME[place.figure].is_latency
            for point in found
        ),
        terms.line.zone,
    )  # fmt: skip
    with transaction.atomic():
        held = Cursor.objects.select_for_update().get(pk=cursor.pk)
        if held.seen_to != cursor.seen_to:
            return 0, False  # another worker was here
        windows.add(tallies)
        buckets.add(times)
        _write(eyes)
        for one in seen:
            _file(one, terms)
        held.seen_to, held.at = upto, terms.now
        held.save(update_fields=["seen_to", "at"])
    return len(readings), True


def _cursor(line: Line, source: Source, now: datetime) -> Cursor:
    name = f"{line.pk}/{source.name}"
    found = Cursor.objects.filter(name=name).first()
    if found:
        return found
    start = {"line": line, "seen_to": source.key_before(now - FIRST_LOOK)}
    return Cursor.objects.get_or_create(name=name, defaults=start)[0]


def _points(readings: Iterable[Reading]) -> dict[Place, list[Point]]:
    """The values of each stream, in the order of the rows."""
    found: dict[Place, list[Point]] = defaultdict(list)
    known: dict[tuple[str, int | None, int | None], Place] = {}
    for reading in readings:
        for figure, value in reading.values.items():
            if figure not in BY_NAME:
                continue  # a stage that a version of its own brought along
            key = (figure, reading.station_id, reading.version_id)
            if key not in known:
                known[key] = place_of(figure, reading.line_id, reading.station_id, reading.version_id)
            found[known[key]].append(Point(reading.at, reading.part, value, reading.group))
    return found


# ---- The detectors


def _looked(
    points: Mapping[Place, Sequence[Point]], streams: Mapping[Place, Stream], terms: Terms
) -> tuple[list[Eye], list[Seen]]:
    """Let the detectors of all streams have their values; nothing is written yet."""
    watched = {streams[place].pk: found for place, found in points.items() if terms.watches(streams[place])}
    by_key = {stream.pk: stream for stream in streams.values() if stream.pk in watched}
    rows = {
        (row.stream_id, row.shift): row
        for row in DetectorState.objects.filter(stream__in=by_key)
        .select_related("baseline")
        .defer(*(f"baseline__{name}" for name in DEFERRED))
    }
    quiet, newest = _closed(rows.values(), terms.line), _newest(by_key)
    eyes: dict[tuple[int, str], Eye] = {}
    seen: list[Seen] = []
    for pk, found in watched.items():
        stream = by_key[pk]
        every = terms.every(stream, terms.stations.get(stream.station_id or 0, ""))
        for point in found:
            key = (pk, terms.of_its_own(BY_NAME[stream.figure], point))
            if key not in eyes:
                row = rows.get(key) or DetectorState(stream=stream, shift=key[1])
                eyes[key] = _opened(stream, row, terms, every, over=pk in quiet, newest=newest.get(key, 0))
            seen += eyes[key].take(point, every)
    return list(eyes.values()), seen


def _opened(
    stream: Stream, row: DetectorState, terms: Terms, every: tuple[float, float], *, over: bool, newest: int
) -> Eye:
    """The detectors as the last look left them: learning anew after an event, fresh after their alarm was closed, and
    on the baseline that a person has widened since."""
    figure = BY_NAME[stream.figure]
    eye = Eye(stream, row, figure, reason=row.state.get("reason", FIRST_PARTS))
    eye.recent.extend((part, value) for part, value in row.state.get("recent", ()))
    event = terms.relearned(stream, row.relearned)
    if event:
        row.relearned = event.pk
    if event and row.pk:  # of a stream that is new nothing was learned yet, so nothing is learned anew
        row.baseline, eye.reason = None, event.reason
    if row.baseline:
        widened = newest > row.baseline.pk
        row.baseline = Baseline.objects.defer(*DEFERRED).get(pk=newest) if widened else row.baseline
        state = {} if widened else row.state.get("watching", {})
        eye.watching = watching_of(figure, _usual(row.baseline), every, state)
        if over:
            eye.watching.reset()
        return eye
    saved = {} if event and row.pk else row.state
    eye.learning = Learning.from_json(saved["learning"]) if "learning" in saved else Learning(figure.batch)
    before = _version_before(stream, row.shift, row.relearned)
    if before:
        eye.compared = watching_of(figure, before, every, saved.get("compared", {}))
        if over:
            eye.compared.reset()
    return eye


def _newest(streams: Iterable[int]) -> dict[tuple[int, str], int]:
    """The last baseline of each stream and shift: detectors write one when they have learned, a person a wider one."""
    rows = Baseline.objects.filter(stream__in=list(streams)).order_by().values_list("stream", "shift")
    return {(stream, shift): last for stream, shift, last in rows.annotate(last=Max("pk"))}


def _version_before(stream: Stream, shift: str, relearned: int) -> Usual | None:
    """The baseline of the version before, for the rates by which a release is judged while its own is learned.

    One that is learned anew, or was learned before the last event, is no measure: people said that it holds no more.
    """
    figure = BY_NAME[stream.figure]
    judged = (
        figure.kind == Kind.RATE
        and figure.of_version
        and (figure.group == catalogue.Group.AGREEMENT or figure.critical)
    )
    if not judged:
        return None
    others = DetectorState.objects.filter(
        stream__line=stream.line_id, stream__station=stream.station_id, stream__figure=stream.figure, shift=shift,
        baseline__isnull=False, relearned__gte=relearned,
    ).exclude(stream=stream)  # fmt: skip
    learned = Baseline.objects.filter(stream__in=others.values("stream"), shift=shift)
    last = learned.order_by("-pk").defer(*DEFERRED).first()
    return _usual(last) if last else None


def _closed(rows: Iterable[DetectorState], line: Line) -> set[int]:
    """The streams that have raised something of which no alarm is open any more: their detectors begin again."""
    raised = {
        row.stream_id
        for row in rows
        if row.state.get("watching", {}).get("raised") or row.state.get("compared", {}).get("raised")
    }
    if not raised:
        return raised
    open_alarms = Alarm.objects.open().filter(line=line, rule=RULE)
    return raised - set(
        Finding.objects.filter(alarm__in=open_alarms, stream__in=raised).values_list("stream", flat=True)
    )


# ---- What is written


def _write(eyes: Sequence[Eye]) -> None:
    for eye in eyes:
        if eye.learned:
            eye.row.baseline = freeze(eye.stream, eye.row.shift, eye.learned, eye.reason)
    DetectorState.objects.bulk_create(
        [eye.to_row() for eye in eyes],
        update_conflicts=True,
        unique_fields=["stream", "shift"],
        update_fields=["baseline", "state", "relearned", "updated_at"],
    )


def freeze(stream: Stream, shift: str, learned: Learning, reason: str) -> Baseline:
    """Write down what is usual from now on."""
    usual = learned.usual(rate=BY_NAME[stream.figure].kind == Kind.RATE)
    return Baseline.objects.create(
        stream=stream, shift=shift, n=usual.n, mean=usual.mean, sd=usual.sd, batch=usual.batch,
        batch_sd=usual.batch_sd, sample=list(usual.sample), groups=usual.groups, parts=learned.parts,
        reason=reason[:300], learned_from=_moment(learned.since), learned_to=_moment(learned.until),
    )  # fmt: skip


def _moment(mark: Mark) -> datetime:
    return datetime.fromtimestamp(float(mark or 0), UTC)


def _file(seen: Seen, terms: Terms) -> None:
    stream, hit = seen.stream, seen.hit
    add_finding(
        line=terms.line, station=stream.station, stream=stream, detector=hit.detector,
        severity=terms.severity_of(stream.figure, hit), part=seen.part, before=hit.before, after=hit.after,
        moved_at=_moment(hit.since), examples=seen.examples, now=terms.now,
    )  # fmt: skip
