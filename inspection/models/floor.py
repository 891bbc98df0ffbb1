"""What an admin sets up: lines, stations, variants, shifts and the kinds of defect."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def real_time_zone(name: str) -> None:
    if name not in available_timezones():
        words = _("{name!r} is not a time zone. Use a name such as Asia/Shanghai or Europe/Berlin.")
        raise ValidationError(words.format(name=name))


class LineQuerySet(models.QuerySet["Line"]):
    def for_user(self, user) -> "LineQuerySet":
        """The lines that a person may work on: those bound to them, or all when none is; fewer by a token that is bound."""
        from inspection.models.people import User

        bound = User.lines.through.objects.filter(user=user)
        lines = self.filter(Exists(bound.filter(line=OuterRef("pk"))) | ~Exists(bound))
        token = getattr(user, "by_token", None)
        return lines.filter(pk__in=token.lines_reached) if token and token.bound else lines


class Line(models.Model):
    """A production line. Levels of automation are set per line, by `automation`, through `hold_seconds`."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    time_zone = models.CharField(max_length=40, default="UTC", validators=[real_time_zone])
    demo = models.BooleanField(default=False, help_text="Simulated parts count as live on a demo line.")
    hold_seconds = models.PositiveIntegerField(
        default=0, editable=False, help_text="How long a new part waits for the machine before people may take it."
    )
    box_required = models.BooleanField(default=False, help_text="A verdict of scratched needs a marked defect.")
    undo_seconds = models.PositiveIntegerField(default=30, validators=[MaxValueValidator(3600)])
    lease_seconds = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(30), MaxValueValidator(3600)],
        help_text="How long an opened part stays with one person without a sign of life.",
    )
    second_opinion_minutes = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1)],
        help_text="A part that waits longer than this for a second person goes to a supervisor.",
    )
    # Cosmetic specifications say how closely and for how long an inspector looks.
    zoom_limit = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(25), MaxValueValidator(1600)],
        help_text="The closest look, in percent of the photo's own pixels (100: one to one). Empty: no limit.",
    )
    viewing_seconds = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
        help_text="The photo is covered after this time, and the part is judged as seen. Empty: no limit.",
    )
    # Seeded parts measure the inspectors. A small share: they cost judging time.
    seed_percent = models.FloatField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(20)],
        help_text="Parts of known truth mixed in, in percent of the live parts. 0: none.",
    )
    repeat_percent = models.FloatField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(20)],
        help_text="Judged parts shown again unknown to the inspector, in percent of the live parts. 0: none.",
    )
    # How far the search for parts to mix seeds after has come.
    seeded_to = models.BigIntegerField(default=0, editable=False)

    objects = LineQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Station(models.Model):
    """A camera-and-inspector position on a line."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="stations")
    slug = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["line", "slug"]
        constraints = [models.UniqueConstraint(fields=["line", "slug"], name="station_slug_is_unique_on_its_line")]

    def __str__(self) -> str:
        return self.name


class Variant(models.Model):
    """A phone model that the factory makes; evidence is also read per variant."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Shift(models.Model):
    """A span of the working day on a line, in the line's time zone; it may cross midnight."""

    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="shifts")
    name = models.CharField(max_length=40)
    starts_at = models.TimeField()
    ends_at = models.TimeField()

    class Meta:
        ordering = ["line", "starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["line", "name"], name="shift_name_is_unique_on_its_line"),
            models.CheckConstraint(condition=~models.Q(starts_at=models.F("ends_at")), name="shift_has_a_length"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.starts_at:%H:%M} to {self.ends_at:%H:%M}"

    def covers(self, clock: time) -> bool:
        if self.starts_at < self.ends_at:
            return self.starts_at <= clock < self.ends_at
        return clock >= self.starts_at or clock < self.ends_at

    def day_of(self, moment: datetime) -> date:
        """The day that a moment of this shift belongs to: the one it started on."""
        local = moment.astimezone(self.line.zone)
        after_midnight = self.starts_at > self.ends_at and local.time() < self.ends_at
        return local.date() - timedelta(days=1) if after_midnight else local.date()


class DefectKind(models.Model):
    """A scratch, or a contamination that is none; a kind says whether it rejects the part."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    rejects = models.BooleanField(default=True, help_text="A part with this defect is rejected.")
    contamination = models.BooleanField(default=False, help_text="Dirt: clean the part and look again.")
    key = models.CharField(max_length=1, blank=True, help_text="The key that picks this kind while marking.")

    class Meta:
        ordering = ["-rejects", "slug"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(rejects=True, contamination=True), name="contamination_does_not_reject"
            )
        ]

    def __str__(self) -> str:
        return self.name


class UrgentLot(models.Model):
    """A lot whose parts are judged before all others of the line."""

    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="urgent_lots")
    lot = models.CharField(max_length=80)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["line", "lot"], name="lot_is_urgent_once_on_its_line")]

    def __str__(self) -> str:
        return self.lot


class Sample(models.Model):
    """A photo to compare with: a good part, or a limit sample that shows where good ends."""

    class Meaning(models.TextChoices):
        GOOD = "good", _("Good part")
        LIMIT_OK = "limit_ok", _("Limit: still OK")
        LIMIT_SCRATCHED = "limit_scratched", _("Limit: scratched")

    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="samples")
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, null=True, blank=True, related_name="samples")
    view = models.CharField(max_length=40, blank=True, help_text="The view that it shows; empty: any.")
    meaning = models.CharField(max_length=16, choices=Meaning)
    caption = models.CharField(max_length=120, blank=True)
    stored = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the bytes kept.")
    format = models.CharField(max_length=8, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["line", "meaning", "pk"]

    def __str__(self) -> str:
        return self.caption or self.get_meaning_display()
