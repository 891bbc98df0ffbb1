"""The work that waits for a version, its answers, and what supervisors found of them."""

import zlib

import numpy as np
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.append_only import AppendOnly
from inspection.models import Inspection
from shadow.models.versions import ModelVersion


class JobState(models.TextChoices):
    PENDING = "pending", "Pending"
    LEASED = "leased", "Leased"
    DONE = "done", "Done"


class ScoringJob(models.Model):
    """Work to do: one inspection to be scored by one version. The only row here that changes."""

    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=JobState, default=JobState.PENDING)
    retrospective = models.BooleanField(default=False, help_text="Made by a replay: its answer never certifies.")
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["inspection", "version"], name="one_job_per_inspection_and_version")
        ]
        indexes = [
            models.Index(
                fields=["retrospective", "id"], name="scoring_jobs_to_do", condition=Q(state__in=["pending", "leased"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.version_id} on {self.inspection_id}: {self.state}"


class AwaitedAnswer(models.Model):
    """An answer that an earlier system has still to send; the row goes when it comes, or when its time is over."""

    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    since = models.DateTimeField(help_text="When the part arrived.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["inspection", "version"], name="one_answer_awaited_per_part_and_version")
        ]
        indexes = [models.Index(fields=["version", "since"], name="awaited_by_version")]

    def __str__(self) -> str:
        return f"{self.version_id} on {self.inspection_id}: awaited"


class Answer(models.TextChoices):
    """What a version answers."""

    OK = "ok", _("OK")
    SCRATCHED = "scratched", _("Scratched")


class Prediction(AppendOnly):
    """One version's answer for one inspection, written once; or a recorded failure, with its reason."""

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="predictions")
    score = models.FloatField(null=True, blank=True, help_text="Calibrated P(scratched).")
    outcome = models.CharField(max_length=10, choices=Answer, blank=True)
    null_reason = models.CharField(max_length=200, blank=True)
    marks = models.JSONField(default=list, help_text="[{photo, box, score}]: the marks found; photo is a position.")
    timings = models.JSONField(default=dict, help_text="Milliseconds per stage.")
    figures = models.JSONField(default=list, help_text="Per photo, what each stage found: {stage: {figure: value}}.")
    novelty = models.FloatField(
        null=True, blank=True, help_text="Distance from the photos of the training; 1 = the version's limit."
    )
    retrospective = models.BooleanField(default=False)
    # An answer that was sent when a verdict was there already may have been made from it.
    late = models.BooleanField(
        null=True,
        help_text="Of one that was sent: after a verdict, so it can speak against its version, never for it. Null: scored here.",
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["inspection", "version"], name="one_prediction_per_inspection_and_version"),
            models.CheckConstraint(
                condition=Q(score__gte=0, score__lte=1, null_reason="") & ~Q(outcome="")
                | Q(score=None, outcome="") & ~Q(null_reason=""),
                name="prediction_is_a_score_or_a_failure_with_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["version", "id"], name="prediction_by_version"),
            models.Index(fields=["at"], name="prediction_by_time"),
        ]

    def __str__(self) -> str:
        return (
            f"{self.version_id} on {self.inspection_id}: {self.score if self.score is not None else self.null_reason}"
        )


class HeatMap(AppendOnly):
    """Where the version looked: one small map per photo, 0 to 255, compressed."""

    prediction = models.OneToOneField(Prediction, on_delete=models.PROTECT, related_name="heat_map")
    photos = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    width = models.PositiveSmallIntegerField()
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"heat map of {self.prediction_id}"

    @classmethod
    def of(cls, prediction: Prediction, maps: list[np.ndarray]) -> "HeatMap":
        stack = np.stack(maps).astype(np.uint8)  # (photos, height, width)
        return cls(
            prediction=prediction, photos=stack.shape[0], height=stack.shape[1], width=stack.shape[2],
            data=zlib.compress(stack.tobytes()),
        )  # fmt: skip

    def arrays(self) -> np.ndarray:
        """uint8 (photos, height, width)."""
        stack = np.frombuffer(zlib.decompress(bytes(self.data)), dtype=np.uint8)
        return stack.reshape(self.photos, self.height, self.width)


class Finding(models.TextChoices):
    """Who was right, as a supervisor found. It changes reports in a column of its own, never the evidence."""

    PERSON = "person", _("Person right")
    MODEL = "model", _("Model right")
    AMBIGUOUS = "ambiguous", _("Ambiguous")


class Adjudication(AppendOnly):
    """A supervisor settles a discrepancy; the last row holds."""

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="adjudications")
    finding = models.CharField(max_length=10, choices=Finding)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.prediction_id}: {self.finding}"
