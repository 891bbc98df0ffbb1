"""Starts a training where an alarm suggests one and the line's policy lets it; what comes of it waits for a person."""

from datetime import datetime, timedelta

import structlog

from inspection.models import Line
from inspection.refusals import Refused
from monitoring.models import Alarm, Remedy
from shadow.actions import start_training
from shadow.models import TrainingPolicy, TrainingRun, training_policy

log = structlog.get_logger("shadowline.monitoring")
BY = "alarm"
SUGGESTING = (Remedy.LOWER, Remedy.REVIEW_RULE)  # whose words name a training, as the second step
APART = timedelta(days=1)  # between two trainings of a line: a restless detector must not train day and night


def start_suggested_trainings(*, now: datetime) -> list[TrainingRun]:
    """One training for each open alarm that suggests to retrain, on lines whose policy lets an alarm start one."""
    started = []
    for line in Line.objects.filter(pk__in=TrainingPolicy.objects.filter(on_alarm=True).values("line")):
        alarm = Alarm.objects.open().filter(line=line, remedy__in=SUGGESTING).order_by("pk").last()
        if alarm is None or not training_policy(line).on_alarm or not _is_new(alarm, now):
            continue
        try:
            started.append(start_training(line=line, by=BY, reason=alarm.message, alarm=alarm.pk, now=now))
        except Refused as refusal:
            log.warning("training_not_started", line=line.slug, alarm=alarm.pk, reason=str(refusal))
    return started


def _is_new(alarm: Alarm, now: datetime) -> bool:
    """Whether no training has come of the alarm yet, and the line's last one is a while ago."""
    runs = TrainingRun.objects.filter(line=alarm.line)
    return not runs.filter(alarm=alarm.pk).exists() and not runs.filter(at__gt=now - APART).exists()
