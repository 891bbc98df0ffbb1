"""The shapes of the floor's API: what is taken and what is answered."""

from rest_framework import serializers

from inspection.actions import MarkedDefect
from inspection.models import (
    AuditEvent,
    Correction,
    Disposition,
    Inspection,
    Lease,
    Origin,
    Outcome,
    Photo,
    Severity,
    User,
    Verdict,
)
from inspection.moves import OPEN, State
from inspection.roles import judges_blind
from inspection.sight import own_disposition


class PhotoSerializer(serializers.ModelSerializer):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Photo
        fields = ["id", "sha256", "view", "width", "height", "url"]

    def get_url(self, photo: Photo) -> str:
        return f"/photos/{photo.pk}/"


class DispositionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Disposition
        fields = ["outcome", "by_machine", "reason", "at"]


def disposition_for(user: User, inspection: Inspection) -> dict | None:
    """The disposition as this reader may know it: an inspector what their own verdict came to, others the row."""
    if judges_blind(user):
        return own_disposition_data(user, inspection)
    return _data(inspection.disposition)


def own_disposition_data(user: User, inspection: Inspection) -> dict | None:
    return _data(own_disposition(user, inspection))


def _data(disposition: Disposition | None) -> dict | None:
    return DispositionSerializer(disposition).data if disposition else None


class InspectionSerializer(serializers.ModelSerializer):
    """An inspection as its reader may know it: an inspector reads neither a machine's disposition nor an audit."""

    line = serializers.CharField(source="line.slug")
    station = serializers.CharField(source="station.slug", default=None)
    variant = serializers.CharField(source="variant.slug", default=None)
    state = serializers.SerializerMethodField()
    photos = PhotoSerializer(many=True)
    disposition = serializers.SerializerMethodField()

    class Meta:
        model = Inspection
        fields = [
            "id", "serial", "line", "station", "lot", "variant", "state", "origin", "captured_at", "received_at",
            "photos", "disposition",
        ]  # fmt: skip

    def get_state(self, inspection: Inspection) -> str:
        # To its inspector every open part looks alike, or an audit could be told from a part that waits.
        if judges_blind(self.context["request"].user) and inspection.state in OPEN:
            return State.WAITING
        return inspection.state

    def get_disposition(self, inspection: Inspection) -> dict | None:
        return disposition_for(self.context["request"].user, inspection)


class NewInspectionSerializer(serializers.Serializer):
    """The fields beside the photos of `POST inspections/`."""

    serial = serializers.CharField(max_length=120)
    line = serializers.CharField(max_length=40)
    station = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    lot = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    variant = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    captured_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    origin = serializers.ChoiceField(
        choices=[Origin.LIVE, Origin.SIMULATED], default=Origin.LIVE, help_text="simulated: demo lines only"
    )
    photos = serializers.ListField(child=serializers.FileField(allow_empty_file=True), max_length=8, min_length=1)
    views = serializers.ListField(
        child=serializers.CharField(max_length=40, allow_blank=True), max_length=8, required=False, default=list
    )


class LeaseSerializer(serializers.ModelSerializer):
    class Meta:
        model = Lease
        fields = ["token", "expires_at"]


class ClaimedPartSerializer(serializers.ModelSerializer):
    """What an inspector is served of a part: nothing of the model, and nothing that tells an audit."""

    line = serializers.CharField(source="line.slug")
    photos = PhotoSerializer(many=True)

    class Meta:
        model = Inspection
        fields = ["id", "serial", "lot", "line", "photos"]


class ClaimSerializer(serializers.Serializer):
    """A claimed part with its lease."""

    inspection = ClaimedPartSerializer()
    lease = LeaseSerializer(source="*")


class LineNameSerializer(serializers.Serializer):
    line = serializers.CharField(max_length=40)


class LeaseTokenSerializer(serializers.Serializer):
    lease = serializers.CharField(max_length=43)


class LeaseReasonSerializer(LeaseTokenSerializer):
    reason = serializers.CharField(max_length=300)


class MarkedDefectSerializer(serializers.Serializer):
    photo = serializers.IntegerField()
    kind = serializers.CharField(max_length=40)
    severity = serializers.ChoiceField(choices=Severity.choices, default=Severity.MINOR)
    box = serializers.ListField(child=serializers.FloatField(), min_length=4, max_length=4)

    def create(self, validated_data: dict) -> MarkedDefect:
        return MarkedDefect(**{**validated_data, "box": tuple(validated_data["box"])})


class NewVerdictSerializer(serializers.Serializer):
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    defects = MarkedDefectSerializer(many=True, required=False, default=list)
    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")
    duration_ms = serializers.IntegerField(min_value=0, required=False, default=0)
    lease = serializers.CharField(max_length=43)
    next = serializers.BooleanField(required=False, default=False)


class VerdictSerializer(serializers.ModelSerializer):
    inspector = serializers.CharField(source="inspector.username", default=None)

    class Meta:
        model = Verdict
        fields = ["id", "inspection", "inspector", "outcome", "comment", "duration_ms", "at"]


class VerdictAnswerSerializer(serializers.Serializer):
    verdict = VerdictSerializer()
    disposition = DispositionSerializer(allow_null=True)
    next = ClaimSerializer(required=False, allow_null=True)


class NewCorrectionSerializer(serializers.Serializer):
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class CorrectionSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = Correction
        fields = ["id", "verdict", "outcome", "reason", "by", "at"]


class AuditEventSerializer(serializers.ModelSerializer):
    class Meta:
        model = AuditEvent
        fields = ["id", "at", "by", "action", "line", "subject", "data"]
