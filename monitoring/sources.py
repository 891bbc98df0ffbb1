"""Where figures come from: rows of the pipeline, read in the order of their keys after a cursor.

Seeded and retrospective parts never count: they are not the line's own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Max, Model, QuerySet, Sum

from inspection.models import Correction, Inspection, Line, Origin, Photo, Verdict
from inspection.models.judgement import Occasion
from monitoring.detection import Value
from monitoring.models import Stream
from shadow.jobs import LATE_COMMITS
from shadow.models import Assignment, Prediction, VersionKind, live_version
from shadow.pairs import Pair, pairs_of

AT_ONCE = 2_000  # rows of a table that one reading goes through
WAIT_FOR_ANSWER = timedelta(minutes=10)  # a verdict on a part that has no answer by then is read without one
SOFTWARE_FAULTS = ("the version could not run", "no answer after", "score is not a number")
NO_PHONE = "no phone in the photo"
QUALITY = {"brightness": 1, "contrast": 1, "sharpness": 1, "cast": 1, "clipped": 100}  # clipped in percent


class Reading(NamedTuple):
    """What one row tells. A figure that does not apply is not in `values`; one that is not known is None."""

    key: int
    line_id: int
    station_id: int | None
    version_id: int | None
    at: datetime
    part: int
    values: Mapping[str, Value]
    group: str = ""  # the product, for figures that differ between products


@dataclass(frozen=True)
class Source:
    """A table of the pipeline and how its rows are read. `moment` is the field that says when a row was written."""

    name: str
    model: type[Model]
    moment: str
    figures: frozenset[str]
    read: Callable[[Line, int, int, datetime], list[Reading]]  # (line, after a key, up to a key, now)
    settles: Callable[[Line], timedelta] = lambda line: timedelta()  # younger rows may still be undone

    def horizon(self, line: Line, after: int, now: datetime) -> int:
        """Up to which key nothing more can come, `AT_ONCE` rows further at most.

        Keys without a row may be rows that are not committed yet: they are waited for as long as the row behind them is
        young. One from far ahead was written before the clock was set back.
        """
        rows = self.model._default_manager.filter(pk__gt=after).order_by("pk")
        reached = after
        for key, at in rows.values_list("pk", self.moment)[:AT_ONCE]:
            age = abs(now - at)
            if age < self.settles(line) or (key != reached + 1 and reached > 0 and age < LATE_COMMITS):
                break
            reached = key
        return reached

    def key_before(self, moment: datetime) -> int:
        """A key before which, as far as keys follow time, every row is older than a moment: by halving, no index needed."""
        rows = self.model._default_manager.order_by("pk").values_list("pk", self.moment)
        low, high = 0, self.model._default_manager.aggregate(last=Max("pk"))["last"] or 0
        while low < high:
            middle = (low + high) // 2
            key, at = rows.filter(pk__gt=middle).first() or (high, moment)
            low, high = (key, high) if at < moment else (low, middle)
        return low


SOURCES: dict[str, Source] = {}


def register(source: Source) -> Source:
    SOURCES[source.name] = source
    return source


def source_of(figure: str) -> Source | None:
    """Where a figure comes from; None: not from rows of the pipeline."""
    return next((source for source in SOURCES.values() if figure in source.figures), None)


class Point(NamedTuple):
    """One value of a stream."""

    at: datetime
    part: int
    value: Value
    group: str = ""


def points_of(
    stream: Stream, since: datetime, until: datetime | None = None, *, now: datetime, most: int = 100_000
) -> list[Point]:
    """The values of a stream as its parts gave them, the oldest first; the rows that a look reads, read again."""
    source = source_of(stream.figure)
    if source is None or stream.line is None:
        return []
    found: list[Point] = []
    after = source.key_before(since)
    while len(found) < most:
        upto = source.horizon(stream.line, after, now)
        if upto == after:
            break
        for reading in source.read(stream.line, after, upto, now):
            mine = stream.station_id in (None, reading.station_id) and stream.version_id in (None, reading.version_id)
            if mine and stream.figure in reading.values and since <= reading.at < (until or now + LATE_COMMITS):
                found.append(Point(reading.at, reading.part, reading.values[stream.figure], reading.group))
        after = upto
        beyond = {f"{source.moment}__gte": until + LATE_COMMITS} if until else {}
        if beyond and source.model._default_manager.filter(pk=upto, **beyond).exists():
            break
    return found[:most]


def _group(variant: int | None) -> str:
    return str(variant or "")


def live_origins(line: Line) -> list[str]:
    """The origins of parts that count as the line's own production."""
    return [Origin.LIVE, Origin.SIMULATED] if line.demo else [Origin.LIVE]


# ---- What comes in


def _read_parts(line: Line, after: int, upto: int, now: datetime) -> list[Reading]:
    rows = Inspection.objects.filter(line=line, pk__gt=after, pk__lte=upto, origin__in=live_origins(line))
    sent = Photo.objects.filter(inspection__in=rows.order_by().values("pk")).order_by().values("inspection")
    photos = {row["inspection"]: row for row in sent.annotate(views=Count("pk"), bytes=Sum("size"))}
    found = []
    for pk, station, variant, at in rows.order_by("pk").values_list("pk", "station_id", "variant_id", "received_at"):
        views, size = (photos[pk]["views"], photos[pk]["bytes"]) if pk in photos else (0, 0)
        values = {"intake.views": float(views), "intake.size": size / views / 1000 if views else None}
        found.append(Reading(pk, line.pk, station, None, at, pk, values, _group(variant)))
    return found


# ---- What the model answered

ANSWER = (
    "pk", "inspection_id", "inspection__station_id", "inspection__variant_id", "version_id", "inspection__received_at", "score", "outcome",
    "null_reason", "timings", "figures", "novelty",
)  # fmt: skip


def _read_answers(line: Line, after: int, upto: int, now: datetime) -> list[Reading]:
    """One reading per answer. What the photos tell is read off one version's alone, or it would count twice."""
    looks = _looks_at_photos(line)
    rows = Prediction.objects.filter(
        pk__gt=after,
        pk__lte=upto,
        inspection__line=line,
        inspection__origin__in=live_origins(line),
        retrospective=False,
    )
    return [
        Reading(
            pk,
            line.pk,
            station,
            version,
            at,
            part,
            answer_values(*said, photos=version == looks),
            _group(variant),
        )
        for pk, part, station, variant, version, at, *said in rows.order_by("pk").values_list(*ANSWER)
    ]


def _looks_at_photos(line: Line) -> int | None:
    """The live version; where that is an earlier system, which does not look at them here, the trained version that has
    been on the line for longest."""
    live = live_version(line)
    if live is None or not live.is_imported:
        return live.pk if live else None
    trained = (
        Assignment.objects.current().filter(line=line, version__kind=VersionKind.TRAINED).order_by("assigned_at", "pk")
    )
    return trained.values_list("version", flat=True).first()


def answer_values(
    score: float | None,
    outcome: str,
    null_reason: str,
    timings: Mapping[str, float],
    figures: Sequence[Mapping[str, Mapping[str, Any]]],
    novelty: float | None,
    *,
    photos: bool,
) -> dict[str, Value]:
    """The figures of one answer. An earlier system's has none of its stages, and they do not apply."""
    fault = null_reason.startswith(SOFTWARE_FAULTS)
    values: dict[str, Value] = {f"{stage}.ms": taken for stage, taken in timings.items()}
    values |= {"server.errors": fault, "score.null": bool(null_reason)}
    values["score.reject"] = None if null_reason else outcome == "scratched"
    values["score.logit"] = None if score is None else _logit(score, figures)
    if novelty is not None or null_reason:
        values["score.novelty"] = novelty
    if figures and not fault:
        if any("network" in photo for photo in figures):
            values["network.features"] = _features(figures)
        if photos:
            values |= _photo_values(null_reason, figures)
    return values


def _logit(score: float, figures: Sequence[Mapping[str, Mapping[str, Any]]]) -> float:
    """Of the hottest photo, before it is calibrated; of a system that tells its score alone, from that."""
    logits = [photo["score"]["logit"] for photo in figures if "score" in photo]
    clipped = min(max(score, 1e-6), 1 - 1e-6)
    return float(max(logits)) if logits else math.log(clipped / (1 - clipped))


def _features(figures: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[float] | None:
    rows = [photo["network"]["features"] for photo in figures if "network" in photo]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)] if len(rows) == len(figures) else None


def _photo_values(null_reason: str, figures: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Value]:
    """Means over the part's photos. Whatever stopped at an early stage has no figures of the later ones."""
    unfit, lost = bool(null_reason), NO_PHONE in null_reason
    values: dict[str, Value] = {"quality.unfit": unfit, "locate.found": None if unfit and not lost else lost}
    values["decode.pixels"] = _mean(
        [p["decode"]["width"] * p["decode"]["height"] / 1e6 for p in figures if "decode" in p]
    )
    values["locate.share"] = _mean([100 * photo["locate"]["share"] for photo in figures if "locate" in photo])
    measured = [photo["quality"] for photo in figures if "quality" in photo]
    for name, factor in QUALITY.items():
        values[f"quality.{name}"] = _mean([factor * photo[name] for photo in measured if photo.get(name) is not None])
    return values


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


# ---- What people judged


def _read_verdicts(line: Line, after: int, upto: int, now: datetime) -> list[Reading]:
    """One reading per first verdict or audit, in the order of the verdicts, when it can be undone no more."""
    rows = Verdict.objects.filter(
        pk__gt=after, pk__lte=upto, inspection__line=line, inspection__origin__in=live_origins(line),
        occasion__in=[Occasion.FIRST, Occasion.AUDIT],
    )  # fmt: skip
    given = list(
        rows.order_by("pk").values_list(
            "pk", "inspection_id", "inspection__station_id", "at", "inspector_id", "outcome", "duration_ms",
            "advice_shown_at", "inspection__draw__blind",
        )
    )  # fmt: skip
    undone = _undone(rows)
    live = live_version(line)
    pairs = _pairs(live, [row[1] for row in given])
    found = []
    for pk, part, station, at, inspector, outcome, milliseconds, advised, blind in given:
        values: dict[str, Value] = {"judge.undone": (pk, inspector) in undone}
        if milliseconds:
            values["judge.seconds"] = milliseconds / 1000
        last = undone.get((pk, inspector), outcome)
        if blind is not False and advised is None:
            values["judge.scratched"] = None if last == "unsure" else last == "scratched"
        values |= _beside_the_model(pairs.get(part), last, advised is not None)
        found.append(Reading(pk, line.pk, station, live.pk if live else None, at, part, values))
    return found


def _undone(rows: QuerySet[Verdict]) -> dict[tuple[int, int], str]:
    """What judges changed of their own verdicts, by verdict and judge; a supervisor's correction is another matter."""
    corrections = Correction.objects.filter(verdict__in=rows.order_by().values("pk")).order_by("pk")
    return {
        (verdict, by): outcome
        for verdict, by, judge, outcome in corrections.values_list(
            "verdict_id", "by_id", "verdict__inspector_id", "outcome"
        )
        if by == judge
    }


def _pairs(live: Any, parts: Sequence[int]) -> dict[int, Pair]:
    if live is None or not parts:
        return {}
    answers = Prediction.objects.filter(version=live, inspection__in=parts, retrospective=False)
    return {pair.inspection_id: pair for pair in pairs_of(answers)}


def _beside_the_model(pair: Pair | None, outcome: str, advised: bool) -> dict[str, Value]:
    """Only blind pairs say how far people and the model agree; with advice they say how often it is followed."""
    if pair is None or pair.predicted is None or outcome == "unsure":
        return {}
    if advised:
        return {"judge.override": outcome != pair.predicted}
    return {"judge.disagreement": pair.differs} if pair.evidence_kind == "blind" and pair.cell else {}


class VerdictSource(Source):
    """Verdicts wait a while for the model's answer, or a slow worker would lose labels."""

    def horizon(self, line: Line, after: int, now: datetime) -> int:
        upto = super().horizon(line, after, now)
        live = live_version(line)
        if live is None or upto == after:
            return upto
        young = Verdict.objects.filter(
            pk__gt=after, pk__lte=upto, inspection__line=line, at__range=(now - WAIT_FOR_ANSWER, now + WAIT_FOR_ANSWER),
            inspection__origin__in=live_origins(line),
        ).order_by("pk")  # fmt: skip
        since = live.assignments.filter(line=line, ended_at=None).values_list("assigned_at", flat=True).first()
        young = young.filter(inspection__received_at__gte=since) if since else young.none()
        parts = dict(young.values_list("pk", "inspection_id"))
        answered = set(
            Prediction.objects.filter(version=live, inspection__in=set(parts.values())).values_list(
                "inspection", flat=True
            )
        )
        return next((key - 1 for key, part in parts.items() if part not in answered), upto)


PARTS = register(Source("parts", Inspection, "received_at", frozenset({"intake.views", "intake.size"}), _read_parts))
ANSWERS = register(
    Source(
        "answers", Prediction, "at",
        frozenset({
            *(f"{stage}.ms" for stage in ("decode", "locate", "quality", "network", "score")), "server.errors",
            "decode.pixels", "locate.found", "locate.share", "quality.unfit", *(f"quality.{name}" for name in QUALITY),
            "network.features", "score.novelty", "score.logit", "score.null", "score.reject",
        }),
        _read_answers,
    )
)  # fmt: skip
VERDICTS = register(
    VerdictSource(
        "verdicts", Verdict, "at",
        frozenset({"judge.seconds", "judge.scratched", "judge.undone", "judge.override", "judge.disagreement"}),
        _read_verdicts, lambda line: timedelta(seconds=line.undo_seconds),
    )
)  # fmt: skip
