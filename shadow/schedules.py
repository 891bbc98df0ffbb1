"""Starts the trainings that a line's policy asks for by the calendar; a person alone switches to what comes of them."""

from datetime import datetime, timedelta

import structlog

from inspection.models import Line
from inspection.refusals import Refused
from shadow.actions.training import start_training
from shadow.models import Every, TrainingPolicy, TrainingRun, training_policy

log = structlog.get_logger("shadowline.training")
PERIODS = {Every.WEEK.value: timedelta(weeks=1), Every.MONTH.value: timedelta(weeks=4)}
BY = "schedule"


def due_at(policy: TrainingPolicy, last: datetime | None) -> datetime | None:
    """When the next training is due: a period after the last one of the line, or after the policy. None: never."""
    period = PERIODS.get(policy.every)
    if period is None:
        return None
    return max(moment for moment in (last, policy.at) if moment) + period


def next_training(line: Line) -> datetime | None:
    last = TrainingRun.objects.filter(line=line).order_by("-at").values_list("at", flat=True).first()
    return due_at(training_policy(line), last)


def start_due_trainings(*, now: datetime) -> list[TrainingRun]:
    """Start a training on each line where one is due. What is refused is told in the log, and tried at the next look."""
    started = []
    for line in Line.objects.filter(pk__in=TrainingPolicy.objects.values("line")):
        due = next_training(line)
        if due is None or now < due:
            continue
        policy = training_policy(line)
        reason = f"{policy.get_every_display()}, as {policy.by} asked: {policy.reason}"
        try:
            started.append(start_training(line=line, by=BY, reason=reason, now=now))
        except Refused as refusal:
            log.warning("training_not_started", line=line.slug, reason=str(refusal))
    return started
