"""What is counted of the pairs so that a report need not read them: made from the rows, and made again from them at will."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from inspection.models import Inspection, Line, Station, Variant
from shadow.models.answers import Finding, Prediction
from shadow.models.versions import ModelVersion


class Standing(models.TextChoices):
    """Where a pair stands: in one cell of the 2x2 table, or why in none. The values are the words of the API."""

    BOTH_OK = "both_ok", "Both ok"
    OVERKILL = "overkill", "Overkill"
    ESCAPE = "escape", "Escape"
    BOTH_SCRATCHED = "both_scratched", "Both scratched"
    UNSURE = "unsure", "Unsure"
    NULL = "null", "Without an answer"
    UNJUDGED = "unjudged", "Not yet judged"


DIFFERING = ("escape", "overkill")


class Differs(models.Func):
    """Whether person and model differ, spelled out as the index's condition is: with bound parameters SQLite, which
    compares the two word by word, would read the whole history. So are the two below."""

    template = "%(expressions)s IN ({})".format(", ".join(f"'{cell}'" for cell in DIFFERING))
    output_field = models.BooleanField()

    def __init__(self) -> None:
        super().__init__("standing")


class Unseeded(models.Func):
    """Whether the part is one of production, not a photo of one that was shown again."""

    template = "NOT (%(expressions)s = 'seeded')"
    output_field = models.BooleanField()

    def __init__(self) -> None:
        super().__init__("kind")


class Unsettled(models.Func):
    """Whether no supervisor has found who was right."""

    template = "%(expressions)s = ''"
    output_field = models.BooleanField()

    def __init__(self) -> None:
        super().__init__("finding")


class CountsAs(models.TextChoices):
    """What a pair is to a certificate of its version; empty: nothing. The order is that of the counts in a tally."""

    OK = "ok", "OK"
    SCRATCHED = "scratched", "Scratched"
    SERVED = "served", "Drawn blind and served all the same: an escape"
    UNSURE = "unsure", "An audit of which nobody could tell: an escape"
    PENDING = "pending", "Waits for a person"
    DUE = "due", "An audit that waits for a person"


class IsEvidence(models.Func):
    """Whether a pair counts for or against its version, spelled out as the index's condition is."""

    template = "NOT (%(expressions)s = '')"
    output_field = models.BooleanField()

    def __init__(self) -> None:
        super().__init__("evidence")


class Comparison(models.Model):
    """One pair as it was last counted; `rollups` alone writes it. Lists and exports read it, tallies are its sums."""

    # A purge leaves the row behind, so that what it was counted as can be taken from the tallies.
    prediction = models.OneToOneField(
        Prediction, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="comparison"
    )
    inspection = models.ForeignKey(Inspection, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    # The database holds these for the rows that were counted; to look each up again takes PostgreSQL a fifth of a count.
    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_constraint=False, related_name="+", db_index=False)
    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, db_constraint=False, related_name="+", db_index=False
    )
    station = models.ForeignKey(
        Station, on_delete=models.CASCADE, null=True, db_constraint=False, related_name="+", db_index=False
    )
    variant = models.ForeignKey(
        Variant, on_delete=models.CASCADE, null=True, db_constraint=False, related_name="+", db_index=False
    )
    # Whose verdict holds; null: nobody's yet, or an imported label.
    inspector = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, db_constraint=False, related_name="+",
        db_index=False,
    )  # fmt: skip
    lot = models.CharField(max_length=80, blank=True)
    day = models.DateField(help_text="The line's own working day on which the part arrived.")
    received_at = models.DateTimeField()
    judged_at = models.DateTimeField(null=True)
    kind = models.CharField(max_length=14, help_text="blind, assisted, retrospective or seeded.")
    standing = models.CharField(max_length=14, choices=Standing)
    score = models.FloatField(null=True)
    finding = models.CharField(max_length=10, blank=True, choices=Finding)
    evidence = models.CharField(max_length=9, blank=True, choices=CountsAs)
    slot = models.SmallIntegerField(
        null=True, help_text="How many of the version's bars the score reaches; null: none."
    )
    shift = models.BigIntegerField(default=0, help_text="Key of the shift in which the part arrived; 0: none.")

    class Meta:
        indexes = [
            # Read in arrival order, which certificates are looked at in.
            models.Index(
                fields=["line", "version", "received_at", "inspection", "slot", "evidence"],
                name="comparison_evidence",
                condition=~Q(evidence=""),
            ),
            models.Index(
                fields=["line", "version", "slot", "received_at"],
                name="comparison_open_evidence",
                condition=~Q(evidence="") & ~Q(evidence="ok"),
            ),
            models.Index(fields=["line", "day"], name="comparison_by_day"),
            models.Index(fields=["line", "lot"], name="comparison_by_lot"),
            models.Index(
                fields=["line", "-prediction"],
                name="comparison_differing",
                condition=Q(standing__in=DIFFERING),
            ),
            models.Index(
                fields=["line", "-prediction"],
                name="comparison_unsettled",
                condition=Q(standing__in=DIFFERING, finding="") & ~Q(kind="seeded"),
            ),
            # One run for each kind and finding: counted without reading a row, and sorted by score.
            models.Index(
                fields=["line", "standing", "finding", "score", "prediction"],
                name="comparison_by_score",
                condition=Q(standing__in=DIFFERING) & ~Q(kind="seeded"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prediction_id}: {self.standing}"


class DayTally(models.Model):
    """How many pairs of a day stand where, for one line, version, station, variant, inspector and kind of evidence."""

    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="+", db_index=False)
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    kind = models.CharField(max_length=14)
    station = models.ForeignKey(Station, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    inspector = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    both_ok = models.IntegerField(default=0)
    overkill = models.IntegerField(default=0)
    escape = models.IntegerField(default=0)
    both_scratched = models.IntegerField(default=0)
    unsure = models.IntegerField(default=0)
    null = models.IntegerField(default=0)
    unjudged = models.IntegerField(default=0)
    # What supervisors found: {"escape": {"person": 1, ..}, "overkill": {..}}, without the zeros.
    findings = models.JSONField(default=dict)
    # {bin of shadow.scores: [judged ok, judged scratched, sum of the scores in millionths]}, without the zeros.
    scores = models.JSONField(default=dict)
    # {"slot/shift": [how many count as each of CountsAs]}, without the zeros; slot "-" where the score is no use.
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "line", "version", "day", "kind", Coalesce("station", 0), Coalesce("variant", 0),
                Coalesce("inspector", 0), name="one_tally_per_day_and_group",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.day}: {self.line_id}, {self.version_id}"


class ChangedPart(models.Model):
    """A part of which something was written since it was counted. Database triggers write it with the change itself."""

    inspection_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.inspection_id} to count again"


class Calendared(models.Model):
    """The working days by which a line's pairs were counted last: another time zone or shift counts them anew."""

    line = models.OneToOneField(Line, on_delete=models.CASCADE, primary_key=True, related_name="+")
    calendar = models.CharField(max_length=64, help_text="A digest of time zone, shifts and whether it is a demo line.")

    def __str__(self) -> str:
        return f"{self.line_id}: {self.calendar}"
