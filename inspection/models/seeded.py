"""Parts shown again: photos of known truth, repeats and second looks, which measure the inspectors as gauges."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.append_only import AppendOnly
from inspection.models.floor import Line
from inspection.models.judgement import ModelOutputShown, Verdict
from inspection.models.part import Inspection


class Truth(models.TextChoices):
    """What a part is known to be."""

    OK = "ok", _("OK")
    SCRATCHED = "scratched", _("Scratched")


class Reference(models.Model):
    """A part of known truth, kept to be mixed into the queue as a seeded part until it is retired."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="reference")
    truth = models.CharField(max_length=10, choices=Truth)
    reason = models.CharField(max_length=500, help_text="How the truth is known.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True) | Q(retired_by__isnull=False),
                name="retired_reference_says_by_whom",
            )
        ]

    def __str__(self) -> str:
        return f"{self.inspection_id} is {self.truth}"


class Study(models.Model):
    """A planned attribute study: some references, each judged by some inspectors in some rounds, unknown to them."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="studies")
    name = models.CharField(max_length=80)
    rounds = models.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1), MaxValueValidator(5)])
    references = models.ManyToManyField(Reference, related_name="studies")
    inspectors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class Purpose(models.TextChoices):
    """Why a part is shown again."""

    REFERENCE = "reference", _("Known truth")
    REPEAT = "repeat", _("Repeat")
    SECOND_LOOK = "second_look", _("Second look")
    STUDY = "study", _("Study")


class SeededPart(AppendOnly):
    """An inspection of origin `seeded`: the photos of `source` under another serial, for a verdict that moves no part."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, primary_key=True, related_name="seeded")
    source = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="shown_again")
    purpose = models.CharField(max_length=12, choices=Purpose)
    truth = models.CharField(max_length=10, choices=Truth, blank=True, help_text="Empty: not known.")
    # Null: anybody may judge it who may judge the line's parts and has not seen the model's answer to the source.
    reserved_for = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    study = models.ForeignKey(Study, on_delete=models.PROTECT, null=True, blank=True, related_name="trials")
    round = models.PositiveSmallIntegerField(null=True, blank=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(purpose="study", study__isnull=False, round__isnull=False, reserved_for__isnull=False)
                | ~Q(purpose="study") & Q(study__isnull=True, round__isnull=True),
                name="trial_of_a_study_names_its_round_and_inspector",
            ),
            models.CheckConstraint(condition=~Q(inspection=models.F("source")), name="seeded_part_is_not_its_source"),
        ]
        indexes = [models.Index(fields=["purpose", "at"], name="seeded_by_purpose")]

    def __str__(self) -> str:
        return f"{self.inspection_id} shows {self.source_id} again"


def withheld_from(user) -> models.QuerySet[SeededPart]:
    """The seeded parts that this person must not judge: kept for another, or known to them from the part itself.

    They know it who were served the model's answer to it or said what its truth is. A second look is nobody's who has
    judged its photos before, as the part itself or shown again.
    """
    served = ModelOutputShown.objects.filter(inspection=OuterRef("source"), user=user)
    told = Reference.objects.filter(inspection=OuterRef("source"), by=user)
    judged = Verdict.objects.filter(inspection=OuterRef("source"), inspector=user)
    again = Verdict.objects.filter(inspection__seeded__source=OuterRef("source"), inspector=user)
    another = Q(reserved_for__isnull=False) & ~Q(reserved_for=user)
    looked = Q(Exists(judged) | Exists(again), purpose=Purpose.SECOND_LOOK)
    return SeededPart.objects.filter(another | Q(Exists(served)) | Q(Exists(told)) | looked)
