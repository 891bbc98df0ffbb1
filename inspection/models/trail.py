"""The audit trail: text and JSON without foreign keys, so that it outlives what it tells of."""

from django.db import models
from django.utils import timezone

from inspection.append_only import AppendOnly


class OfNoPart(models.Func):
    """Whether an event tells of no single part, spelled out as the index's condition is: events of parts grow with
    production, the others do not."""

    template = "substr(%(expressions)s, 1, 11) <> 'inspection '"
    output_field = models.BooleanField()

    def __init__(self) -> None:
        super().__init__("subject")


class AuditEvent(AppendOnly):
    """Somebody did something. Written in the transaction that it describes."""

    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    line = models.CharField(max_length=40, blank=True, help_text="The line's slug; empty for the whole factory.")
    subject = models.CharField(max_length=120, blank=True)
    data = models.JSONField(default=dict)

    by_month = "at"

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["line", "id"], name="audit_by_line"),
            models.Index(fields=["subject"], name="audit_by_subject"),
            models.Index(fields=["line", "at"], name="audit_of_no_part", condition=models.Q(OfNoPart())),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.by}"


class AuditSeal(AppendOnly):
    """A link of a line's hash chain: SHA-256 over the link before and one event. A row per event: rows that commit
    out of the order of their ids are sealed late and never missed."""

    line = models.CharField(max_length=40, blank=True)
    number = models.PositiveIntegerField()
    event_id = models.BigIntegerField(unique=True)
    digest = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["line", "number"]
        constraints = [models.UniqueConstraint(fields=["line", "number"], name="seal_number_is_unique_on_its_line")]

    def __str__(self) -> str:
        return f"seal {self.number} of {self.line or 'the factory'}"
