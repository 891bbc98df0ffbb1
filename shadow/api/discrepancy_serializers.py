"""The shapes of what a supervisor does with a discrepancy beside settling it."""

from rest_framework import serializers

from inspection.models import Reference, Sample, SeededPart, Truth
from shadow.models import TrainingPart


class NewSecondLookSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class SecondLookSerializer(serializers.ModelSerializer):
    id = serializers.IntegerField(source="pk", help_text="The inspection under which it is judged.")
    inspection = serializers.IntegerField(source="source_id")
    state = serializers.CharField(source="inspection.state")

    class Meta:
        model = SeededPart
        fields = ["id", "inspection", "state", "by", "at"]


class NewTrainingPartSerializer(serializers.Serializer):
    label = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["", *Truth.values],
        required=False,
        default=None,
        allow_null=True,
        help_text="Left out: as the findings say. Empty: the part is left out of the training.",
    )
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default="", help_text="Left out: the finding's own reason."
    )


class TrainingPartSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = TrainingPart
        fields = ["id", "inspection", "label", "reason", "by", "at"]


class NewLimitSampleSerializer(serializers.Serializer):
    photo = serializers.IntegerField(min_value=0, max_value=7, required=False, default=0, help_text="Its position.")
    caption = serializers.CharField(
        max_length=120, required=False, allow_blank=True, default="", help_text="Left out: the finding's reason."
    )


class LimitSampleSerializer(serializers.ModelSerializer):
    line = serializers.CharField(source="line.slug")

    class Meta:
        model = Sample
        fields = ["id", "line", "meaning", "view", "caption", "at"]


class NewKnownTruthSerializer(serializers.Serializer):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default="", help_text="Left out: the finding's own reason."
    )


class KnownTruthSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = Reference
        fields = ["id", "inspection", "truth", "reason", "by", "at"]
