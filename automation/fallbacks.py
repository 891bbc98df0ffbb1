"""Failing means a person decides: how often the machine left a part to people where it was to decide, and why."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When

from automation.levels import Level
from automation.models import Policy, Routing
from automation.routing import OUT_OF_DISTRIBUTION
from inspection.models import Inspection, Line
from inspection.prepared import MOMENT, Given, Prepared
from shadow.models import JobState, ScoringJob

NO_ANSWER = "no answer of the model: "  # as a routing's reason begins; the version's own reason follows
COULD_NOT_RUN = "the version could not run"  # its weights are missing, altered or broken
BLANK = "blank photo"

FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
Stretch = dict[str, Any]  # a line's key, and from when and up to before when its parts arrived


class Fallback(StrEnum):
    """Why people got a part that the machine was to decide."""

    TIMEOUT = "hold timeout"  # no answer was settled before the hold had passed
    LATE = "answer too late"  # it was, after the hold had passed or somebody had taken the part
    OVERLOAD = "overload"  # the hold has passed and the part still waits to be scored
    NO_ANSWER = "no answer"
    BLANK = "blank photo"
    OUT_OF_DISTRIBUTION = "out of distribution"
    VERSION_MISSING = "version missing"
    CLOCK = "clock set back"


def kind_of(decision: str, reason: str, decided: bool) -> Fallback | None:
    """The kind of a routing by its words; None: it is no fallback, but what the policy says.

    >>> kind_of("person", "no answer of the model: photo 1: blank photo", False)
    <Fallback.BLANK: 'blank photo'>
    >>> kind_of("pass", "score 0.0100 is below 0.1", True) is kind_of("person", "drawn blind", False) is None
    True
    """
    if decision != "person":
        return None if decided else Fallback.LATE
    if reason == OUT_OF_DISTRIBUTION:
        return Fallback.OUT_OF_DISTRIBUTION
    if not reason.startswith(NO_ANSWER):
        return None
    why = reason.removeprefix(NO_ANSWER)
    if why.startswith(COULD_NOT_RUN):
        return Fallback.VERSION_MISSING
    return Fallback.BLANK if BLANK in why else Fallback.NO_ANSWER


def fallbacks(line: Line, *, now: datetime, hours: float = 24) -> Counter[Fallback]:
    """The line's fallbacks among the parts of the last hours that arrived while the machine was to decide, by kind."""
    since = now - timedelta(hours=hours)
    found: Counter[Fallback] = Counter()
    for start, end in _times_of_the_machine(line, since):
        stretch = {"line": line.pk, "start": max(start, since), "end": end}
        found.update(_routed(stretch))
        found.update(_unrouted(stretch, now))
    return +found


def _times_of_the_machine(line: Line, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretches since a moment in which the level let the machine decide; the last may have no end yet."""
    start: datetime | None = None
    for at, level in [*_LEVELS(line=line.pk), (FOR_EVER, Level.HUMAN_ONLY)]:
        if Level(level).machine_decides:
            start = start or at
        elif start:
            if at > since:
                yield start, at
            start = None


_LEVELS = Prepared(lambda: Policy.objects.filter(line=Given("line")).order_by("number").values_list("at", "level"))


def _arrived() -> QuerySet[Inspection]:
    """The parts of a stretch."""
    arrived = {"received_at__gte": Given("start", MOMENT), "received_at__lt": Given("end", MOMENT)}
    return Inspection.objects.live().filter(line=Given("line"), **arrived).order_by()


def _routed(stretch: Stretch) -> Counter[Fallback]:
    """Of the parts that were routed and had a hold: one that comes again after cleaning was a person's from the start.
    One whose hold was ended as the clock was set back counts as that alone."""
    found: Counter[Fallback] = Counter()
    for decision, reason, n in _ROUTED(**stretch):
        if kind := kind_of(decision, reason, False):
            found[kind] += n
    return found


def _groups() -> QuerySet[Routing, tuple]:
    held = _arrived().filter(hold_until__gt=F("received_at"))
    routed = Routing.objects.filter(Q(decision="person") | Q(decided=False), inspection__in=held.values("pk"))
    # The score stands in the reason of a machine's decision; of one that came too late it does not matter.
    why = Case(When(decision="person", then=F("reason")), default=Value(""))
    return routed.order_by().annotate(why=why).values_list("decision", "why").annotate(n=Count("pk"))


_ROUTED = Prepared(_groups)


def _unrouted(stretch: Stretch, now: datetime) -> Counter[Fallback]:
    """Of the parts whose hold has passed, or was ended, without an answer."""
    found: Counter[Fallback] = Counter()
    for _line, clock, waited, overload in _UNROUTED(**stretch, now=now):
        found.update({Fallback.CLOCK: clock, Fallback.OVERLOAD: overload, Fallback.TIMEOUT: waited - overload})
    return found


def _waited() -> QuerySet[Inspection, tuple]:
    clock = Q(hold_until__lt=F("received_at"))
    waited = Q(hold_until__gt=F("received_at"), hold_until__lte=Given("now", MOMENT))
    waited &= Q(~Exists(Routing.objects.filter(inspection=OuterRef("pk"))))
    to_score = ScoringJob.objects.filter(
        inspection=OuterRef("pk"), state__in=[JobState.PENDING, JobState.LEASED], retrospective=False
    )  # fmt: skip
    return _arrived().values_list("line").annotate(
        clock=Count("pk", filter=clock), waited=Count("pk", filter=waited),
        overload=Count("pk", filter=waited & Q(Exists(to_score))),
    )  # fmt: skip


_UNROUTED = Prepared(_waited)
