"""Who decides on a line, since when and on what grounds: rows that are written once."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automation.levels import Level
from inspection.append_only import AppendOnly
from inspection.models import Inspection, Line, Station
from shadow.models import ModelVersion, Prediction

LEVELS = [
    (Level.HUMAN_ONLY.value, _("human only")),
    (Level.SHADOW.value, _("shadow")),
    (Level.ASSIST.value, _("assist")),
    (Level.PARTIAL.value, _("partial")),
    (Level.FULL.value, _("full")),
]


class Policy(AppendOnly):
    """An immutable numbered row per line; the highest number is in force."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    level = models.CharField(max_length=12, choices=LEVELS)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    pass_below = models.FloatField(null=True, blank=True, help_text="The machine passes a part that scores below.")
    reject_from = models.FloatField(null=True, blank=True, help_text="The machine rejects a part from this score on.")
    ramp = models.JSONField(default=list, help_text="Steps of [share of parts, audit share]; empty: no ramp.")
    step = models.PositiveSmallIntegerField(default=0)
    audit_share = models.FloatField(default=0.1)
    blind_share = models.FloatField(default=0.1)
    limits = models.JSONField(default=dict, help_text="What the gates ask for; see automation.gates.Limits.")
    hold_seconds = models.PositiveIntegerField(default=20)
    assist_wait = models.PositiveIntegerField(default=3)
    quorum = models.PositiveSmallIntegerField(default=2)
    ramp_held = models.BooleanField(default=False, help_text="The ramp waits at its step until a person lets it go on.")
    signed = models.BooleanField(
        default=False, help_text="Whoever proposes or approves a change enters their password again."
    )
    standby = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="Kept warm beside the live version: one row switches back to it.",
    )  # fmt: skip
    strata = models.JSONField(null=True, blank=True, help_text="[station, variant] certified; null: all.")
    change = models.ForeignKey("Change", on_delete=models.PROTECT, null=True, blank=True, related_name="policies")
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["line", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["line", "number"], name="policy_number_is_unique_on_its_line"),
            models.CheckConstraint(
                condition=Q(level__in=[Level.HUMAN_ONLY, Level.SHADOW, Level.ASSIST])
                | Q(version__isnull=False, pass_below__isnull=False, reject_from__isnull=False),
                name="machine_decides_only_with_a_version_and_thresholds",
            ),
            models.CheckConstraint(
                condition=Q(pass_below=None) | Q(pass_below__lte=models.F("reject_from")),
                name="pass_below_is_not_above_reject_from",
            ),
            models.CheckConstraint(
                condition=Q(audit_share__gt=0, audit_share__lte=1, blind_share__gt=0, blind_share__lte=1),
                name="audit_and_blind_share_are_above_zero",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.number} of {self.line}: {self.level}"


class Void(AppendOnly):
    """A version's certificate on a line is void, whoever decides there at that moment; its evidence counts from then on."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(
        help_text="The policy in force then: what the version may do by it, and by those before it, is void."
    )
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["line", "version", "number"], name="void_by_line_and_version")]

    def __str__(self) -> str:
        return f"{self.version_id} on {self.line_id} is void up to policy {self.number}"


class Change(AppendOnly):
    """A proposed change with the evidence frozen as its certificate. Applied: a policy points to it."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    from_policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12)
    proposed = models.JSONField(help_text="The fields of the policy to be.")
    certificate = models.JSONField(default=dict)
    quorum = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=500)
    signed = models.BooleanField(default=False, help_text="The password was entered again.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.line} by {self.by}"


class Approval(AppendOnly):
    """A second person agrees with a change."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="approvals")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    signed = models.BooleanField(default=False, help_text="The password was entered again.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "by"], name="one_approval_per_person")]

    def __str__(self) -> str:
        return f"{self.change_id} approved by {self.by}"


class Halt(AppendOnly):
    """A line, or with no line the whole factory, is halted or resumed; the last row of each holds."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    on = models.BooleanField()
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{'halt' if self.on else 'resume'} {self.line or 'the factory'}"

    @property
    def scope(self) -> str:
        return "line" if self.line_id else "factory"


class EscapeWatch(models.Model):
    """The detectors over a version's audited passes on a line, and how far they have looked. One writer: the row's lock."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    state = models.JSONField(default=dict, help_text="{escapes: EscapeDetector, burst: BurstDetector}")
    seen_to = models.BigIntegerField(default=0, help_text="The last verdict that was looked at.")
    corrected_to = models.BigIntegerField(default=0, help_text="The last correction that was looked at.")
    judged = models.PositiveBigIntegerField(default=0, help_text="Audits that somebody could tell.")
    passes = models.PositiveBigIntegerField(default=0, help_text="Of them, of parts that the machine had passed.")
    escapes = models.PositiveBigIntegerField(default=0, help_text="Of those, found scratched.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "version"], name="one_escape_watch_per_line_and_version")
        ]

    def __str__(self) -> str:
        return f"escapes of {self.version_id} on {self.line_id}"


class DrawKey(AppendOnly):
    """A key that draws were made with, named without telling it; a new row is a rotation."""

    key = models.CharField(max_length=12)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.key


class Routing(AppendOnly):
    """Who was to decide a part, by which policy and version, and why. One row per part, for ever."""

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decision = models.CharField(max_length=8, choices=[("pass", "Pass"), ("reject", "Reject"), ("person", "Person")])
    reason = models.CharField(max_length=200)
    decided = models.BooleanField(
        default=False, help_text="The machine's decision was in time and became the disposition."
    )
    advice = models.BooleanField(default=False, help_text="Advice may be served to the person who judges.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["policy", "decision"], name="routing_by_policy")]

    def __str__(self) -> str:
        return f"{self.inspection_id}: {self.decision}, {self.reason}"


class EdgeBundle(AppendOnly):
    """What a station may decide by while the network is down: exported once, by a policy that certified it."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    station = models.ForeignKey(Station, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    pass_below = models.FloatField()
    reject_from = models.FloatField()
    strata = models.JSONField(null=True, blank=True, help_text="[station, variant] certified here; null: all.")
    most = models.PositiveIntegerField(help_text="Parts that the station may decide by it.")
    hours = models.PositiveSmallIntegerField(help_text="For which a ticket holds after the server last renewed it.")
    sha256 = models.CharField(max_length=64, help_text="Of the file that the station fetches.")
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["line", "number"], name="bundle_number_is_unique_on_its_line"),
            models.CheckConstraint(condition=Q(hours__lte=24), name="ticket_holds_for_24_hours_at_most"),
        ]

    def __str__(self) -> str:
        return f"bundle {self.number} of {self.line_id}"


class EdgeEnd(AppendOnly):
    """A person has ended a bundle. What else ends it stands in rows of its own: policies, halts, voids, later bundles."""

    bundle = models.OneToOneField(EdgeBundle, on_delete=models.PROTECT, related_name="ended")
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"the end of {self.bundle_id}"


class EdgeTicket(AppendOnly):
    """Until when a station was told that it may use a bundle."""

    bundle = models.ForeignKey(EdgeBundle, on_delete=models.PROTECT, related_name="tickets")
    issued_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.bundle_id} until {self.ends_at}"


class EdgeMark(AppendOnly):
    """A station decided this part while the network was down. One row per part, as it arrives.

    `refused` are the reasons why the decision is not taken for one of the machine's: none, and it is compared with the
    server's own score before it is evidence of anything.
    """

    inspection = models.OneToOneField(Inspection, on_delete=models.PROTECT, related_name="+")
    bundle = models.ForeignKey(EdgeBundle, on_delete=models.PROTECT, null=True, blank=True, related_name="marks")
    number = models.BigIntegerField(help_text="Of the bundle, as the station said it.")
    place = models.BigIntegerField(
        help_text="1, 2, 3 .. in the bundle: a number that lacks is a part that nobody judged."
    )
    outcome = models.CharField(max_length=8, choices=[("pass", "Pass"), ("reject", "Reject")])
    score = models.FloatField(help_text="The station's own.")
    novelty = models.FloatField()
    decided_at = models.DateTimeField(help_text="By the station's clock.")
    taken = models.BooleanField()
    refused = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["bundle", "place"], condition=Q(taken=True), name="one_part_per_place_in_a_bundle"
            ),
            models.CheckConstraint(
                condition=Q(taken=False) | Q(bundle__isnull=False), name="a_mark_taken_has_a_bundle"
            ),
        ]
        indexes = [models.Index(fields=["at"], name="edge_mark_by_time")]

    def __str__(self) -> str:
        return f"{self.inspection_id} decided at its station"
