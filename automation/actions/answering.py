"""Answers of an earlier inspection system: recorded and settled as they come, or settled without one when their time is over."""

from collections.abc import Sequence
from datetime import datetime

from automation.actions.settling import settle_batch
from inspection.models import User
from shadow.actions import give_up, record_answers
from shadow.actions.earlier import Recorded
from shadow.earlier import Sent
from shadow.models import ModelVersion, Prediction

AT_ONCE = 50  # parts that are settled in one transaction: their rows are locked together


def take_answers(
    *, version: ModelVersion, answers: Sequence[Sent], by: User | str, now: datetime | None = None
) -> Recorded:
    """Record what an earlier system has sent, and route the parts by it where its answer decides.

    The answers are committed before the parts are settled: what fails then is found again by the sweep. Raises what
    `record_answers` raises.
    """
    recorded = record_answers(version=version, answers=answers, by=by, now=now)
    _settle(recorded.predictions, now)
    return recorded


def end_waiting(*, now: datetime) -> int:
    """Let the parts that an earlier system has not answered in its time go on without its answer; returns how many."""
    unanswered = give_up(now=now)
    _settle(unanswered, now)
    return len(unanswered)


def _settle(predictions: Sequence[Prediction], now: datetime | None) -> None:
    for start in range(0, len(predictions), AT_ONCE):
        settle_batch(predictions=predictions[start : start + AT_ONCE], now=now)
