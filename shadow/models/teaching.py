"""Parts that a supervisor put into the training set, or took out of it."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from inspection.append_only import AppendOnly
from inspection.models import Inspection, Truth


class TrainingPart(AppendOnly):
    """A part taught under a label that a supervisor settled; the last row of a part holds, an empty label takes it out."""

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=10, choices=Truth, blank=True)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.inspection_id} is taught as {self.label or 'nothing'}"
