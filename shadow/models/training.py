"""Data sets as they were when a training began, the trainings, and what of them stays held out for ever."""

import secrets
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inspection.append_only import AppendOnly
from inspection.models import Inspection, Line, Truth, Verdict
from shadow.models.answers import Finding
from shadow.models.teaching import TrainingPart
from shadow.models.versions import ModelVersion


def new_key() -> str:
    return secrets.token_hex(32)


class HeldOut(AppendOnly):
    """The one row that says which serials no training learns from: drawn by its key, fixed for ever, on every line.

    In the database, not a file: every node has to draw alike, and a key that is changed would let out what was held.
    """

    key = models.CharField(max_length=64, default=new_key, editable=False)
    share = models.FloatField(default=0.15)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="held_out_is_drawn_by_one_key")]

    def __str__(self) -> str:
        return f"{self.share:.0%} of the serials"


class Split(models.TextChoices):
    """What a part of a snapshot is for."""

    TRAIN = "train", _("Learnt from")
    CALIBRATE = "calibrate", _("Calibrated on")
    TEST = "test", _("Held out")


class Snapshot(AppendOnly):
    """The judged parts of a line at a moment, with the labels that they had then."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, help_text="SHA-256 of its rows: two alike taught the same.")
    size = models.PositiveIntegerField(help_text="Parts.")
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"snapshot {self.pk} of {self.line}"


class SnapshotPart(AppendOnly):
    """A part in a snapshot: its label, whose it is, and what the part is for."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="parts", db_index=False)
    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=10, choices=Truth)
    split = models.CharField(max_length=10, choices=Split)
    # Whose label it is: a supervisor's who settled it, or that of the verdict by which the part was decided.
    taught = models.ForeignKey(TrainingPart, on_delete=models.PROTECT, null=True, related_name="+")
    verdict = models.ForeignKey(Verdict, on_delete=models.PROTECT, null=True, related_name="+")
    finding = models.CharField(max_length=10, choices=Finding, blank=True, help_text="The last on any answer to it.")
    boxes = models.JSONField(default=dict, help_text="{photo: [[x, y, w, h]]}: where scratches were marked.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "inspection"], name="part_is_once_in_a_snapshot"),
            models.CheckConstraint(
                condition=Q(taught__isnull=True) ^ Q(verdict__isnull=True),
                name="label_is_a_verdicts_or_a_supervisors",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.inspection_id} is {self.label} in snapshot {self.snapshot_id}"


class RunState(models.TextChoices):
    """Where a training stands."""

    WAITING = "waiting", pgettext_lazy("training", "Waiting")
    RUNNING = "running", pgettext_lazy("training", "Running")
    DONE = "done", pgettext_lazy("training", "Done")
    FAILED = "failed", pgettext_lazy("training", "Failed")
    CANCELLED = "cancelled", pgettext_lazy("training", "Cancelled")


UNDER_WAY = [RunState.WAITING.value, RunState.RUNNING.value]


class Stage(models.TextChoices):
    """What a running training does."""

    DRAWING = "drawing", _("Renders the reminders")
    READING = "reading", _("Reads the photos")
    LEARNING = "learning", _("Learns")
    MEASURING = "measuring", _("Calibrates and measures")
    COMPARING = "comparing", _("Compares with the live version")


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def under_way(self) -> "TrainingRunQuerySet":
        return self.filter(state__in=UNDER_WAY)


class TrainingRun(models.Model):
    """A training of a line: work to do, as a row. What was asked never changes, how far it is does."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="runs")
    name = models.SlugField(max_length=60, help_text="Of the version that comes of it.")
    options = models.JSONField(default=dict, help_text="{epochs, seed, renderings, start}.")
    reason = models.CharField(max_length=500)
    alarm = models.BigIntegerField(null=True, blank=True, help_text="The alarm from which it was started.")
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    state = models.CharField(max_length=10, choices=RunState, default=RunState.WAITING)
    attempts = models.PositiveIntegerField(default=0, help_text="The fence: whoever takes it later has another number.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="Attempts since the last epoch that was finished.")
    leased_until = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=10, choices=Stage, blank=True)
    done = models.PositiveIntegerField(default=0, help_text="Of the stage's steps.")
    of = models.PositiveIntegerField(default=0)
    curve = models.JSONField(default=list, help_text="The epochs so far, as the card keeps them.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True, help_text="Who cancelled it.")
    failure = models.CharField(max_length=300, blank=True)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    comparison = models.JSONField(default=dict, help_text="shadow.side_by_side: the version beside the live one.")

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["line"], condition=Q(state__in=UNDER_WAY), name="one_training_at_a_time_per_line"
            ),
            models.UniqueConstraint(
                fields=["name"], condition=Q(state__in=UNDER_WAY), name="one_training_at_a_time_per_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def may_go_on(self) -> bool:
        """Whether somebody may let it go on from where it ended."""
        return self.state in (RunState.FAILED, RunState.CANCELLED)


class Every(models.TextChoices):
    """How often a training begins by itself."""

    NEVER = "never", _("Never")
    WEEK = "week", _("Every week")
    MONTH = "month", _("Every four weeks")


class TrainingPolicy(AppendOnly):
    """When trainings of a line begin by themselves, in numbered rows; the last holds. None of them ever switches a version."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    every = models.CharField(max_length=6, choices=Every, default=Every.NEVER)
    on_alarm = models.BooleanField(default=False, help_text="An alarm that suggests to retrain starts one.")
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["line", "number"], name="training_policies_are_numbered")]

    def __str__(self) -> str:
        return f"{self.line_id}/{self.number}: {self.every}"


def training_policy(line: Line) -> TrainingPolicy:
    """The policy in force; where none is written, trainings are started by hand alone."""
    row = TrainingPolicy.objects.filter(line=line).order_by("-number").first()
    defaults: dict[str, Any] = {"line": line, "number": 0}
    return row or TrainingPolicy(**defaults)
