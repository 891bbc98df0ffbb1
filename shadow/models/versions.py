"""Model versions, how they were measured, and the lines that they shadow."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.append_only import AppendOnly
from inspection.models import Line


class VersionKind(models.TextChoices):
    """Where a version's answers come from."""

    TRAINED = "trained", _("Trained")
    IMPORTED = "imported", _("Earlier system")


class ModelVersion(AppendOnly):
    """A version by SHA-256, with the thresholds frozen at registration and its card: trained, of its weights; or an earlier
    inspection system, of what it was declared to be, whose answers are sent."""

    name = models.SlugField(max_length=60, unique=True)
    # The release before writes trained versions and knows no other kind.
    kind = models.CharField(
        max_length=10, choices=VersionKind, default=VersionKind.TRAINED, db_default=VersionKind.TRAINED
    )
    weights_sha256 = models.CharField(
        max_length=64, help_text="Of an earlier system, which has none: its declaration's."
    )
    threshold = models.FloatField(help_text="Operating threshold: a score at or above it means scratched.")
    thresholds = models.JSONField(help_text="The order of pass thresholds, strict to loose, frozen with the version.")
    card = models.JSONField(
        default=dict, help_text="Data, seed, code version, figures: what a reader needs to trust it."
    )
    answers_within = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds after a part's arrival in which an earlier system answers."
    )
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(threshold__gte=0, threshold__lte=1), name="threshold_is_a_probability"),
            models.CheckConstraint(
                condition=Q(kind=VersionKind.TRAINED, answers_within=None)
                | Q(kind=VersionKind.IMPORTED, answers_within__gte=1),
                name="earlier_system_says_how_long_it_takes",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_imported(self) -> bool:
        """Whether its answers are sent: there are no weights to score, to replay or to begin a training from."""
        return self.kind == VersionKind.IMPORTED


class Evaluation(AppendOnly):
    """A version measured on labelled photos: retrospective, so it never certifies a level."""

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    source = models.CharField(max_length=200, help_text="The photos: the file's name and the split.")
    figures = models.JSONField(default=dict, help_text="AUROC, errors, calibration, coverage, and nulls by reason.")
    curves = models.JSONField(default=dict, help_text="What the page draws: shadow.vision.evaluation.curves_of.")
    gallery = models.JSONField(default=list, help_text="[{kind, score, photo, picture, marks}]: the worst errors.")
    retrospective = models.JSONField(default=dict, help_text="shadow.vision.evaluation.safe_coverage.")
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.version_id} on {self.source}"


class Role(models.TextChoices):
    """What a version does on a line."""

    LIVE = "live", _("Live")
    STANDBY = "standby", _("Standby")
    CANDIDATE = "candidate", _("Candidate")


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def current(self) -> "AssignmentQuerySet":
        return self.filter(ended_at=None)


class Assignment(models.Model):
    """A version scores the parts that a line receives from `assigned_at` until `ended_at`."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="assignments")
    role = models.CharField(max_length=10, choices=Role)
    assigned_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    # How far the search for parts without a job has come, so that it does not grow with history.
    scanned_to = models.BigIntegerField(default=0, editable=False)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["line"], condition=Q(ended_at=None, role=Role.LIVE), name="line_has_one_live_version"
            ),
            models.UniqueConstraint(
                fields=["line", "version"], condition=Q(ended_at=None), name="version_is_assigned_once_to_a_line"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.role} on {self.line}"


def live_version(line: Line) -> ModelVersion | None:
    """The version that is live on a line now."""
    assignment = (
        Assignment.objects.current()
        .filter(line=line, role=Role.LIVE)
        .select_related("version")
        .defer("version__card")
        .first()
    )
    return assignment.version if assignment else None
