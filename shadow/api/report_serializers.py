"""The shapes of the agreement report and of its pairs over HTTP."""

from rest_framework import serializers

from shadow.asked import GROUPINGS
from shadow.pairs import KINDS
from shadow.serializers import FigureSerializer, FiguresSerializer, GroupSerializer


class ScoreBarSerializer(serializers.Serializer):
    low = serializers.FloatField()
    high = serializers.FloatField()
    ok = serializers.IntegerField()
    scratched = serializers.IntegerField()


class RiskPointSerializer(serializers.Serializer):
    threshold = serializers.FloatField()
    coverage = FigureSerializer(help_text="Parts with a score below the threshold, of all.")
    risk = FigureSerializer(help_text="Scratched of those.")
    miss = FigureSerializer(help_text="Those of the scratched.")


class CalibrationBinSerializer(serializers.Serializer):
    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()
    mean_score = serializers.FloatField()
    scratched = FigureSerializer()


class ScoresSerializer(serializers.Serializer):
    histogram = ScoreBarSerializer(many=True)
    risk_coverage = RiskPointSerializer(many=True)
    reliability = CalibrationBinSerializer(many=True)
    expected_calibration_error = serializers.FloatField(allow_null=True)


class PeoplePairsSerializer(serializers.Serializer):
    parts = serializers.IntegerField(help_text="Different parts; one may be judged by several pairs.")
    both_ok = serializers.IntegerField()
    differ = serializers.IntegerField()
    both_scratched = serializers.IntegerField()
    unsure = serializers.IntegerField(help_text="Pairs left out because one of the two was unsure.")
    agreement = FigureSerializer()
    positive_agreement = FigureSerializer()
    kappa = FigureSerializer()


class CeilingSerializer(serializers.Serializer):
    drawn = PeoplePairsSerializer(help_text="Two people on parts drawn at random and shown again.")
    chosen = PeoplePairsSerializer(help_text="Two people on parts of known truth.")
    looked = PeoplePairsSerializer(help_text="Two people where a second look was asked for.")
    within = PeoplePairsSerializer(help_text="The same person twice.")
    cut = serializers.BooleanField(help_text="Only the newest parts shown again were read.")


class MarkSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    day = serializers.DateField(help_text="The line's own working day.")
    kind = serializers.ChoiceField(choices=["release", "level", "alarm"])
    action = serializers.CharField()
    line = serializers.CharField(allow_null=True, help_text="null: the whole factory.")
    by = serializers.CharField()
    before = serializers.CharField(required=False)
    level = serializers.CharField(required=False)
    version = serializers.CharField(required=False)
    role = serializers.CharField(required=False)
    reason = serializers.CharField(required=False)
    severity = serializers.CharField(required=False)
    message = serializers.CharField(required=False)


class ReportedModelSerializer(serializers.Serializer):
    name = serializers.CharField()
    weights_sha256 = serializers.CharField()
    threshold = serializers.FloatField()


class SettledSerializer(serializers.Serializer):
    person = serializers.IntegerField()
    model = serializers.IntegerField()
    ambiguous = serializers.IntegerField()
    open = serializers.IntegerField()


class AgreementReportSerializer(FiguresSerializer):
    filters = serializers.DictField(child=serializers.CharField(allow_null=True))
    evidence = serializers.ChoiceField(choices=KINDS)
    evidence_counts = serializers.DictField(child=serializers.IntegerField())
    confidence = serializers.FloatField()
    groups = GroupSerializer(many=True)
    days = GroupSerializer(many=True)
    excluded = serializers.DictField(child=serializers.IntegerField())
    uncounted = serializers.IntegerField(help_text="Changes that are still being counted; as a rule 0.")
    adjudicated = serializers.DictField(child=SettledSerializer())
    scores = ScoresSerializer(allow_null=True, help_text="null: scores of several models have no common scale.")
    people = CeilingSerializer()
    marks = MarkSerializer(many=True)
    models = ReportedModelSerializer(many=True)
    software = serializers.CharField()


class AskedSerializer(serializers.Serializer):
    """The report's query string."""

    line = serializers.CharField(required=False, help_text="Slug; left out: your first line (all, grouped by line).")
    model = serializers.CharField(required=False, help_text="Name; left out: the live version (all, grouped by model).")
    evidence = serializers.ChoiceField(choices=KINDS, required=False, default="blind")
    group_by = serializers.ChoiceField(choices=GROUPINGS, required=False, default="day")
    format = serializers.ChoiceField(choices=["json", "csv", "xlsx", "pdf"], required=False, default="json")


class CountedPairSerializer(serializers.Serializer):
    """A counted pair; `id` is the prediction's. Texts are empty where there is none."""

    id = serializers.IntegerField()
    inspection = serializers.IntegerField()
    serial = serializers.CharField()
    line = serializers.CharField()
    station = serializers.CharField(allow_blank=True)
    variant = serializers.CharField(allow_blank=True)
    lot = serializers.CharField(allow_blank=True)
    received_at = serializers.DateTimeField()
    day = serializers.DateField(help_text="The line's own working day.")
    model = serializers.CharField()
    evidence = serializers.ChoiceField(choices=KINDS)
    inspector = serializers.CharField(allow_blank=True, help_text="A pseudonym, or your own user name.")
    verdict = serializers.CharField(help_text="ok or scratched.")
    predicted = serializers.CharField(help_text="ok or scratched.")
    standing = serializers.CharField()
    score = serializers.FloatField(allow_null=True)
    finding = serializers.CharField(allow_blank=True)


class CountedPairPageSerializer(serializers.Serializer):
    results = CountedPairSerializer(many=True)
    next = serializers.URLField(allow_null=True)
