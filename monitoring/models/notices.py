"""Who is told of alarms and dispositions, how, and whether it arrived."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.models import Line
from monitoring.models.alarms import Alarm, Severity


class Channel(models.Model):
    """A way to tell somebody of alarms, or another system of dispositions.

    Quiet hours hold back all but critical alarms until they end; dispositions go to machines, which do not sleep.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", _("E-mail")
        WEBHOOK = "webhook", _("Webhook")

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    target = models.CharField(max_length=500, help_text="Addresses, separated by commas; or a URL.")
    secret = models.CharField(max_length=100, blank=True, help_text="Signs what a webhook is sent.")
    line = models.ForeignKey(Line, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    tells_alarms = models.BooleanField(default=True, db_default=True)
    tells_dispositions = models.BooleanField(default=False, db_default=False)
    least = models.CharField(max_length=10, choices=Severity, default=Severity.ALARM)
    quiet_from = models.TimeField(null=True, blank=True, help_text="In the line's time zone.")
    quiet_to = models.TimeField(null=True, blank=True)
    paused = models.BooleanField(default=False)
    rests_until = models.DateTimeField(null=True, editable=False, help_text="After a failure nothing is tried before.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Sending(models.TextChoices):
    """How it stands with a message. What is given up is a dead letter until somebody sends it again or drops it."""

    DUE = "due", _("Due")
    SENT = "sent", _("Sent")
    GIVEN_UP = "given_up", _("Given up")
    MOOT = "moot", _("Over before it was told")
    DROPPED = "dropped", _("Dropped")


class Delivery(models.Model):
    """One message to one channel: due until it is sent, given up, or not worth sending any more."""

    State = Sending

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20, help_text="opened, worse, acknowledged, lapsed or closed.")
    occasion = models.BigIntegerField(default=0, help_text="Which time that was: the action, or the severity's rank.")
    state = models.CharField(max_length=8, choices=Sending, default=Sending.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "alarm", "event", "occasion"], name="an_event_is_told_once_to_a_channel"
            )
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="delivery_by_due")]

    def __str__(self) -> str:
        return f"{self.event} of alarm {self.alarm_id} to {self.channel_id}"


class Feed(models.Model):
    """How far a channel has come in the dispositions: all up to this key were packed for it, or are not for it."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, primary_key=True, related_name="feed")
    upto = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.channel_id} up to {self.upto}"


class Parcel(models.Model):
    """Dispositions that go to a channel as one message. The next one waits until this has arrived or was given up."""

    State = Sending

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="parcels")
    dispositions = models.JSONField(help_text="Their keys, in their order.")
    state = models.CharField(max_length=8, choices=Sending, default=Sending.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_again = models.BooleanField(default=False, help_text="By a person, after it had been given up.")
    due_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["channel", "state", "id"], name="parcel_by_channel")]

    def __str__(self) -> str:
        return f"{len(self.dispositions)} dispositions to {self.channel_id}"
