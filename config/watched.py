"""The figures of the watch for Prometheus, summed from their windows at each scrape: right with any number of processes.

A figure is a summary (its sum and its count): rates and means over any span are exact. The times of the pipeline are
histograms, whose counts by bounds are kept beside the windows: `histogram_quantile` reads off how long the slowest take.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.db.models import Q, Sum
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from inspection.models import Line
from monitoring.buckets import cumulative
from monitoring.dashboards import band_of
from monitoring.figures import BY_NAME, Group, tells_answers
from monitoring.models import Alarm, Bucket, Cursor, DetectorState, Finding, Span, Stream, Window
from monitoring.watching import look_of

LABELS = ("line", "station", "model", "host", "stage", "figure")
RECENT = timedelta(hours=1)
OVER = timedelta(hours=25)  # since its beginning a day is over, the longest one of a year too


def _told_at_once(streams: dict[int, Stream]) -> list[int]:
    """Streams that say nothing of what a model answers. The others are told once their day is over: whoever reads this
    without a login could else tell from one reading to the next what the model made of the part in front of them."""
    return [
        pk
        for pk, stream in streams.items()
        if BY_NAME[stream.figure].group == Group.SOFTWARE or not tells_answers(stream.figure)
    ]


def label_values(stream: Stream) -> list[str]:
    return [
        stream.line.slug if stream.line else "", stream.station.slug if stream.station else "",
        stream.version.name if stream.version else "", stream.key.partition("@")[2], BY_NAME[stream.figure].stage,
        stream.figure,
    ]  # fmt: skip


class Figures(Collector):
    """Some queries, whose cost follows streams and days."""

    def collect(self) -> Iterable[Metric]:
        rows = Stream.objects.filter(figure__in=BY_NAME).select_related("line", "station", "version")
        streams = {stream.pk: stream for stream in rows.defer("version__card")}
        labels = {pk: label_values(stream) for pk, stream in streams.items()}
        yield from self._sums(streams, labels)
        yield from self._times(labels)
        yield self._now({pk: labels[pk] for pk in _told_at_once(streams)})
        yield from self._usual(streams, labels)
        yield self._moved(labels)
        yield from self._looks()

    def _sums(self, streams: dict[int, Stream], labels: dict[int, list[str]]) -> Iterator[Metric]:
        """Over all days that are kept. When the oldest are pruned Prometheus sees a counter that began anew."""
        figures = SummaryMetricFamily("shadowline_figure", "Values of a figure since its days are kept.", labels=LABELS)
        missing = CounterMetricFamily(
            "shadowline_figure_missing", "Parts whose figure is not known.", labels=LABELS
        )  # fmt: skip
        closed = Q(start__lte=timezone.now() - OVER) | Q(stream__in=_told_at_once(streams))
        sums = Window.objects.filter(closed, span=Span.DAY, stream__in=streams).order_by().values_list("stream")
        for pk, n, unknown, total in sums.annotate(Sum("n"), Sum("missing"), Sum("total")):
            figures.add_metric(labels[pk], count_value=n, sum_value=total)
            missing.add_metric(labels[pk], unknown)
        yield from (figures, missing)

    def _times(self, labels: dict[int, list[str]]) -> Iterator[Metric]:
        """Sum and count are those of the buckets: days from before they were kept stand in the figures alone."""
        stages = HistogramMetricFamily(
            "shadowline_stage_seconds", "Time of a stage of the model for one part.", labels=("line", "model", "stage")
        )
        parts = HistogramMetricFamily(
            "shadowline_part_seconds", "Time from the intake of a part to its answer.", labels=("line", "model")
        )
        counts: dict[int, dict[float, int]] = {}
        seconds: dict[int, float] = {}
        rows = Bucket.objects.filter(stream__in=labels).order_by().values_list("stream", "upto")
        for pk, upto, n, total in rows.annotate(Sum("n"), Sum("seconds")):
            counts.setdefault(pk, {})[upto] = n
            seconds[pk] = seconds.get(pk, 0.0) + total
        for pk, found in counts.items():
            line, _station, model, _host, stage, figure = labels[pk]
            told = [(floatToGoString(bound), n) for bound, n in cumulative(found)]
            if figure == f"{stage}.ms":
                stages.add_metric((line, model, stage), buckets=told, sum_value=seconds[pk])
            if figure == "settle.seconds":
                parts.add_metric((line, model), buckets=told, sum_value=seconds[pk])
        yield from (stages, parts)

    def _now(self, labels: dict[int, list[str]]) -> Metric:
        gauge = GaugeMetricFamily("shadowline_figure_now", "Mean of a figure in the last hour.", labels=LABELS)
        since = timezone.now() - RECENT
        rows = Window.objects.filter(span=Span.MINUTES, start__gte=since, n__gt=0, stream__in=labels).order_by()
        for pk, n, total in rows.values_list("stream").annotate(Sum("n"), Sum("total")):
            gauge.add_metric(labels[pk], total / n)
        return gauge

    def _usual(self, streams: dict[int, Stream], labels: dict[int, list[str]]) -> Iterator[Metric]:
        """The band of the dashboard; with a usual for each shift the whole reach of them."""
        low = GaugeMetricFamily("shadowline_figure_usual_low", "Lower edge of what is usual.", labels=LABELS)
        high = GaugeMetricFamily("shadowline_figure_usual_high", "Upper edge of what is usual.", labels=LABELS)
        names = ("mean", "sd", "batch", "batch_sd")
        rows = DetectorState.objects.filter(stream__in=streams, baseline__isnull=False)
        bands: dict[int, list[tuple[float, float]]] = {}
        for pk, *baseline in rows.values_list("stream", *(f"baseline__{name}" for name in names)):
            bands.setdefault(pk, []).append(band_of(BY_NAME[streams[pk].figure], *baseline))
        for pk, edges in bands.items():
            low.add_metric(labels[pk], min(edge for edge, _high in edges))
            high.add_metric(labels[pk], max(edge for _low, edge in edges))
        yield from (low, high)

    def _moved(self, labels: dict[int, list[str]]) -> Metric:
        gauge = GaugeMetricFamily("shadowline_figure_moved", "1: an open alarm rests on this figure.", labels=LABELS)
        moved = Finding.objects.filter(alarm__in=Alarm.objects.open()).order_by().values_list("stream", flat=True)
        for pk in set(moved) & set(labels):
            gauge.add_metric(labels[pk], 1)
        return gauge

    def _looks(self) -> Iterator[Metric]:
        """Absent until the first look; one that grows old says that nobody watches."""
        gauge = GaugeMetricFamily(
            "shadowline_watch_last_look_timestamp_seconds", "When a look at a line was last through.", labels=("line",)
        )
        for line in Line.objects.all():
            at = Cursor.objects.filter(name=look_of(line)).values_list("at", flat=True).first()
            if at is not None:
                gauge.add_metric((line.slug,), at.timestamp())
        yield gauge
