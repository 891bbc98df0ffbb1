"""Figures as rows: streams, their windows, frozen baselines, and the detectors between two looks."""

from math import isfinite

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.append_only import AppendOnly
from inspection.models import Line, Station
from monitoring.figures import Figure
from shadow.models import ModelVersion


class Stream(models.Model):
    """One figure of one line, station and version, in the order of its parts: what windows and detectors belong to.

    Without a line it is of the whole factory (a server's load), without a station of the whole line, without a version
    of the photos alone.
    """

    key = models.CharField(max_length=200, unique=True, help_text="line/station/version/figure; `-` for none.")
    line = models.ForeignKey(Line, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    station = models.ForeignKey(Station, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    figure = models.CharField(max_length=60, help_text="`stage.name` of monitoring.figures.")

    class Meta:
        ordering = ["key"]
        indexes = [models.Index(fields=["line", "figure"], name="stream_by_line")]

    def __str__(self) -> str:
        return self.key


class Span(models.TextChoices):
    """How long a window is."""

    MINUTES = "minutes", _("10 minutes")
    DAY = "day", _("Day")  # of the line's time zone


class Window(models.Model):
    """What a figure came to in a span of time: sums, so that windows add up to longer ones. Empty ones have no row."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="windows")
    span = models.CharField(max_length=8, choices=Span)
    start = models.DateTimeField()
    n = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0, help_text="Parts whose figure is not known.")
    total = models.FloatField(default=0)
    squares = models.FloatField(default=0, help_text="Sum of the squares.")
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)

    by_month = "start"

    class Meta:
        ordering = ["start"]
        constraints = [
            models.UniqueConstraint(fields=["stream", "span", "start"], name="one_window_per_stream_and_start")
        ]
        indexes = [models.Index(fields=["span", "start"], name="window_by_time")]  # for pruning

    def __str__(self) -> str:
        return f"{self.stream_id} {self.span} {self.start:%Y-%m-%d %H:%M}"


class Bucket(models.Model):
    """How many times of a stream's day lie up to a bound, and above the bound before it; empty ones have no row."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="buckets")
    start = models.DateTimeField(help_text="Of the day, by the line's clock.")
    upto = models.FloatField(help_text="Seconds; infinite for all that is longer.")
    n = models.PositiveIntegerField()
    seconds = models.FloatField(help_text="Sum of its times.")

    class Meta:
        ordering = ["start", "upto"]
        constraints = [
            models.UniqueConstraint(fields=["stream", "start", "upto"], name="one_bucket_per_stream_day_and_bound")
        ]
        indexes = [models.Index(fields=["start"], name="bucket_by_time")]  # for pruning

    def __str__(self) -> str:
        return f"{self.stream_id} {self.start:%Y-%m-%d} up to {self.upto} s"


class Baseline(AppendOnly):
    """What is usual of a stream: learned once from its first parts after a named event, then frozen."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="baselines")
    shift = models.CharField(
        max_length=40, blank=True, help_text="Of one shift alone, where the line watches by shift."
    )
    n = models.PositiveIntegerField()
    mean = models.FloatField()
    sd = models.FloatField(help_text="Of single parts.")
    batch = models.PositiveSmallIntegerField(help_text="Parts per batch mean.")
    batch_sd = models.FloatField(help_text="sqrt(batch) times the sd of batch means: neighbours correlate.")
    sample = models.JSONField(default=list, help_text="Some of its values, for the tests of windows.")
    groups = models.JSONField(
        default=dict,
        help_text="{product: mean, sd, parts} where products lie apart; the sample is then of differences.",
    )
    parts = models.JSONField(
        default=list, help_text="Some of its parts (`Inspection`), to be shown beside the farthest."
    )
    reason = models.CharField(max_length=300, help_text="The event after which it was learned.")
    learned_from = models.DateTimeField()
    learned_to = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"baseline {self.pk} of {self.stream_id}"


class Relearning(AppendOnly):
    """A person named an event after which what is usual is learned anew: a new lamp, a false alarm, a new normal."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    station = models.ForeignKey(Station, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    figures = models.JSONField(default=list, help_text="Names of figures; empty: all of the station, or of the line.")
    reason = models.CharField(max_length=300)
    alarm = models.BigIntegerField(null=True, blank=True, help_text="The alarm that was closed with it.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.reason


class DetectorState(models.Model):
    """The detectors of a stream (and shift) between two looks, as JSON. One writer: whoever holds the line's cursor."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="detectors")
    shift = models.CharField(max_length=40, blank=True)
    baseline = models.ForeignKey(Baseline, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.JSONField(default=dict, help_text="{learning: sums so far} or {detector: its JSON}.")
    relearned = models.BigIntegerField(default=0, help_text="The last Relearning that it knows of.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "shift"], name="one_state_per_stream_and_shift")]

    def __str__(self) -> str:
        return f"detectors of {self.stream_id} {self.shift}"


class Cursor(models.Model):
    """How far a source of figures is read on a line. Whoever locks it is the one writer of what follows from it."""

    line = models.ForeignKey(Line, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=100, unique=True, help_text="line/source")
    seen_to = models.BigIntegerField(default=0)
    at = models.DateTimeField(null=True, blank=True, help_text="When it was last read.")

    def __str__(self) -> str:
        return f"{self.name} to {self.seen_to}"


class WatchPolicy(AppendOnly):
    """How a line is watched, in numbered rows; the last holds. `every` is parts to a false alarm, for the whole line."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    warn_every = models.PositiveIntegerField(default=10_000)
    alarm_every = models.PositiveIntegerField(default=1_000_000)
    by_shift = models.BooleanField(default=False, help_text="Day and night have baselines of their own.")
    unwatched = models.JSONField(default=list, help_text="Figures that are kept and drawn, and raise no alarm.")
    critical = models.JSONField(
        default=list, help_text="Figures whose alarm is critical: it lowers the level by itself."
    )
    factors = models.JSONField(
        default=dict, help_text="{`figure` or `figure@station`: factor on `every`}: what false alarms have taught."
    )
    limits = models.JSONField(default=dict, help_text="{load: limit}; a load that is not named has its default.")
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["line", "number"], name="watch_policy_number_is_unique_on_its_line")
        ]

    def __str__(self) -> str:
        return f"watch policy {self.number} of {self.line_id}"

    def limit_of(self, figure: Figure) -> float | None:
        """Above which a load is an alarm on this line; None: never."""
        limit = self.limits.get(figure.name, figure.limit)
        return limit if limit is not None and isfinite(limit) else None
