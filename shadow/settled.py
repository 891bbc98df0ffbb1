"""What a person settled today, and what came of it: the end of the list says so."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from inspection.models import Containment, Line, Purpose, SeededPart, User
from inspection.moves import OPEN
from shadow.discrepancies import Sought
from shadow.models import Adjudication, Finding, TrainingPart


@dataclass(frozen=True)
class Sitting:
    """Counts of today, by the clock of the first line: parts settled by what was found last, and what came of them."""

    person: int
    model: int
    ambiguous: int
    contained: int
    taught: int
    looks_waiting: int

    @property
    def settled(self) -> int:
        return self.person + self.model + self.ambiguous


def sitting_of(reader: User, sought: Sought, *, now: datetime | None = None) -> Sitting:
    """What the reader has settled today on the list's lines."""
    since = _midnight(sought.lines[0] if sought.lines else None, now or timezone.now())
    last = Adjudication.objects.filter(prediction=OuterRef("prediction")).order_by("-pk").values("pk")[:1]
    mine = Adjudication.objects.filter(by=reader, at__gte=since, prediction__inspection__line__in=sought.lines)
    rows = list(mine.filter(pk=Subquery(last)).values_list("finding", "prediction__inspection"))
    found, parts = Counter(finding for finding, _part in rows), {part for _finding, part in rows}
    of_today = {"inspection__line__in": sought.lines}
    looks = SeededPart.objects.filter(source__line__in=sought.lines, purpose=Purpose.SECOND_LOOK, at__gte=since)
    return Sitting(
        found[Finding.PERSON], found[Finding.MODEL], found[Finding.AMBIGUOUS],
        Containment.objects.filter(**of_today, opened_at__gte=since, inspection__in=parts).count(),
        TrainingPart.objects.filter(**of_today, by=reader, at__gte=since).exclude(label="").values("inspection").distinct().count(),
        looks.filter(by=reader.username, inspection__state__in=OPEN).count(),
    )  # fmt: skip


def _midnight(line: Line | None, now: datetime) -> datetime:
    zone = line.zone if line else timezone.get_current_timezone()
    return datetime.combine(now.astimezone(zone).date(), time(), zone)
