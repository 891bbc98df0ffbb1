"""The shapes of the alarms' API."""

from rest_framework import serializers

from monitoring.models import Alarm, AlarmAction


class AlarmActionSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = AlarmAction
        fields = ["action", "comment", "by", "at"]


class AlarmSerializer(serializers.ModelSerializer):
    line = serializers.CharField(source="line.slug")
    state = serializers.SerializerMethodField()
    actions = AlarmActionSerializer(many=True)

    class Meta:
        model = Alarm
        fields = ["id", "line", "rule", "severity", "message", "suggestion", "opened_at", "state", "actions"]

    def get_state(self, alarm: Alarm) -> str:
        done = list(alarm.actions.all())  # prefetched: asking for the last one would query again
        return done[-1].action if done else "open"


class CommentSerializer(serializers.Serializer):
    comment = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
