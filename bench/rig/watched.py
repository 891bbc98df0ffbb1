"""A line that has been watched for long: windows, baselines and alarms of every figure, in bulk and from one seed."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from statistics import NormalDist

import numpy as np

PARTS_A_DAY = 2_400
USUAL = {  # mean and sd of single values, where the order of magnitude matters for a picture; rates have a share alone
    "server.memory": (61, 2), "server.processor": (48, 12), "server.disk": (72, 0.5), "server.gpu": (35, 9),
    "server.queue_age": (1.4, 0.6), "server.throughput": (98, 9), "server.errors": (0.0004, 0), "intake.views": (3.9, 0.3),
    "intake.size": (842, 60), "decode.ms": (7.4, 0.9), "locate.ms": (11, 1.4), "quality.ms": (3.1, 0.4),
    "network.ms": (46, 5), "score.ms": (0.7, 0.1), "decode.pixels": (2.07, 0.01), "locate.found": (0.003, 0),
    "locate.share": (64, 3), "quality.unfit": (0.006, 0), "quality.brightness": (131, 9), "quality.contrast": (42, 4),
    "quality.sharpness": (310, 38), "quality.cast": (4.1, 0.9), "quality.clipped": (1.2, 0.4), "network.features": (0, 1),
    "score.novelty": (8.1, 1.6), "score.logit": (-2.6, 1.4), "score.null": (0.004, 0), "score.reject": (0.061, 0),
    "settle.seconds": (2.3, 0.5), "settle.escalated": (0.081, 0), "judge.seconds": (6.4, 3), "judge.scratched": (0.058, 0),
    "judge.undone": (0.011, 0), "judge.override": (0.032, 0), "judge.disagreement": (0.024, 0),
}  # fmt: skip


def furnish(
    line,
    version,
    stations: Sequence,
    *,
    now: datetime,
    days: int = 90,
    minutes: int = 156,
    learned: bool = True,
    seed: int = 1,
) -> list:
    """Streams of every figure with so many days of windows and a day of 10 minutes, and a frozen baseline each."""
    from monitoring.figures import FIGURES, Kind
    from monitoring.models import Baseline, DetectorState, Stream

    rng = np.random.default_rng(seed)
    streams = []
    for figure in FIGURES:
        server = figure.name.startswith("server.") and figure.kind == Kind.LOAD
        for station in stations if figure.by_station and stations else [None]:
            of = None if server else line
            key = f"{of.slug if of else '-'}/{station.slug if station else '-'}/{version if figure.of_version else '-'}/{figure.name}"
            host = "@factory-1" if server and figure.name not in ("server.queue_age", "server.throughput") else ""
            row, _made = Stream.objects.get_or_create(key=key + host, defaults={
                "line": of, "station": station, "version": version if figure.of_version else None, "figure": figure.name,
            })  # fmt: skip
            streams.append(row)
    for stream in streams:
        add_windows(stream, rng, now=now, days=days, minutes=minutes)
    if learned:
        start = now - timedelta(days=days)
        for stream in streams:
            mean, sd = USUAL[stream.figure]
            rate = is_rate(stream.figure)
            sd = (mean * (1 - mean)) ** 0.5 if rate else sd
            if stream.figure.startswith("server.") and not rate:
                continue
            baseline = Baseline.objects.create(
                stream=stream, n=1000, mean=mean, sd=sd, batch=20, batch_sd=1.15 * sd, reason="the first parts",
                learned_from=start, learned_to=start + timedelta(hours=11), sample=[mean] * 200, parts=[1, 2, 3],
            )  # fmt: skip
            DetectorState.objects.update_or_create(stream=stream, shift="", defaults={"baseline": baseline})
    return streams


def is_rate(name: str) -> bool:
    from monitoring.figures import BY_NAME, Kind

    return BY_NAME[name].kind == Kind.RATE


def add_windows(stream, rng: np.random.Generator, *, now: datetime, days: int, minutes: int = 156) -> None:
    """A window a day, of the line's own days, and the last ones of 10 minutes."""
    from monitoring.figures import BY_NAME
    from monitoring.models import Bucket, Span, Window

    mean, sd = USUAL[stream.figure]
    zone = stream.line.zone if stream.line else now.tzinfo
    today = now.astimezone(zone).date()
    starts = [datetime.combine(today - timedelta(days=back), time(), zone) for back in range(days)]
    last = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    tens = [last - timedelta(minutes=10 * back) for back in range(minutes)]
    rows = []
    for span, each, n in ((Span.DAY, starts, PARTS_A_DAY), (Span.MINUTES, tens, PARTS_A_DAY // 144)):
        counts = rng.poisson(n, len(each)) + 1
        if is_rate(stream.figure):
            totals = rng.binomial(counts, mean).astype(float)
            squares = totals
        else:
            means = mean + rng.normal(0, sd / 7, len(each))
            totals, squares = means * counts, (means**2 + sd**2) * counts
        rows += [
            Window(
                stream=stream, span=span, start=start, n=int(n), missing=int(n // 400), total=float(total),
                squares=float(square), low=mean - 3 * sd, high=mean + 3 * sd,
            )
            for start, n, total, square in zip(each, counts, totals, squares, strict=True)
        ]  # fmt: skip
    Window.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    if BY_NAME[stream.figure].is_latency:
        Bucket.objects.bulk_create(buckets_of(stream, starts, mean, sd), batch_size=500, ignore_conflicts=True)


def buckets_of(stream, starts: Sequence[datetime], mean: float, sd: float) -> Iterator:
    """Of each day as many times in each bucket as a normal distribution has there."""
    from monitoring.buckets import BOUNDS, SECONDS
    from monitoring.figures import BY_NAME
    from monitoring.models import Bucket

    times, below = NormalDist(mean, sd), 0
    for bound in BOUNDS:
        upto = round(PARTS_A_DAY * times.cdf(bound / SECONDS[BY_NAME[stream.figure].unit]))
        if n := upto - below:
            for start in starts:
                yield Bucket(stream=stream, start=start, upto=bound, n=n, seconds=n * min(bound, 2 * mean))
        below = upto


def move(stream, *, at: datetime, by: float) -> None:
    """What the windows since a moment would have been if the figure had moved by that factor."""
    from django.db.models import F

    from monitoring.models import Window

    Window.objects.filter(stream=stream, start__gte=at).update(total=F("total") * by)


def find(alarm, stream, *, at: datetime, before: float, after: float, now: datetime, severity: str = "alarm") -> None:
    from monitoring.models import Finding

    Finding.objects.create(
        alarm=alarm, stream=stream, detector="mean", severity=severity, before=before, after=after, moved_at=at, at=now
    )


def looked(line, *, at: datetime) -> None:
    """The watch has looked at the line."""
    from monitoring.watching import note_look

    note_look(line, now=at)
