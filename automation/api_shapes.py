"""The shapes of what automation's API answers and writes out by hand: for the API's description, held against the answers."""

from rest_framework import serializers

from automation.levels import Level

LEVEL_NAMES = [(level.value, level.value) for level in Level]


class PolicySerializer(serializers.Serializer):
    """An immutable, numbered set of rules of a line."""

    number = serializers.IntegerField()
    level = serializers.ChoiceField(LEVEL_NAMES)
    version = serializers.CharField(allow_null=True, help_text="The version that decides.")
    standby = serializers.CharField(allow_null=True, help_text="The version that is kept warm beside it.")
    pass_below = serializers.FloatField(allow_null=True, help_text="The machine passes a part that scores below.")
    reject_from = serializers.FloatField(allow_null=True, help_text="It rejects a part from this score on.")
    ramp = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    audit_share = serializers.FloatField()
    blind_share = serializers.FloatField()
    limits = serializers.DictField(help_text="What the gates ask for, where it is not the default.")
    hold_seconds = serializers.IntegerField()
    assist_wait = serializers.IntegerField()
    quorum = serializers.IntegerField()
    signed = serializers.BooleanField()
    strata = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(allow_null=True, allow_blank=True)), allow_null=True,
        help_text="Stations and variants that are certified; null: all.",
    )  # fmt: skip
    by = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class GateWordsSerializer(serializers.Serializer):
    """What a step up asks for, and whether it is there."""

    name = serializers.CharField()
    met = serializers.BooleanField()
    reason = serializers.CharField(help_text="What is there, or what is missing and what to do.")


class GateSerializer(GateWordsSerializer):
    """A gate with the figures behind its words."""

    figures = serializers.DictField(help_text="By the gate's name: counts, rates and limits.")


class CanarySerializer(serializers.Serializer):
    """How far a ramp has come."""

    step = serializers.IntegerField()
    steps = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    share = serializers.FloatField(help_text="Of the parts that the policy applies to.")
    audit_share = serializers.FloatField()


class ComparedSerializer(serializers.Serializer):
    """A version as green beside the live one as blue."""

    better = serializers.CharField(allow_null=True, allow_blank=True)
    reason = serializers.CharField(allow_null=True, allow_blank=True)
    waiting = serializers.IntegerField()
    only_green_misses = serializers.IntegerField()
    only_blue_misses = serializers.IntegerField()
    missing = serializers.IntegerField()
    only_green_rejects = serializers.IntegerField()
    only_blue_rejects = serializers.IntegerField()


class VersionOnLineSerializer(serializers.Serializer):
    """A version that answers on the line, and where a switch to it would land."""

    model = serializers.CharField()
    role = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    answers = serializers.IntegerField()
    nulls = serializers.IntegerField()
    certificate = serializers.CharField(allow_null=True, allow_blank=True, help_text="In words.")
    lands = serializers.CharField(allow_null=True, help_text="The level on which a switch to it lands.")
    compared = ComparedSerializer(allow_null=True)


class RateWithBoundSerializer(serializers.Serializer):
    """k of n, and what the rate is at most however often anyone has looked."""

    value = serializers.FloatField(allow_null=True)
    k = serializers.IntegerField()
    n = serializers.IntegerField()
    bound = serializers.FloatField()


class RateWithOneLookSerializer(RateWithBoundSerializer):
    """The same with the bound that holds for a single look."""

    one_look = serializers.FloatField()


class LookSerializer(serializers.Serializer):
    """The evidence below one threshold."""

    n = serializers.IntegerField()
    k = serializers.IntegerField()
    pending = serializers.IntegerField()
    bound = serializers.FloatField()
    verdict = serializers.CharField()
    more = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()


class StratumLookSerializer(LookSerializer):
    """The evidence of one station and variant."""

    station = serializers.CharField(allow_blank=True)
    variant = serializers.CharField(allow_blank=True)
    tested = serializers.FloatField(allow_null=True)
    automated = serializers.BooleanField()


class StepLookSerializer(LookSerializer):
    """The evidence at one threshold of the version's order."""

    coverage = serializers.FloatField(allow_null=True)
    reached = serializers.BooleanField()
    threshold = serializers.FloatField()


class AskedPolicySerializer(serializers.Serializer):
    """The policy that was asked about, with what was left out filled in."""

    level = serializers.ChoiceField(LEVEL_NAMES)
    pass_below = serializers.FloatField()
    reject_from = serializers.FloatField()
    audit_share = serializers.FloatField()
    share = serializers.FloatField()
    certified_only = serializers.BooleanField()


class CertificateFoundSerializer(GateWordsSerializer):
    """Whether the evidence would certify the threshold, and by which figures."""

    name = None  # type: ignore[assignment]
    threshold = serializers.FloatField(allow_null=True, required=False)
    n = serializers.IntegerField(required=False)
    k = serializers.IntegerField(required=False)
    bound = serializers.FloatField(required=False)
    coverage = serializers.FloatField(allow_null=True, required=False)
    verdict = serializers.CharField(required=False)
    more = serializers.IntegerField(allow_null=True, required=False)
    pending = serializers.IntegerField(required=False)
    tested = serializers.FloatField(allow_null=True, required=False)
    alpha = serializers.FloatField(required=False)
    delta = serializers.FloatField(required=False)


class PerDaySerializer(serializers.Serializer):
    """The flow of a usual day under the policy."""

    parts = serializers.FloatField(allow_null=True)
    days = serializers.IntegerField()
    machine = serializers.FloatField(allow_null=True)
    people = serializers.FloatField(allow_null=True)
    audits = serializers.FloatField(allow_null=True)
    saved_hours = serializers.FloatField(allow_null=True)
    seconds_to_judge = serializers.FloatField(allow_null=True)


class RiskSerializer(serializers.Serializer):
    """What would escape, at a rate that nobody wants, before the line falls back by itself."""

    rate = serializers.FloatField()
    delay = serializers.FloatField(allow_null=True)
    escapes = serializers.FloatField(allow_null=True)
    days = serializers.FloatField(allow_null=True)


class RecentFlowSerializer(serializers.Serializer):
    """How the newest parts would have gone."""

    parts = serializers.IntegerField()
    passed = serializers.IntegerField()
    rejected = serializers.IntegerField()
    people = serializers.IntegerField()
    audited = serializers.IntegerField()
    since = serializers.DateTimeField(allow_null=True)
    reasons = serializers.DictField(child=serializers.IntegerField())


class WhatIfAnswerSerializer(serializers.Serializer):
    """A policy's thresholds against the blind evidence so far."""

    model = serializers.CharField()
    policy = AskedPolicySerializer()
    parts = serializers.IntegerField()
    passed = serializers.IntegerField()
    rejected = serializers.IntegerField()
    to_people = serializers.IntegerField()
    coverage = serializers.FloatField(allow_null=True)
    escapes = serializers.IntegerField()
    pending = serializers.IntegerField()
    escape_bound = serializers.FloatField()
    escape_rate = RateWithOneLookSerializer()
    miss_rate = RateWithBoundSerializer()
    overkill = serializers.IntegerField()
    overkill_rate = RateWithBoundSerializer()
    needed = serializers.IntegerField(help_text="Judged parts below the threshold, if no further one is scratched.")
    certificate = CertificateFoundSerializer()
    gates = GateWordsSerializer(many=True)
    forecast = serializers.DictField(child=serializers.CharField(), help_text="By gate: a day, or why none is known.")
    strata = StratumLookSerializer(many=True)
    order = StepLookSerializer(many=True)
    per_day = PerDaySerializer()
    before_a_rollback = RiskSerializer()
    recent = RecentFlowSerializer()
    escaped = serializers.ListField(
        child=serializers.DictField(), help_text="The newest parts that would have escaped."
    )
    uncounted = serializers.IntegerField(help_text="Changes that the workers have still to count.")


class AdviceMarkSerializer(serializers.Serializer):
    """Where the model sees a scratch; `photo` is a position and the box in shares of it."""

    photo = serializers.IntegerField()
    box = serializers.ListField(child=serializers.FloatField(), min_length=4, max_length=4)
    score = serializers.FloatField()


class AdviceSerializer(serializers.Serializer):
    """The model's answer, where it may be shown."""

    score = serializers.FloatField(allow_null=True)
    outcome = serializers.CharField(allow_blank=True)
    heatmap = serializers.ListField(child=serializers.CharField(), help_text="An address for each photo.")
    marks = AdviceMarkSerializer(many=True)
