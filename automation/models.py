"""Who decides on a line, since when and on what grounds: rows that are written once."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automation.levels import Level
from inspection.append_only import AppendOnly
from inspection.models import Inspection, Line
from shadow.models import ModelVersion, Prediction

LEVELS = [
    (Level.HUMAN_ONLY.value, _("human only")),
    (Level.SHADOW.value, _("shadow")),
    (Level.ASSIST.value, _("assist")),
    (Level.PARTIAL.value, _("partial")),
    (Level.FULL.value, _("full")),
]


class Policy(AppendOnly):
    """An immutable numbered row per line; the highest number is in force."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    level = models.CharField(max_length=12, choices=LEVELS)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    pass_below = models.FloatField(null=True, blank=True, help_text="The machine passes a part that scores below.")
    reject_from = models.FloatField(null=True, blank=True, help_text="The machine rejects a part from this score on.")
    ramp = models.JSONField(default=list, help_text="Steps of [share of parts, audit share]; empty: no ramp.")
    step = models.PositiveSmallIntegerField(default=0)
    audit_share = models.FloatField(default=0.1)
    blind_share = models.FloatField(default=0.1)
    limits = models.JSONField(default=dict, help_text="What the gates ask for; see automation.gates.Limits.")
    hold_seconds = models.PositiveIntegerField(default=20)
    assist_wait = models.PositiveIntegerField(default=3)
    quorum = models.PositiveSmallIntegerField(default=2)
    voids_evidence = models.BooleanField(
        default=False, help_text="Written by an alarm: the certificate is void and evidence starts again from here."
    )
    strata = models.JSONField(null=True, blank=True, help_text="[station, variant] certified; null: all.")
    change = models.ForeignKey("Change", on_delete=models.PROTECT, null=True, blank=True, related_name="policies")
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["line", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["line", "number"], name="policy_number_is_unique_on_its_line"),
            models.CheckConstraint(
                condition=Q(level__in=[Level.HUMAN_ONLY, Level.SHADOW, Level.ASSIST])
                | Q(version__isnull=False, pass_below__isnull=False, reject_from__isnull=False),
                name="machine_decides_only_with_a_version_and_thresholds",
            ),
            models.CheckConstraint(
                condition=Q(pass_below=None) | Q(pass_below__lte=models.F("reject_from")),
                name="pass_below_is_not_above_reject_from",
            ),
            models.CheckConstraint(
                condition=Q(audit_share__gt=0, audit_share__lte=1, blind_share__gt=0, blind_share__lte=1),
                name="audit_and_blind_share_are_above_zero",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.number} of {self.line}: {self.level}"


class Change(AppendOnly):
    """A proposed change with the evidence frozen as its certificate. Applied: a policy points to it."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    from_policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12)
    proposed = models.JSONField(help_text="The fields of the policy to be.")
    certificate = models.JSONField(default=dict)
    quorum = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.line} by {self.by}"


class Approval(AppendOnly):
    """A second person agrees with a change."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="approvals")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "by"], name="one_approval_per_person")]

    def __str__(self) -> str:
        return f"{self.change_id} approved by {self.by}"


class Halt(AppendOnly):
    """A line, or with no line the whole factory, is halted or resumed; the last row of each holds."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    on = models.BooleanField()
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{'halt' if self.on else 'resume'} {self.line or 'the factory'}"


class Routing(AppendOnly):
    """Who was to decide a part, by which policy and version, and why. One row per part, for ever."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decision = models.CharField(max_length=8, choices=[("pass", "Pass"), ("reject", "Reject"), ("person", "Person")])
    reason = models.CharField(max_length=200)
    decided = models.BooleanField(
        default=False, help_text="The machine's decision was in time and became the disposition."
    )
    advice = models.BooleanField(default=False, help_text="Advice may be served to the person who judges.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["policy", "decision"], name="routing_by_policy")]

    def __str__(self) -> str:
        return f"{self.inspection_id}: {self.decision}, {self.reason}"
