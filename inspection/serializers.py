"""The shapes of the floor's API: what is taken and what is answered."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

from drf_spectacular.utils import extend_schema_field
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
from inspection.moves import State
from inspection.prepared import Given, Prepared
from inspection.roles import judges_blind
from inspection.sight import origin_for, own_disposition, state_for

MANY = 20  # leases in one request: a person holds 8 at most


def digest_for(user: User, *, sha256: str, stored: str) -> str:
    """The digest of a photo as this reader may know it: who judges blind gets that of the bytes served, of every part.

    The digest of what a station sent is not that of a seeded part's bytes, which would tell it from a live one.
    """
    return stored if judges_blind(user) else sha256


class PhotoSerializer(serializers.ModelSerializer):
    sha256 = serializers.SerializerMethodField(
        help_text="Of the bytes that were sent; to an inspector, of those that are served."
    )
    url = serializers.SerializerMethodField()

    class Meta:
        model = Photo
        fields = ["id", "sha256", "view", "width", "height", "url"]

    def get_sha256(self, photo: Photo) -> str:
        return digest_for(self.context["request"].user, sha256=photo.sha256, stored=photo.stored)

    def get_url(self, photo: Photo) -> str:
        return f"/photos/{photo.pk}/"


class DispositionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Disposition
        fields = ["outcome", "by_machine", "reason", "at"]

    def to_representation(self, disposition: Disposition) -> dict:
        return {
            "outcome": disposition.outcome, "by_machine": disposition.by_machine, "reason": disposition.reason,
            "at": moment(disposition.at),
        }  # fmt: skip


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
    station = serializers.CharField(source="station.slug", allow_null=True, default=None)
    variant = serializers.CharField(source="variant.slug", allow_null=True, default=None)
    state = serializers.SerializerMethodField()
    origin = serializers.SerializerMethodField()
    photos = PhotoSerializer(many=True)
    disposition = serializers.SerializerMethodField()

    class Meta:
        model = Inspection
        fields = [
            "id", "serial", "line", "station", "lot", "variant", "state", "origin", "captured_at", "received_at",
            "photos", "disposition",
        ]  # fmt: skip

    def get_state(self, inspection: Inspection) -> str:
        return state_for(self.context["request"].user, inspection)

    @extend_schema_field(serializers.ChoiceField(choices=Origin.choices))
    def get_origin(self, inspection: Inspection) -> str:
        return origin_for(self.context["request"].user, inspection)

    @extend_schema_field(DispositionSerializer(allow_null=True))
    def get_disposition(self, inspection: Inspection) -> dict | None:
        return disposition_for(self.context["request"].user, inspection)


@extend_schema_field(serializers.CharField)
class JsonObject(serializers.Field):
    """A field of a form that holds a JSON object as text."""

    default_error_messages = {"invalid": "Send a JSON object, of at most 2,000 characters."}

    def to_internal_value(self, data: object) -> dict:
        if isinstance(data, str) and len(data) <= 2_000:
            with suppress(ValueError, RecursionError):
                if isinstance(sent := json.loads(data, parse_constant=_no_number), dict):
                    return sent
        self.fail("invalid")

    def to_representation(self, value: object) -> object:
        return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")  # NaN and Infinity, which JSON has not


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
    decided = JsonObject(
        required=False, default=None,
        help_text="Of a part that the station decided by a bundle while the network was down: "
        '{"bundle": number, "place": 1, 2, .. in the bundle, "outcome": "pass" or "reject", "score", "novelty", '
        '"decided_at"}. The part is received in any case; what is not taken is judged by a person for certain.',
    )  # fmt: skip
    photos = serializers.ListField(child=serializers.FileField(allow_empty_file=True), max_length=8, min_length=1)
    views = serializers.ListField(
        child=serializers.CharField(max_length=40, allow_blank=True), max_length=8, required=False, default=list
    )


def moment(at: datetime) -> str:
    """A moment as every answer spells it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class LeaseSerializer(serializers.ModelSerializer):
    class Meta:
        model = Lease
        fields = ["token", "expires_at"]

    def to_representation(self, lease: Lease) -> dict:
        return {"token": lease.token, "expires_at": moment(lease.expires_at)}


class ClaimedPartSerializer(serializers.ModelSerializer):
    """What an inspector is served of a part: nothing of the model, and nothing that tells an audit."""

    line = serializers.CharField(source="line.slug")
    station = serializers.CharField(help_text="The station's name, or nothing.")
    variant = serializers.CharField(help_text="The variant's name, or nothing.")
    unsure_refused = serializers.BooleanField(help_text="Nobody comes after a supervisor: this part is to be decided.")
    photos = PhotoSerializer(many=True)

    class Meta:
        model = Inspection
        fields = ["id", "serial", "lot", "line", "station", "variant", "unsure_refused", "photos"]


PHOTOS = Prepared(
    lambda: (
        Photo.objects.filter(inspection=Given("part"))
        .order_by("position")
        .values_list("pk", "sha256", "stored", "view", "width", "height")
    )
)  # fmt: skip


class ClaimSerializer(serializers.Serializer):
    """A claimed part with its lease, as its reader may know it.

    It stands behind every verdict, so the answer is written out by hand; the fields are for the API's description.
    """

    inspection = ClaimedPartSerializer()
    lease = LeaseSerializer(source="*")

    def to_representation(self, lease: Lease) -> dict:
        part, reader = lease.inspection, self.context["request"].user
        photos = [
            {
                "id": pk, "sha256": digest_for(reader, sha256=sha256, stored=stored), "view": view, "width": width,
                "height": height, "url": f"/photos/{pk}/",
            }
            for pk, sha256, stored, view, width, height in PHOTOS(part=part.pk)
        ]  # fmt: skip
        told = {
            "id": part.pk, "serial": part.serial, "lot": part.lot, "line": part.line.slug,
            "station": part.station.name if part.station else "", "variant": part.variant.name if part.variant else "",
            "unsure_refused": part.state == State.WITH_SUPERVISOR, "photos": photos,
        }  # fmt: skip
        return {"inspection": told, "lease": {"token": lease.token, "expires_at": moment(lease.expires_at)}}


class NewClaimSerializer(serializers.Serializer):
    line = serializers.CharField(max_length=40)
    serial = serializers.CharField(max_length=120, required=False, help_text="The part of this serial, or none.")


class LeaseTokensSerializer(serializers.Serializer):
    leases = serializers.ListField(child=serializers.CharField(max_length=43), max_length=MANY)


class RenewedSerializer(serializers.Serializer):
    """The leases as they are now, and the tokens of those that the caller holds no more."""

    leases = LeaseSerializer(many=True)
    gone = serializers.ListField(child=serializers.CharField())


class HeldLeaseSerializer(serializers.Serializer):
    token = serializers.CharField(max_length=43)
    expires_at = serializers.DateTimeField(help_text="As last heard of: a lease that was renewed since stays.")


class LeavingSerializer(serializers.Serializer):
    leases = serializers.ListField(child=HeldLeaseSerializer(), max_length=MANY)


class UrgentLotSerializer(serializers.Serializer):
    line = serializers.CharField(max_length=40)
    lot = serializers.CharField(max_length=80)


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

    def to_representation(self, verdict: Verdict) -> dict:
        return {
            "id": verdict.pk, "inspection": verdict.inspection_id,
            "inspector": verdict.inspector.username if verdict.inspector else None, "outcome": verdict.outcome,
            "comment": verdict.comment, "duration_ms": verdict.duration_ms, "at": moment(verdict.at),
        }  # fmt: skip


class VerdictAnswerSerializer(serializers.Serializer):
    """The verdict as it was written, what it came to, and with `next` the next claim."""

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
