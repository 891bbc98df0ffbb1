"""Failing means a person decides: how often the machine left a part to people where it was to decide, and why."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When

from automation.levels import Level
from automation.models import Policy, Routing
from automation.routing import OUT_OF_DISTRIBUTION
from inspection.models import Inspection, Line
from shadow.models import JobState, ScoringJob

NO_ANSWER = "no answer of the model: "  # as a routing's reason begins; the version's own reason follows
COULD_NOT_RUN = "the version could not run"  # its weights are missing, altered or broken
BLANK = "blank photo"


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
    parts = Inspection.objects.live().filter(line=line, received_at__gte=since)
    found: Counter[Fallback] = Counter()
    times = list(_times_of_the_machine(line, since))
    if not times:
        return found
    arrived = Q()
    for start, end in times:
        arrived |= Q(received_at__gte=start, received_at__lt=end) if end else Q(received_at__gte=start)
    parts = parts.filter(arrived)
    found.update(_routed(parts))
    found.update(_unrouted(parts, now))
    return +found


def _times_of_the_machine(line: Line, since: datetime) -> Iterator[tuple[datetime, datetime | None]]:
    """The stretches since a moment in which the level let the machine decide; the last may have no end."""
    rows = list(Policy.objects.filter(line=line).order_by("number").values_list("at", "level"))
    for place, (at, level) in enumerate(rows):
        end = rows[place + 1][0] if place + 1 < len(rows) else None
        if Level(level).machine_decides and (end is None or end > since):
            yield at, end


def _routed(parts: QuerySet[Inspection]) -> Counter[Fallback]:
    """Of the parts that were routed and had a hold: one that comes again after cleaning was a person's from the start.
    One whose hold was ended as the clock was set back counts as that alone."""
    held = parts.filter(hold_until__gt=F("received_at"))
    routed = Routing.objects.filter(Q(decision="person") | Q(decided=False), inspection__in=held.values("pk"))
    # The score stands in the reason of a machine's decision; of one that came too late it does not matter.
    why = Case(When(decision="person", then=F("reason")), default=Value(""))
    groups = routed.order_by().annotate(why=why).values_list("decision", "why").annotate(n=Count("pk"))
    found: Counter[Fallback] = Counter()
    for decision, reason, n in groups:
        if kind := kind_of(decision, reason, False):
            found[kind] += n
    return found


def _unrouted(parts: QuerySet[Inspection], now: datetime) -> Counter[Fallback]:
    """Of the parts whose hold has passed, or was ended, without an answer."""
    clock = Q(hold_until__lt=F("received_at"))
    waited = Q(hold_until__gt=F("received_at"), hold_until__lte=now)
    waited &= Q(~Exists(Routing.objects.filter(inspection=OuterRef("pk"))))
    to_score = ScoringJob.objects.filter(
        inspection=OuterRef("pk"), state__in=[JobState.PENDING, JobState.LEASED], retrospective=False
    )  # fmt: skip
    found = parts.aggregate(
        clock=Count("pk", filter=clock), waited=Count("pk", filter=waited),
        overload=Count("pk", filter=waited & Q(Exists(to_score))),
    )  # fmt: skip
    overload = found["overload"]
    return Counter(
        {Fallback.CLOCK: found["clock"], Fallback.OVERLOAD: overload, Fallback.TIMEOUT: found["waited"] - overload}
    )
