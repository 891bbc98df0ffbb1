"""What would have been: the parts of the last 30 days go through detectors as they are, and as they might be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from inspection.models import Inspection
from monitoring.adapting import GOES_WITH, RARER, Adapt, streams_moved
from monitoring.collecting import Terms, terms_of, usual_of, watching_of
from monitoring.detection import Usual, Watching
from monitoring.figures import BY_NAME, Kind
from monitoring.learning import Learning, needed
from monitoring.models import Alarm, Baseline, Cause, DetectorState, Finding, Severity, Stream
from monitoring.sources import Point, Source, source_of

SPAN = timedelta(days=30)
MOST, VALUES = 40_000, 100_000  # the newest parts of a line, and values of all figures: as many as a person waits for
STREAMS = 8  # the first that moved; the others moved with them
LOOKED_AT = timedelta(days=1)  # an alarm is taken to be closed after this, and what watches begins again

Points = Mapping[int, Sequence[Point]]  # by stream
Usuals = Mapping[tuple[int, str], Usual]  # by stream and shift


@dataclass(frozen=True)
class Choice:
    """One way to go on and how many alarms there would have been; None: too few parts to tell, of `needed`."""

    adapt: Adapt
    alarms: int | None
    parts: int = 0
    needed: int = 0


@dataclass(frozen=True)
class Replay:
    """Since when parts were watched again, how many; `whole`: that is all of the 30 days."""

    since: datetime
    parts: int
    whole: bool
    alarms: int  # with the watch as it is
    choices: tuple[Choice, ...]


def replay_of(alarm: Alarm, cause: Cause, *, now: datetime) -> Replay | None:
    """The replay behind the choices of a cause; None: the alarm rests on no figure whose parts could be read again."""
    streams = [stream for stream in streams_moved(alarm) if source_of(stream.figure)][:STREAMS]
    terms = terms_of(alarm.line, now=now)
    usuals = usuals_of(streams)
    if not usuals:
        return None
    since, whole = since_of(alarm, now, most=min(MOST, VALUES // len(streams)))
    if Adapt.RELEARN in GOES_WITH[cause]:
        since = max(since, _seen_at(alarm))
    points = points_of_all(streams, since, now=now)
    known = _after_learning(points, streams)
    least = Severity.WARNING if alarm.severity == Severity.WARNING else Severity.ALARM
    now_usual = alarms_over(known, streams, terms, usuals, least=least)
    choices = tuple(
        _choice(adapt, points, known, streams, terms, usuals, least, now_usual) for adapt in GOES_WITH[cause]
    )
    seen = {point.part: point.at for found in points.values() for point in found}
    return Replay(min(seen.values(), default=since), len(seen), whole, now_usual, choices)


def _choice(
    adapt: Adapt, points: Points, known: Points, streams: Sequence[Stream], terms: Terms, usuals: Usuals, least: str,
    as_it_is: int,
) -> Choice:  # fmt: skip
    match adapt:
        case Adapt.RARER:
            return Choice(adapt, alarms_over(known, streams, terms, usuals, least=least, factor=RARER))
        case Adapt.WIDER:
            wider = wider_usuals(points, streams, terms)
            if not wider:
                return _too_few(adapt, points, streams)
            return Choice(adapt, alarms_over(known, streams, terms, {**usuals, **wider}, least=least))
        case Adapt.RELEARN:
            anew = {stream.pk: points.get(stream.pk, ())[: _needed(stream)] for stream in streams}
            learned = wider_usuals(anew, streams, terms)
            if not learned:
                return _too_few(adapt, points, streams)
            rest = {stream.pk: points.get(stream.pk, ())[_needed(stream) :] for stream in streams}
            return Choice(adapt, alarms_over(rest, streams, terms, learned, least=least))
    return Choice(adapt, as_it_is)


def _too_few(adapt: Adapt, points: Points, streams: Sequence[Stream]) -> Choice:
    most = max(streams, key=lambda stream: len(points.get(stream.pk, ())))
    return Choice(adapt, None, parts=len(points.get(most.pk, ())), needed=_needed(most))


def _needed(stream: Stream) -> int:
    return needed(BY_NAME[stream.figure].batch)


def since_of(alarm: Alarm, now: datetime, *, most: int | None = None) -> tuple[datetime, bool]:
    """From when on: 30 days, or as far back as there are so many parts of the line; and whether that is all of them."""
    most = most or MOST
    newest = alarm.line.inspections.order_by("-received_at").values_list("received_at", flat=True)
    far = newest[most - 1 : most + 1]  # the last that is read, and whether there is one before it
    return (max(far[0], now - SPAN), far[0] <= now - SPAN) if len(far) > 1 else (now - SPAN, True)


def _seen_at(alarm: Alarm) -> datetime:
    """When the first part came at which it was surely seen: when it moved is an estimate, and parts of before are no
    part of a new normal."""
    parts = Finding.objects.filter(alarm=alarm).values("part")
    seen = Inspection.objects.filter(pk__in=parts).aggregate(first=Min("received_at"))["first"]
    return seen or alarm.opened_at


def usuals_of(streams: Sequence[Stream]) -> dict[tuple[int, str], Usual]:
    """The baselines that the streams' detectors hold now."""
    rows = DetectorState.objects.filter(stream__in=streams, baseline__isnull=False).select_related("baseline")
    return {(row.stream_id, row.shift): usual_of(row.baseline) for row in rows if row.baseline}


def points_of_all(streams: Iterable[Stream], since: datetime, *, now: datetime) -> dict[int, list[Point]]:
    """The values of several streams of one line, each source read once, in the order of its rows."""
    by_source: dict[str, tuple[Source, list[Stream]]] = {}
    for stream in streams:
        if source := source_of(stream.figure):
            by_source.setdefault(source.name, (source, []))[1].append(stream)
    found: dict[int, list[Point]] = {}
    for source, mine in by_source.values():
        line, after = mine[0].line, source.key_before(since)
        while line and (upto := source.horizon(line, after, now)) != after:
            for reading in source.read(line, after, upto, now):
                for stream in mine:
                    here = stream.station_id in (None, reading.station_id)
                    ours = here and stream.version_id in (None, reading.version_id)
                    if ours and stream.figure in reading.values and reading.at >= since:
                        value = reading.values[stream.figure]
                        found.setdefault(stream.pk, []).append(Point(reading.at, reading.part, value, reading.group))
            after = upto
    return found


def _after_learning(points: Points, streams: Sequence[Stream]) -> dict[int, list[Point]]:
    """Only what came after the baseline was learned: what it was learned from, and what was usual before it, tells
    nothing about it."""
    rows = Baseline.objects.filter(pk__in=DetectorState.objects.filter(stream__in=streams).values("baseline"))
    until: dict[int, datetime] = {}
    for stream, at in rows.values_list("stream", "learned_to"):
        until[stream] = max(at, until.get(stream, at))
    return {pk: [point for point in found if pk in until and point.at > until[pk]] for pk, found in points.items()}


def wider_usuals(points: Points, streams: Sequence[Stream], terms: Terms) -> dict[tuple[int, str], Usual]:
    """What would be usual if all of these parts were; a stream and shift with too few of them is left out."""
    rates = {stream.pk: BY_NAME[stream.figure].kind == Kind.RATE for stream in streams}
    learned = learned_from(points, streams, terms)
    return {key: learning.usual(rate=rates[key[0]]) for key, learning in learned.items()}


def learned_from(points: Points, streams: Sequence[Stream], terms: Terms) -> dict[tuple[int, str], Learning]:
    learnings: dict[tuple[int, str], Learning] = {}
    for stream in streams:
        for point in points.get(stream.pk, ()):
            key = (stream.pk, terms.of_its_own(BY_NAME[stream.figure], point))
            if key not in learnings:
                learnings[key] = Learning(BY_NAME[stream.figure].batch)
            learnings[key].add(point.value, point.part, point.at.timestamp(), point.group)
    return {key: learning for key, learning in learnings.items() if learning.ready}


def alarms_over(
    points: Points, streams: Sequence[Stream], terms: Terms, usuals: Usuals, *, least: str, factor: float = 1.0
) -> int:
    """How many alarms of at least this severity there would have been, each closed a day after it opened."""
    hits = sorted(
        at
        for stream in streams
        for at in _hits(stream, points.get(stream.pk, ()), terms, usuals, least=least, factor=factor)
    )
    number, over = 0, None
    for at in hits:
        if over is None or at >= over:
            number, over = number + 1, at + LOOKED_AT
    return number


def _hits(
    stream: Stream, points: Sequence[Point], terms: Terms, usuals: Usuals, *, least: str, factor: float
) -> list[datetime]:
    """When a stream's detectors would have seen something, begun afresh a day after each time."""
    figure, rank = BY_NAME[stream.figure], Severity(least).rank
    warn, alarm = terms.every(stream, stream.station.slug if stream.station else "")
    every = (warn * factor, alarm * factor)
    eyes: dict[str, Watching] = {}
    found: list[datetime] = []
    for point in points:
        shift = terms.of_its_own(figure, point)
        usual = usuals.get((stream.pk, shift))
        if usual is None:
            continue
        if found and point.at >= found[-1] + LOOKED_AT and eyes:
            eyes = {}
        if shift not in eyes:
            eyes[shift] = watching_of(figure, usual, every, {})
        hits = eyes[shift].update(point.value, point.at.timestamp(), point.group)
        if any(Severity(hit.severity).rank >= rank for hit in hits):
            found.append(point.at)
    return found
