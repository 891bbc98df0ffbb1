"""Who read figures of whom: what a person may look up of their own, kept as long as the site says."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Where(models.TextChoices):
    """Where figures of single persons are shown."""

    INSPECTORS = "inspectors", _("Figures of the inspectors")
    STUDY = "study", _("A study")
    REPORT = "report", _("Agreement report by inspector")
    PAIRS = "pairs", _("The pairs behind a report")
    DISCREPANCIES = "discrepancies", _("Discrepancies of one inspector")
    ACCOUNTS = "accounts", _("List of names beside pseudonyms")
    EXPORT = "export", _("Export of everything kept of you")


class FiguresRead(models.Model):
    """Somebody was shown figures of a person, in an hour: one row however often. The sealed trail tells the same by pseudonyms."""

    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    where = models.CharField(max_length=14, choices=Where)
    line = models.CharField(max_length=40, blank=True, help_text="The line's slug; empty for the whole factory.")
    hour = models.DateTimeField(help_text="When it began.")

    class Meta:
        ordering = ["-hour", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "hour", "reader", "where", "line"], name="figures_are_noted_as_read_once_an_hour"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="figures_read_by_hour")]  # for pruning

    def __str__(self) -> str:
        return f"{self.where} of {self.person_id} read by {self.reader_id}"
