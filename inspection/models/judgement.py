"""What people judged and what became of the part. Rows are written once; a second thought is a new row."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.append_only import AppendOnly
from inspection.models.floor import DefectKind
from inspection.models.part import Inspection, Photo


class Outcome(models.TextChoices):
    """What a person judged."""

    OK = "ok", _("OK")
    SCRATCHED = "scratched", _("Scratched")
    UNSURE = "unsure", _("Unsure")


class Severity(models.TextChoices):
    MINOR = "minor", _("Minor")
    MAJOR = "major", _("Major")
    CRITICAL = "critical", _("Critical")


class DispositionOutcome(models.TextChoices):
    """What happens to the part."""

    PASS = "pass", _("Pass")
    REJECT = "reject", _("Reject")


class Occasion(models.TextChoices):
    """Why a person judged: it decides what a verdict is evidence of."""

    FIRST = "first", _("First verdict")
    AUDIT = "audit", _("Audit")
    SECOND = "second", _("Second opinion")
    SUPERVISOR = "supervisor", _("Supervisor's verdict")
    HISTORY = "history", _("Imported label")
    ADVISED = "advised", _("After advice")


class Verdict(AppendOnly):
    """One person's judgement of one part."""

    # The indexes of both are those below: one tells at once whether a person has judged the part.
    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="verdicts", db_index=False)
    # Imported labels have no inspector: nobody signed in and looked.
    inspector = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="verdicts",
        db_index=False,
    )
    occasion = models.CharField(max_length=12, choices=Occasion, default=Occasion.FIRST)
    outcome = models.CharField(max_length=10, choices=Outcome)
    comment = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    lease_token = models.CharField(max_length=43, blank=True, editable=False)
    # When the model's answer was first served to this person; null: they judged without it.
    advice_shown_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(inspector__isnull=False) | Q(occasion=Occasion.HISTORY),
                name="verdict_by_a_person_has_an_inspector",
            ),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="verdict_outcome_is_known"),
            models.UniqueConstraint(
                fields=["inspection", "inspector"],
                condition=~Q(occasion=Occasion.ADVISED),
                name="one_person_judges_a_part_once",
            ),
        ]
        indexes = [
            models.Index(fields=["inspector", "at"], name="verdict_by_inspector"),
            models.Index(fields=["inspection", "inspector"], name="verdict_by_inspection"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} for {self.inspection_id}"


class Defect(AppendOnly):
    """A mark on a photo. The box is x, y, width, height as shares of the photo, 0 to 1; a point has no size."""

    verdict = models.ForeignKey(Verdict, on_delete=models.PROTECT, related_name="defects")
    photo = models.ForeignKey(Photo, on_delete=models.PROTECT, related_name="defects")
    kind = models.ForeignKey(DefectKind, on_delete=models.PROTECT, related_name="defects")
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.MINOR)
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField(default=0)
    height = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    x__gte=0, y__gte=0, width__gte=0, height__gte=0, x__lte=1, y__lte=1, width__lte=1, height__lte=1
                ),
                name="defect_lies_on_its_photo",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} on photo {self.photo_id}"

    @property
    def box(self) -> list[float]:
        return [self.x, self.y, self.width, self.height]


class Correction(AppendOnly):
    """A second thought about a verdict. The last one holds for disposition and report."""

    verdict = models.ForeignKey(Verdict, on_delete=models.PROTECT, related_name="corrections")
    outcome = models.CharField(max_length=10, choices=Outcome)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="corrections")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.verdict_id} corrected to {self.outcome}"


class Disposition(AppendOnly):
    """What happens to the part, decided by a person or by the machine, and why. The last row holds."""

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="dispositions")
    outcome = models.CharField(max_length=8, choices=DispositionOutcome)
    verdict = models.ForeignKey(Verdict, on_delete=models.PROTECT, null=True, blank=True, related_name="dispositions")
    by_machine = models.BooleanField(default=False)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(by_machine=True) ^ Q(verdict__isnull=False), name="disposition_is_a_persons_or_the_machines"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} for {self.inspection_id}"


class ModelOutputShown(AppendOnly):
    """A prediction or heat map of this part was served to this person. Whatever serves one writes this row."""

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="model_output_shown")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    where = models.CharField(max_length=40)

    class Meta:
        indexes = [models.Index(fields=["inspection", "user", "at"], name="shown_by_inspection")]

    def __str__(self) -> str:
        return f"{self.inspection_id} shown to {self.user_id}"


class Draw(AppendOnly):
    """The keyed draws of a part, stored when it is routed and never drawn again.

    Each u is a uniform number in [0, 1) from HMAC(draw secret, purpose and id); the key is named by its id only.
    """

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="draw")
    key = models.CharField(max_length=16)
    u_canary = models.FloatField()
    u_audit = models.FloatField()
    u_blind = models.FloatField()
    blind = models.BooleanField(help_text="Drawn for a blind verdict: nothing of the model may be served before it.")
    audited = models.BooleanField(default=False, help_text="Decided by the machine and drawn for a blind verdict.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(audited=False) | Q(blind=True), name="audited_part_is_drawn_blind")
        ]

    def __str__(self) -> str:
        return f"draws of {self.inspection_id}"


class Skip(AppendOnly):
    """A person passed a part on, and why; it is not offered to them again."""

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="skips", db_index=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["inspection", "by"], name="skip_by_inspection")]

    def __str__(self) -> str:
        return f"{self.inspection_id} skipped"


class Containment(models.Model):
    """The task that a found escape opens: find what else left with it, name the cause, close."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="containment")
    opened_at = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=300)
    opened_by = models.CharField(max_length=150, default="system")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    cause = models.CharField(max_length=500, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | (Q(closed_by__isnull=False) & ~Q(cause="")),
                name="closed_containment_names_its_cause",
            )
        ]

    def __str__(self) -> str:
        return f"containment of {self.inspection_id}"
