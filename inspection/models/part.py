"""A part in front of a station once: its photos, where it stands, and who holds it."""

from datetime import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import BooleanField, Exists, Func, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inspection.append_only import AppendOnly
from inspection.models.floor import Line, Station, Variant
from inspection.moves import OPEN, State


class Origin(models.TextChoices):
    """Where an inspection came from; only live ones (and simulated ones of a demo line) are evidence."""

    LIVE = "live", _("Live")
    IMPORTED = "imported", _("Imported")
    SEEDED = "seeded", _("Seeded")
    REPLAY = "replay", _("Replay")
    SIMULATED = "simulated", _("Simulated")


STATES = [
    (State.HELD.value, _("held")),
    (State.WAITING.value, _("waiting")),
    (State.DECIDED.value, _("decided")),
    (State.AUDIT_DUE.value, _("audit due")),
    (State.SECOND_OPINION.value, _("second opinion")),
    (State.WITH_SUPERVISOR.value, _("with supervisor")),
    (State.RETAKE.value, _("retake")),
    (State.CLOSED.value, _("closed")),
]


OPEN_STATES = sorted(state.value for state in OPEN)


class IsOpen(Func):
    """Whether a part is open, spelled out as the condition of the queue's indexes is.

    SQLite uses a partial index only where the query repeats its condition word by word, not with bound parameters.
    """

    template = "%(expressions)s IN ({})".format(", ".join(f"'{state}'" for state in OPEN_STATES))
    output_field = BooleanField()

    def __init__(self) -> None:
        super().__init__("state")


class QueueLine(Func):
    """A part's line, by a name that only the queue's indexes know.

    Without statistics SQLite takes any index that begins with the line, and then reads a factory's whole history.
    """

    template = "(%(expressions)s + 0)"
    output_field = models.BigIntegerField()

    def __init__(self) -> None:
        super().__init__("line")


class InspectionQuerySet(models.QuerySet["Inspection"]):
    def open(self) -> "InspectionQuerySet":
        return self.filter(IsOpen())

    def queued(self, lines) -> "InspectionQuerySet":
        """The open parts of some lines, found by the queue's index, however long the history."""
        return self.open().alias(queue_line=QueueLine()).filter(queue_line__in=lines)

    def takeable(self, *, now, supervisor: bool = False) -> "InspectionQuerySet":
        """Parts that are a person's: given to people, or held with the hold passed; and held by nobody now."""
        states = [State.WAITING, State.AUDIT_DUE, State.SECOND_OPINION]
        if supervisor:
            states.append(State.WITH_SUPERVISOR)
        leased = Lease.objects.filter(inspection=OuterRef("pk"), expires_at__gt=now)
        theirs = Q(state__in=states) | Q(state=State.HELD, hold_until__lte=now)
        return self.open().filter(theirs).exclude(Exists(leased))

    def awaiting(self, user, *, now, supervisor: bool = False) -> "InspectionQuerySet":
        """The queue of one person: oldest first, without parts they judged or saw the model's answer of.

        A supervisor is offered no seeded part: whoever oversees can read which parts are seeded.
        """
        from inspection.models.judgement import ModelOutputShown, Skip, Verdict

        judged = Verdict.objects.filter(inspection=OuterRef("pk"), inspector=user)
        shown = ModelOutputShown.objects.filter(inspection=OuterRef("pk"), user=user)
        skipped = Skip.objects.filter(inspection=OuterRef("pk"), by=user)
        queue = self.takeable(now=now, supervisor=supervisor)
        queue = queue.exclude(Exists(judged)).exclude(Exists(shown)).exclude(Exists(skipped))
        queue = queue.unseeded() if supervisor else queue.without_seeds_withheld_from(user)
        return queue.order_by("received_at", "pk")

    def without_seeds_withheld_from(self, user) -> "InspectionQuerySet":
        """A live part is let through by its origin alone: what stands behind a seeded one is not asked for it."""
        from inspection.models.seeded import withheld_from

        withheld = withheld_from(user).filter(inspection=OuterRef("pk"))
        return self.exclude(Q(Exists(withheld), origin=Origin.SEEDED))

    def unseeded(self) -> "InspectionQuerySet":
        """Parts that stood in front of a station, not photos of them shown again."""
        return self.exclude(origin=Origin.SEEDED)

    def live(self) -> "InspectionQuerySet":
        """Parts that count as the line's own production."""
        return self.filter(Q(origin=Origin.LIVE) | Q(origin=Origin.SIMULATED, line__demo=True))


class Inspection(models.Model):
    """One part in front of one station once."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="inspections")
    station = models.ForeignKey(Station, on_delete=models.PROTECT, null=True, blank=True, related_name="inspections")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, null=True, blank=True, related_name="inspections")
    serial = models.CharField(max_length=120)
    lot = models.CharField(max_length=80, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.LIVE)
    captured_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    received_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="inspections_sent"
    )
    state = models.CharField(max_length=16, choices=STATES, default=State.WAITING)
    hold_until = models.DateTimeField()
    state_since = models.DateTimeField(default=timezone.now)
    # The sender's key, scoped to its token, and what was sent under it.
    idempotency_key = models.CharField(max_length=200, null=True, blank=True, editable=False)  # noqa: DJ001 - null: no key
    idempotency_scope = models.CharField(max_length=40, blank=True, editable=False)
    request_digest = models.CharField(max_length=64, blank=True, editable=False)
    # Where its trace began (W3C), for what is done to it later and elsewhere; null: there was no collector.
    traceparent = models.CharField(max_length=55, null=True, editable=False)  # noqa: DJ001 - SQLite adds no other column
    split = models.CharField(max_length=20, blank=True, help_text="The split that an import named: train, val, ...")

    objects = InspectionQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["idempotency_scope", "idempotency_key"], name="one_inspection_per_idempotency_key"
            ),
            models.CheckConstraint(condition=~Q(serial=""), name="inspection_has_a_serial"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in State]), name="inspection_state_is_known"),
        ]
        indexes = [
            # The queue stays as small as what is open, however long the history.
            models.Index(QueueLine(), "received_at", "id", name="inspection_queue", condition=Q(state__in=OPEN_STATES)),
            models.Index(QueueLine(), "lot", "id", name="inspection_lots", condition=Q(state__in=OPEN_STATES)),
            models.Index(fields=["serial", "received_at"], name="inspection_by_serial"),
            models.Index(fields=["line", "received_at"], name="inspection_by_line"),
            # Begins with the lot, for SQLite takes any index that begins with the line.
            models.Index(fields=["lot", "line", "received_at"], name="inspection_by_lot"),
        ]

    def __str__(self) -> str:
        return f"{self.serial} ({self.pk})"

    @property
    def disposition(self):
        """The disposition that holds now: the last row; None before one, and after its verdict was undone to unsure."""
        rows = list(self.dispositions.all())  # oldest first; a list, so that a prefetch serves it
        if not rows or (self.state in OPEN and not rows[-1].by_machine):
            return None
        return rows[-1]

    @property
    def counts_as_live(self) -> bool:
        return self.origin == Origin.LIVE or (self.origin == Origin.SIMULATED and self.line.demo)


class Photo(AppendOnly):
    """One view of the part. `sha256` is of the bytes that were sent; `stored` of those kept, without metadata."""

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="photos")
    position = models.PositiveSmallIntegerField(validators=[MaxValueValidator(7)])
    view = models.CharField(max_length=40, blank=True)
    sha256 = models.CharField(max_length=64, db_index=True)
    stored = models.CharField(max_length=64)
    format = models.CharField(max_length=8)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField(help_text="Bytes kept.")

    class Meta:
        ordering = ["inspection", "position"]
        constraints = [
            models.UniqueConstraint(fields=["inspection", "position"], name="one_photo_per_position"),
            models.CheckConstraint(condition=Q(position__lte=7), name="inspection_has_at_most_8_photos"),
        ]

    def __str__(self) -> str:
        return f"photo {self.position + 1} of {self.inspection_id}"


class StationDecision(AppendOnly):
    """A station decided the part by itself, and what it sent of that. The floor keeps it and does not read it."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="station_decision")
    sent = models.JSONField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.inspection_id} decided at its station"


class LeaseQuerySet(models.QuerySet["Lease"]):
    def held_by(self, user, *, now: datetime | None = None) -> "LeaseQuerySet":
        """The parts that a person holds now, oldest first."""
        return self.filter(user=user, expires_at__gt=now or timezone.now()).order_by("opened_at", "pk")


class Lease(models.Model):
    """Who holds a part now. One row per part: the primary key is what keeps it from two people."""

    inspection = models.OneToOneField(Inspection, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    # Its index is the one below.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="leases", db_index=False)
    token = models.CharField(max_length=43, unique=True)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = LeaseQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["user", "expires_at"], name="lease_by_user")]

    def __str__(self) -> str:
        return f"{self.inspection_id} held by {self.user_id}"
