"""The shapes of the trainings' API."""

from rest_framework import serializers

from shadow.models import TrainingRun
from shadow.training_options import EPOCHS, RENDERINGS


class NewTrainingSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)
    name = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    alarm = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1)
    start = serializers.CharField(
        max_length=60, required=False, default="", allow_blank=True,
        help_text="A version to begin from; empty: the starter; `none`: chance.",
    )  # fmt: skip
    epochs = serializers.IntegerField(required=False, default=EPOCHS, min_value=1, max_value=500)
    renderings = serializers.IntegerField(required=False, default=RENDERINGS, min_value=0, max_value=5000)
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)


class TrainingSerializer(serializers.ModelSerializer):
    """A training; `curve` are its epochs, `comparison` the version beside the live one on parts held out."""

    line = serializers.CharField(source="line.slug")
    version = serializers.CharField(source="version.name", allow_null=True, default=None)
    parts = serializers.IntegerField(source="snapshot.size")

    class Meta:
        model = TrainingRun
        fields = [
            "id", "line", "name", "state", "stage", "done", "of", "reason", "alarm", "by", "at", "started_at", "ended_at",
            "ended_by", "failure", "snapshot", "parts", "options", "curve", "version", "comparison",
        ]  # fmt: skip
