"""Alarms, what people did about them, and the state of the detectors between two looks."""

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inspection.append_only import AppendOnly
from inspection.models import Line


class Severity(models.TextChoices):
    WARNING = "warning", pgettext_lazy("alarm", "Warning")
    CRITICAL = "critical", pgettext_lazy("alarm", "Critical")


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def open(self) -> "AlarmQuerySet":
        closed = AlarmAction.objects.filter(alarm=OuterRef("pk"), action=AlarmAction.Action.CLOSED)
        return self.exclude(Exists(closed))


class Alarm(models.Model):
    """Something moved. One open alarm per line and rule: the same cause again adds nothing."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    rule = models.CharField(max_length=60)
    severity = models.CharField(max_length=10, choices=Severity)
    message = models.CharField(max_length=300)
    suggestion = models.CharField(max_length=300, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.rule} on {self.line}"

    @property
    def state(self) -> str:
        last = self.actions.last()
        return last.action if last else "open"


class AlarmAction(AppendOnly):
    """Somebody acknowledged or closed an alarm, and why."""

    class Action(models.TextChoices):
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        CLOSED = "closed", _("Closed")

    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT, related_name="actions")
    action = models.CharField(max_length=14, choices=Action)
    comment = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.alarm_id} {self.action}"


class DetectorState(models.Model):
    """A detector between two looks: its state as JSON, and the last row that it has seen."""

    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=60, help_text="What it watches; a new version of the model is a new subject.")
    rule = models.CharField(max_length=60)
    state = models.JSONField(default=dict)
    seen_to = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "subject", "rule"], name="one_detector_per_line_and_rule")
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.subject} on {self.line}"
