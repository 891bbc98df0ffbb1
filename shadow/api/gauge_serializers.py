"""The shapes of the inspectors' API: figures of the attribute study, references, studies."""

from rest_framework import serializers

from inspection.models import Reference, Truth
from inspection.seeds import ROUNDS
from shadow.gauges import MIXED, STUDIES

STUDY_STATES = ["running", "complete", "closed"]
GRADES = ("acceptable", "marginal", "unacceptable", "not defined", "too many unsure")


class RateSerializer(serializers.Serializer):
    value = serializers.FloatField(allow_null=True, help_text="null: not defined on these parts.")
    low = serializers.FloatField(help_text="Exact lower bound, 95 % on its own side.")
    high = serializers.FloatField(help_text="Exact upper bound, 95 % on its own side.")
    k = serializers.IntegerField()
    n = serializers.IntegerField()


class KappaSerializer(serializers.Serializer):
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()


class GradedSerializer(RateSerializer):
    grade = serializers.ChoiceField(choices=GRADES, help_text="By the value, against AIAG's limits.")
    bound = serializers.FloatField()
    grade_of_bound = serializers.ChoiceField(choices=GRADES, help_text="What the bound leaves of it.")


class AnswersSerializer(serializers.Serializer):
    """Sure answers beside the truth."""

    passed = serializers.IntegerField()
    false_alarms = serializers.IntegerField()
    missed = serializers.IntegerField()
    found = serializers.IntegerField()


class InspectorSerializer(serializers.Serializer):
    inspector = serializers.CharField(help_text="A pseudonym; your own user name to yourself.")
    unsure = RateSerializer(help_text="Unsure, of all answers to parts of known truth; above 5 % no grade is good.")
    within = RateSerializer(help_text="Of parts answered more than once, those always answered alike.")
    kappa_within = KappaSerializer()
    kappa = KappaSerializer(help_text="Agreement with the truth beyond chance.")
    confusion = AnswersSerializer()
    effectiveness = GradedSerializer(help_text="Of answers, those that are right.")
    always_right = GradedSerializer(help_text="Of parts, those with every answer right.")
    miss_rate = GradedSerializer()
    false_alarm_rate = GradedSerializer()
    verdict = serializers.ChoiceField(choices=GRADES, help_text="The worst grade.")
    proven = serializers.ChoiceField(choices=GRADES, help_text="The worst grade that the bounds leave.")


class TeamSerializer(serializers.Serializer):
    effectiveness = RateSerializer()
    miss_rate = RateSerializer()
    false_alarm_rate = RateSerializer()
    kappa = KappaSerializer()
    always_right = RateSerializer()
    between = RateSerializer(help_text="Of parts answered by two or more, those with all answers alike.")
    fleiss_kappa = KappaSerializer()
    confusion = AnswersSerializer()
    verdict = serializers.ChoiceField(choices=GRADES, help_text="The worst verdict of an inspector.")
    proven = serializers.ChoiceField(choices=GRADES)


class PairOfInspectorsSerializer(serializers.Serializer):
    one = serializers.CharField()
    other = serializers.CharField()
    agreement = RateSerializer()
    kappa = KappaSerializer()


class AttributeStudySerializer(serializers.Serializer):
    team = TeamSerializer()
    inspectors = InspectorSerializer(many=True)
    pairs = PairOfInspectorsSerializer(many=True)
    unsure = serializers.IntegerField(help_text="Answers of unsure, of everybody and to any part; they enter no rate.")


class ConsensusPartSerializer(serializers.Serializer):
    inspection = serializers.IntegerField()
    serial = serializers.CharField()
    p_scratched = serializers.FloatField()
    people = serializers.IntegerField()
    answers = serializers.IntegerField()
    scratched = serializers.IntegerField(help_text="Of the answers.")
    recorded = serializers.CharField(allow_null=True, help_text="ok or scratched: the truth, else what became of it.")
    truth_known = serializers.BooleanField()
    differs = serializers.BooleanField()


class ConsensusSerializer(serializers.Serializer):
    parts = ConsensusPartSerializer(many=True, help_text="Those that three people or more judged.")
    converged = serializers.BooleanField()


class HourSerializer(serializers.Serializer):
    hour = serializers.IntegerField(help_text="Of the shift, from 1.")
    misses = RateSerializer(allow_null=True)
    withheld = serializers.CharField(allow_null=True, help_text="Why there are none.")


class TrendSerializer(serializers.Serializer):
    z = serializers.FloatField()
    p_value = serializers.FloatField()


class GaugeReportSerializer(AttributeStudySerializer):
    filters = serializers.DictField(child=serializers.CharField(allow_blank=True))
    confidence = serializers.FloatField()
    sensitivity = RateSerializer(help_text="Scratched parts found, by everybody together.")
    consensus = ConsensusSerializer()
    hours = HourSerializer(many=True)
    hours_withheld = serializers.CharField(allow_null=True, help_text="Why no hour is told.")
    trend = TrendSerializer(allow_null=True)


class GaugesAskedSerializer(serializers.Serializer):
    """The query string."""

    line = serializers.CharField(required=False, help_text="Slug; left out: your first line.")
    purpose = serializers.ChoiceField(choices=[MIXED, STUDIES], required=False)
    study = serializers.IntegerField(required=False)
    format = serializers.ChoiceField(choices=["json", "csv"], required=False, default="json")


class ReferenceSerializer(serializers.ModelSerializer):
    serial = serializers.CharField(source="inspection.serial")
    line = serializers.CharField(source="inspection.line.slug")
    by = serializers.CharField(source="by.username")

    class Meta:
        model = Reference
        fields = ["id", "inspection", "serial", "line", "truth", "reason", "by", "at", "retired_at"]


class PooledReferenceSerializer(ReferenceSerializer):
    shown = serializers.IntegerField(help_text="How often it was shown again.")
    right = serializers.IntegerField()
    wrong = serializers.IntegerField()
    unsure = serializers.IntegerField()

    class Meta(ReferenceSerializer.Meta):
        fields = [*ReferenceSerializer.Meta.fields, "shown", "right", "wrong", "unsure"]


class NewReferenceSerializer(serializers.Serializer):
    """The part by its id, or its last inspection on a line by its serial."""

    inspection = serializers.IntegerField(required=False)
    line = serializers.CharField(required=False, max_length=40)
    serial = serializers.CharField(required=False, max_length=120)
    truth = serializers.ChoiceField(choices=Truth.choices)
    reason = serializers.CharField(max_length=500)


class ProgressSerializer(serializers.Serializer):
    inspector = serializers.CharField()
    round = serializers.IntegerField()
    judged = serializers.IntegerField()
    unanswered = serializers.IntegerField(help_text="Cleaned, passed on or withdrawn.")
    total = serializers.IntegerField()


class StudySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    line = serializers.CharField()
    rounds = serializers.IntegerField()
    references = serializers.IntegerField(help_text="How many parts it shows.")
    by = serializers.CharField()
    at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=STUDY_STATES)
    progress = ProgressSerializer(many=True)


class StudyResultSerializer(StudySerializer):
    preliminary = serializers.BooleanField(help_text="More answers may come.")
    results = AttributeStudySerializer()


class NewStudySerializer(serializers.Serializer):
    line = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=80)
    references = serializers.ListField(child=serializers.IntegerField(), max_length=1000)
    inspectors = serializers.ListField(
        child=serializers.CharField(max_length=150), max_length=100, help_text="As `inspectors/` calls them."
    )
    rounds = serializers.IntegerField(min_value=ROUNDS[0], max_value=ROUNDS[-1], default=3)
