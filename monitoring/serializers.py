"""The shapes of the alarms' API."""

from rest_framework import serializers

from monitoring.adapting import Adapt
from monitoring.models import Alarm, AlarmAction, Cause, Finding, State


class AlarmActionSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = AlarmAction
        fields = ["action", "comment", "cause", "until", "by", "at"]


class FindingSerializer(serializers.ModelSerializer):
    """What a detector saw. `version` is the model that the figure is of; null: of the photos or the software."""

    figure = serializers.CharField(source="stream.figure")
    station = serializers.CharField(source="stream.station.slug", default=None)
    version = serializers.CharField(source="stream.version.name", default=None)

    class Meta:
        model = Finding
        fields = [
            "figure", "station", "version", "detector", "severity", "part", "before", "after", "moved_at", "examples",
            "at",
        ]  # fmt: skip


class AlarmSerializer(serializers.ModelSerializer):
    line = serializers.CharField(source="line.slug")
    station = serializers.CharField(source="station.slug", default=None)
    state = serializers.ChoiceField(State.choices, read_only=True)
    actions = AlarmActionSerializer(many=True)

    class Meta:
        model = Alarm
        fields = [
            "id", "line", "station", "rule", "severity", "message", "suggestion", "remedy", "opened_at", "state",
            "actions",
        ]  # fmt: skip


class AlarmDetailSerializer(AlarmSerializer):
    findings = FindingSerializer(many=True)

    class Meta(AlarmSerializer.Meta):
        fields = [*AlarmSerializer.Meta.fields, "findings"]


class AcknowledgementSerializer(serializers.Serializer):
    """Without `until` it holds for good; with it, the alarm counts as open again from then on."""

    comment = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ClosingSerializer(serializers.Serializer):
    """What was found, the cause by name, and how the watch goes on: without a choice, as the cause has it.

    `seen` is the number of the watch policy under which the choice was made: under another one it is refused.
    """

    comment = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    cause = serializers.ChoiceField(Cause.choices, required=False, allow_blank=True, default=Cause.OTHER)
    adapt = serializers.ChoiceField(Adapt.choices, required=False, allow_blank=True, default="")
    seen = serializers.IntegerField(min_value=0, required=False, allow_null=True, default=None)
