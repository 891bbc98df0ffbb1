"""The shapes of the shadow's API: what is taken and what is answered."""

from rest_framework import serializers

from shadow.earlier import BAR, WITHIN
from shadow.models import Adjudication, Assignment, Finding, ModelVersion, Prediction


class ConfusionSerializer(serializers.Serializer):
    """The 2x2 table: the person is held right."""

    both_ok = serializers.IntegerField()
    overkill = serializers.IntegerField(help_text="Person ok, model scratched.")
    escape = serializers.IntegerField(help_text="Person scratched, model ok.")
    both_scratched = serializers.IntegerField()


class FigureSerializer(serializers.Serializer):
    value = serializers.FloatField(allow_null=True, help_text="null: not defined on these parts.")
    low = serializers.FloatField(help_text="Lower end of the 95 % interval.")
    high = serializers.FloatField()
    n = serializers.IntegerField(help_text="The denominator.")


class FiguresSerializer(serializers.Serializer):
    confusion = ConfusionSerializer()
    agreement = FigureSerializer()
    kappa = FigureSerializer()
    positive_agreement = FigureSerializer()
    miss_rate = FigureSerializer(help_text="Of scratched parts, those that the model calls ok.")
    false_alarm_rate = FigureSerializer(help_text="Of good parts, those that the model calls scratched.")
    escape_rate = FigureSerializer(help_text="Of parts that the model calls ok, those that are scratched.")
    overkill_rate = FigureSerializer(help_text="Of parts that the model calls scratched, those that are good.")


class GroupSerializer(FiguresSerializer):
    key = serializers.CharField(allow_blank=True)
    name = serializers.CharField()


class AdjudicationSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = Adjudication
        fields = ["id", "prediction", "finding", "reason", "by", "at"]


class NewAdjudicationSerializer(serializers.Serializer):
    finding = serializers.ChoiceField(choices=Finding.choices)
    reason = serializers.CharField(max_length=500)


class DiscrepancySerializer(serializers.Serializer):
    """A part on which person and model differ; `id` is the prediction's."""

    id = serializers.IntegerField(source="prediction_id")
    inspection = serializers.IntegerField(source="inspection_id")
    serial = serializers.CharField()
    line = serializers.CharField()
    station = serializers.CharField(allow_null=True)
    model = serializers.CharField()
    kind = serializers.CharField(source="cell")
    verdict = serializers.CharField(source="outcome")
    inspector = serializers.CharField(allow_null=True)
    judged_at = serializers.DateTimeField()
    predicted = serializers.CharField()
    score = serializers.FloatField()
    evidence = serializers.CharField(source="evidence_kind")
    finding = serializers.CharField(allow_null=True)


class DiscrepancyPageSerializer(serializers.Serializer):
    results = DiscrepancySerializer(many=True)
    next = serializers.URLField(allow_null=True)


class PredictionSerializer(serializers.ModelSerializer):
    serial = serializers.CharField(source="inspection.serial")
    model = serializers.CharField(source="version.name")
    outcome = serializers.SerializerMethodField()
    null_reason = serializers.SerializerMethodField()

    class Meta:
        model = Prediction
        fields = ["inspection", "serial", "model", "score", "outcome", "null_reason", "at"]

    def get_outcome(self, prediction: Prediction) -> str | None:
        return prediction.outcome or None

    def get_null_reason(self, prediction: Prediction) -> str | None:
        return prediction.null_reason or None


class AssignmentSerializer(serializers.ModelSerializer):
    line = serializers.CharField(source="line.slug")

    class Meta:
        model = Assignment
        fields = ["line", "role", "assigned_at"]


class ModelSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelVersion
        fields = ["id", "name", "kind", "weights_sha256", "threshold", "answers_within", "at", "by"]


class DeclarationSerializer(serializers.Serializer):
    """An earlier inspection system that is to be a version; its answers are sent to `models/{name}/predictions/`."""

    name = serializers.SlugField(max_length=60)
    says = serializers.ChoiceField(
        ["score", "outcome"], default="score", help_text="What each answer is: a score from 0 to 1, or ok or scratched."
    )
    threshold = serializers.FloatField(default=BAR, help_text="A score from here on means scratched.")
    thresholds = serializers.ListField(
        child=serializers.FloatField(), required=False, default=list, max_length=100,
        help_text="The order of pass thresholds, strict to loose; without one the threshold alone.",
    )  # fmt: skip
    within = serializers.IntegerField(
        default=WITHIN, help_text="Seconds after a part's arrival in which it answers; later is no answer."
    )
    about = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)

    def validate(self, attrs: dict) -> dict:
        return attrs | {"thresholds": tuple(attrs["thresholds"]) or (attrs["threshold"],)}


class ModelCardSerializer(ModelSerializer):
    lines = AssignmentSerializer(many=True)
    nulls = FigureSerializer(help_text="Share of the version's last 200 parts without an answer.")

    class Meta(ModelSerializer.Meta):
        fields = [*ModelSerializer.Meta.fields, "thresholds", "card", "lines", "nulls"]
