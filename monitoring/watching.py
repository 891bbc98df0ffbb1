"""Looks at what is new since the last look and raises alarms: the rates of null answers and of disagreement."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inspection.models import Line, Origin
from monitoring.actions import open_alarm
from monitoring.detectors import BernoulliSR
from monitoring.models import Alarm, AlarmAction, DetectorState, Severity
from shadow.models import ModelVersion, Prediction, live_version
from shadow.pairs import pairs_of

BASELINE = 1000  # events before a rate is taken as the line's own; fewer, and the baseline's error looks like a change
PER_LOOK = 2000
WAIT_FOR_VERDICT = timedelta(hours=8)  # a part that nobody has judged by then is passed over


@dataclass(frozen=True)
class Rule:
    """What is watched, how rarely it may cry wolf, and what to do about it. `every` is in parts of the line."""

    name: str
    severity: str
    every: int
    message: str
    suggestion: str


RULES = [
    Rule("null rate", Severity.WARNING, 10_000, "The share of parts without an answer of {model} has changed.",
         "Look at the photos of the parts without an answer: is a camera blocked or out of focus?"),
    Rule("disagreement", Severity.WARNING, 10_000, "People and {model} disagree more or less often than before.",
         "Open the discrepancies of today: has the product, the light or the rule changed?"),
    Rule("null rate", Severity.CRITICAL, 1_000_000, "The share of parts without an answer of {model} surely changed.",
         "People judge every part until it is clear why: lower the line if the machine decides."),
    Rule("disagreement", Severity.CRITICAL, 1_000_000, "People and {model} surely disagree otherwise than before.",
         "Lower the line, review the discrepancies, and retrain or roll back."),
]  # fmt: skip


def watch_lines() -> int:
    """Feed each rule's detector with what it has not seen; return how many alarms were opened."""
    opened = 0
    for line in Line.objects.all():
        version = live_version(line)
        if version:
            opened += sum(_watch(line, version, rule) for rule in RULES)
    return opened


@transaction.atomic
def _watch(line: Line, version: ModelVersion, rule: Rule) -> bool:
    """One rule on one line. The state row is locked: of two watchers at once one waits and finds nothing new."""
    row, _ = DetectorState.objects.get_or_create(
        line=line, subject=version.name, rule=f"{rule.name} {rule.severity}", defaults={"state": {"first": []}}
    )
    row = DetectorState.objects.select_for_update().get(pk=row.pk)
    closings = AlarmAction.objects.filter(alarm__line=line, alarm__rule=rule.name, action=AlarmAction.Action.CLOSED)
    closing = closings.last()
    if closing and closing.pk != row.state.get("closing"):
        # The baseline is frozen until a person has named what happened; from there on the rate is learned anew.
        row.state = {"first": [], "closing": closing.pk}
    alarmed = False
    for seen, event in _events(line, version, rule.name, row.seen_to):
        row.seen_to = seen
        if event is not None:
            alarmed |= _feed(row.state, event, rule.every * len(RULES))
    row.save()
    if not alarmed:
        return False
    known = Alarm.objects.open().filter(line=line, rule=rule.name).exists()
    message = rule.message.format(model=version.name)
    open_alarm(line=line, rule=rule.name, severity=rule.severity, message=message, suggestion=rule.suggestion)
    return not known


def _feed(state: dict[str, Any], event: bool, every: int) -> bool:
    """The first events are the frozen baseline, the rest go to the detector; whether it alarms."""
    if "detector" in state:
        detector = BernoulliSR.from_json(state["detector"])
        alarm = detector.update(event)
        state["detector"] = detector.to_json()
        return alarm
    state["first"].append(int(event))
    if len(state["first"]) >= BASELINE:
        # Half an event more on each side: a rate of exactly 0 or 1 leaves nothing to compare with.
        first = state.pop("first")
        state["detector"] = BernoulliSR((sum(first) + 0.5) / (len(first) + 1), every).to_json()
    return False


def _events(line: Line, version: ModelVersion, rule: str, since: int) -> Iterator[tuple[int, bool | None]]:
    """(prediction id, whether it happened) of what came after `since`, in order; None: passed over for good."""
    new = Prediction.objects.filter(version=version, inspection__line=line, retrospective=False, pk__gt=since)
    new = new.exclude(inspection__origin=Origin.SEEDED)  # photos shown again: nothing new of the line
    rows = list(new.order_by("pk").values_list("pk", "score")[:PER_LOOK])
    if rule == "null rate":
        yield from ((pk, score is None) for pk, score in rows)
    elif rows:
        yield from _disagreements(new.filter(pk__lte=rows[-1][0]))


def _disagreements(new: QuerySet[Prediction]) -> Iterator[tuple[int, bool | None]]:
    """Only blind pairs: with advice people agree more, and of what the machine decides alone nobody says anything."""
    patience = timezone.now() - WAIT_FOR_VERDICT
    for pair in sorted(pairs_of(new), key=lambda pair: pair.prediction_id):
        if pair.evidence_kind != "blind" or pair.null_reason:
            yield pair.prediction_id, None
        elif pair.cell is None and pair.received_at > patience:
            return  # not judged yet: stop here, so that it is not passed over
        else:
            yield pair.prediction_id, None if pair.cell is None else pair.differs
