"""A person's own figures of the running shift: what they did, and how long a part took. Nobody else's, and no aim."""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median

from inspection.models import AuditEvent, Correction, Line, Outcome, Shift, Skip, User, Verdict
from inspection.models.judgement import Occasion


@dataclass(frozen=True)
class Hour:
    """One hour by the line's clock."""

    at: datetime
    judged: int
    share: float  # of the fullest hour, in percent: the length of its bar


@dataclass(frozen=True)
class ShiftSummary:
    """What one person did since `start`. A corrected verdict counts as the person last corrected it.

    No verdict is told apart by why it was asked for, but for second opinions: an audit is a part like any other.
    """

    shift: str  # empty: the line has no shift now, and the day is counted from midnight
    start: datetime
    judged: int
    ok: int
    scratched: int
    unsure: int
    corrected: int
    skipped: int
    cleaned: int
    second_opinions: int
    timed: int
    median_seconds: float | None
    p90_seconds: float | None
    hours: tuple[Hour, ...]


def running_shift(line: Line, now: datetime) -> tuple[str, datetime]:
    """The shift that runs on the line, and its start; of two that overlap the later one. Without one: since midnight."""
    local = now.astimezone(line.zone)
    running = [(_start(shift, local), shift.name) for shift in line.shifts.all() if shift.covers(local.time())]
    midnight = datetime.combine(local.date(), time(), line.zone)
    start, name = max(running, default=(midnight, ""))
    return name, start


def _start(shift: Shift, local: datetime) -> datetime:
    return datetime.combine(shift.day_of(local), shift.starts_at, shift.line.zone)


def shift_summary(*, user: User, line: Line, now: datetime) -> ShiftSummary:
    """The figures of this person on this line, in five queries whose cost follows the shift and not the history."""
    name, start = running_shift(line, now)
    mine = Verdict.objects.filter(inspector=user, inspection__line=line, at__gte=start, at__lte=now)
    first = mine.exclude(occasion=Occasion.ADVISED)  # a look after advice is the same part again
    rows = list(first.values_list("pk", "outcome", "occasion", "duration_ms", "at"))
    own = Correction.objects.filter(by=user, verdict__in=mine.order_by().values("pk")).order_by("pk")
    corrected = dict(own.values_list("verdict", "outcome"))
    outcomes = Counter(corrected.get(pk, outcome) for pk, outcome, *_ in rows)
    seconds = sorted(duration / 1000 for *_, duration, _ in rows if duration)
    return ShiftSummary(
        shift=name, start=start, judged=len(rows), ok=outcomes[Outcome.OK], scratched=outcomes[Outcome.SCRATCHED],
        unsure=outcomes[Outcome.UNSURE], corrected=len(corrected),
        skipped=Skip.objects.filter(by=user, inspection__line=line, at__gte=start, at__lte=now).count(),
        cleaned=_cleaned(user, line, start), second_opinions=sum(row[2] == Occasion.SECOND for row in rows),
        timed=len(seconds), median_seconds=median(seconds) if seconds else None, p90_seconds=percentile(seconds, 0.9),
        hours=_hours([row[-1] for row in rows], start, now, line),
    )  # fmt: skip


def _cleaned(user: User, line: Line, start: datetime) -> int:
    """Who asked for a cleaning stands in the audit trail alone. Its ids follow time, so the shift is a tail of them."""
    trail = AuditEvent.objects.filter(line=line.slug)
    before = trail.filter(at__lt=start).order_by("-pk").values("pk")[:1]
    floor = before.first()
    since = trail.filter(pk__gt=floor["pk"] if floor else 0, at__gte=start)
    return since.filter(action="retake_asked", by=user.username).count()


def percentile(ascending: list[float], share: float) -> float | None:
    """The nearest rank: the smallest value that at least this share of all does not exceed. Of none: None."""
    return ascending[math.ceil(share * len(ascending)) - 1] if ascending else None


def _hours(moments: list[datetime], start: datetime, now: datetime, line: Line) -> tuple[Hour, ...]:
    def full(moment: datetime) -> datetime:
        """The line's full hour in UTC, where every hour is one: the clock that is put back shows two of a name."""
        return moment.astimezone(line.zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)

    counts = Counter(map(full, moments))
    fullest = max(counts.values(), default=1)
    first = full(start)
    hours = [first + timedelta(hours=n) for n in range(int((now - first) / timedelta(hours=1)) + 1)]
    return tuple(Hour(hour, counts[hour], 100 * counts[hour] / fullest) for hour in hours)
