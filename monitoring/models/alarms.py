"""Alarms, what was found for them, and what people did about them."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inspection.append_only import AppendOnly
from inspection.models import Line, Station
from monitoring.models.figures import Stream


class Severity(models.TextChoices):
    """How sure and how grave. A critical alarm lowers the line's level by itself."""

    WARNING = "warning", pgettext_lazy("alarm", "Warning")
    ALARM = "alarm", pgettext_lazy("alarm", "Alarm")
    CRITICAL = "critical", pgettext_lazy("alarm", "Critical")

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Remedy(models.TextChoices):
    """What to do about an alarm first; `monitoring.diagnosis` proposes it from what moved."""

    LOOK = "look", _("Look at the parts")
    FIX_STATION = "fix_station", _("Fix the station")
    FIX_SERVER = "fix_server", _("Look after the server")
    REVIEW_RULE = "review_rule", _("Review the rule with the inspectors")
    LOWER = "lower", _("Lower the level")
    ROLL_BACK = "roll_back", _("Roll back")


class Cause(models.TextChoices):
    """What an alarm turned out to be, named by who closes it."""

    FIXED = "fixed", _("Found and put right")
    FALSE_ALARM = "false_alarm", _("False alarm: nothing was different")
    NEW_NORMAL = "new_normal", _("New normal: it is to stay so")
    RULE_CHANGED = "rule_changed", _("The rule of what is scratched changed")
    OTHER = "other", _("Something else")


class State(models.TextChoices):
    """Where an alarm stands. A warning is one of the lowest severity that nobody is on yet."""

    WARNING = "warning", pgettext_lazy("alarm", "Warning")
    OPEN = "open", pgettext_lazy("alarm", "Open")
    ACKNOWLEDGED = "acknowledged", pgettext_lazy("alarm", "Acknowledged")
    CLOSED = "closed", pgettext_lazy("alarm", "Closed")


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def open(self) -> "AlarmQuerySet":
        """Those that are not over: also the acknowledged ones."""
        return self.exclude(Exists(_of_alarm(AlarmAction.Action.CLOSED)))

    def closed(self) -> "AlarmQuerySet":
        return self.filter(Exists(_of_alarm(AlarmAction.Action.CLOSED)))

    def acknowledged(self, now: datetime) -> "AlarmQuerySet":
        """Those that somebody is on: the last acknowledgement holds, for good or until a time yet to come."""
        return self.open().filter(Exists(_holding(now)))

    def waiting(self, now: datetime) -> "AlarmQuerySet":
        """Those that nobody is on: never acknowledged, or no longer."""
        return self.open().exclude(Exists(_holding(now)))


def _of_alarm(action: str) -> "models.QuerySet[AlarmAction]":
    """What people did, of one kind, about the alarm that the outer query is at."""
    return AlarmAction.objects.filter(alarm=OuterRef("pk"), action=action)


def _holding(now: datetime) -> "models.QuerySet[AlarmAction]":
    """The acknowledgement of the outer query's alarm, while it holds; a later one takes an earlier one's place."""
    acknowledged = AlarmAction.Action.ACKNOWLEDGED
    later = AlarmAction.objects.filter(alarm=OuterRef("alarm"), action=acknowledged, pk__gt=OuterRef("pk"))
    holds = Q(until=None) | Q(until__gt=now)
    return _of_alarm(acknowledged).filter(holds).exclude(Exists(later))


class Alarm(models.Model):
    """Something moved. One open alarm per line, rule and station: the same cause again adds a finding, not an alarm."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    rule = models.CharField(max_length=60, help_text="Who watched: `drift` for figures, `escapes` for audits.")
    station = models.ForeignKey(Station, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    severity = models.CharField(max_length=10, choices=Severity)
    message = models.CharField(max_length=300)
    suggestion = models.CharField(max_length=300, blank=True, help_text="What to do first, and why.")
    remedy = models.CharField(max_length=12, choices=Remedy, default=Remedy.LOOK, help_text="The same as a word.")
    opened_at = models.DateTimeField(default=timezone.now)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.rule} on {self.line}"

    def state_at(self, now: datetime) -> State:
        """Where it stands at a time; asks for its actions, which a list prefetches."""
        done = list(self.actions.all())
        if any(row.action == AlarmAction.Action.CLOSED for row in done):
            return State.CLOSED
        taken = [row for row in done if row.action == AlarmAction.Action.ACKNOWLEDGED]
        if taken and taken[-1].holds(now):
            return State.ACKNOWLEDGED
        return State.WARNING if self.severity == Severity.WARNING else State.OPEN

    @property
    def state(self) -> State:
        return self.state_at(timezone.now())


class AlarmAction(AppendOnly):
    """Somebody acknowledged or closed an alarm, and why."""

    class Action(models.TextChoices):
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        CLOSED = "closed", _("Closed")

    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT, related_name="actions")
    action = models.CharField(max_length=14, choices=Action)
    comment = models.CharField(max_length=500)
    cause = models.CharField(max_length=12, choices=Cause, blank=True)
    until = models.DateTimeField(
        null=True, blank=True, help_text="An acknowledgement holds until then; empty: for good."
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.alarm_id} {self.action}"

    def holds(self, now: datetime) -> bool:
        """Whether an acknowledgement still says that somebody is on it."""
        return self.until is None or self.until > now


class Finding(AppendOnly):
    """A detector saw a figure move: what an alarm rests on. Written once, also while the alarm is acknowledged."""

    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT, related_name="findings")
    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="findings")
    detector = models.CharField(max_length=20, help_text="mean, spread, rate, window or instant.")
    severity = models.CharField(max_length=10, choices=Severity)
    part = models.BigIntegerField(null=True, help_text="The part (`Inspection`) at which it was seen.")
    before = models.FloatField(null=True, help_text="The figure in its baseline.")
    after = models.FloatField(null=True, help_text="The figure since it moved, as far as is known.")
    moved_at = models.DateTimeField(help_text="Of the first part that is taken to be different.")
    examples = models.JSONField(default=list, help_text="The farthest parts (`Inspection`), the farthest first.")
    at = models.DateTimeField(default=timezone.now, help_text="When it was seen.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.detector} of {self.stream}"
