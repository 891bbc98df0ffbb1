"""An inspector asks for a halt of their line, and a supervisor answers: rows that are written once."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from inspection.append_only import AppendOnly
from inspection.models.floor import Line


class HaltRequest(AppendOnly):
    """Somebody on the floor asks that the line be halted, and why. Open until it is answered."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"halt of {self.line} asked for"


class HaltAnswer(AppendOnly):
    """What became of a request: the line was halted, or it was declined, by whom and why."""

    request = models.OneToOneField(HaltRequest, on_delete=models.PROTECT, primary_key=True, related_name="answer")
    granted = models.BooleanField()
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.request_id} {'granted' if self.granted else 'declined'}"
