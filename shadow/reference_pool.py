"""The parts of known truth of a line: how often each was shown and found, and what a share of seeded parts tells."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import ceil, floor

from django.db.models import BigIntegerField, Count, ExpressionWrapper, F, Min, QuerySet, Value
from django.utils import timezone

from inspection.models import Inspection, Line, Photo, Reference, SeededPart, Truth, User
from inspection.refusals import Unknown
from shadow.agreement import Rate
from shadow.gauges import looks_at, shown_on

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
TARGET, ASSUMED, CONFIDENCE = 0.90, 0.95, 0.99  # what is to be known, if they find so much, with which confidence


@dataclass(frozen=True)
class PoolRow:
    """A reference with its first photo, and what people answered when it was shown: right, wrong or unsure."""

    reference: Reference
    photo: Photo | None
    shown: int
    right: int
    wrong: int
    unsure: int

    @property
    def scratched(self) -> bool:
        return self.reference.truth == Truth.SCRATCHED

    @property
    def answers(self) -> int:
        return self.right + self.wrong

    @property
    def borderline(self) -> bool:
        """People have answered it both ways."""
        return bool(self.right and self.wrong)


def references_of(line: Line) -> QuerySet[Reference]:
    """The references of a line, asked for by an expression for the reason that `shown_on` gives."""
    of_line = ExpressionWrapper(F("inspection__line_id") + Value(0), output_field=BigIntegerField())
    rows = Reference.objects.alias(of_line=of_line).filter(of_line=line.pk)
    return rows.select_related("inspection", "by", "retired_by").order_by("-at", "-pk")


def find_reference(pk: int, by: User) -> Reference:
    """A reference on a line of the person's. Raises Unknown."""
    on_their_lines = Reference.objects.filter(inspection__line__in=Line.objects.for_user(by))
    found = on_their_lines.select_related("inspection__line").filter(pk=pk).first()
    if found is None:
        raise Unknown(f"There is no reference {pk} on your lines.")
    return found


def find_part(line: Line, serial: str) -> Inspection:
    """The serial's last own inspection on a line. Raises Unknown."""
    parts = Inspection.objects.unseeded().filter(serial=serial.strip(), line=line)
    found = parts.order_by("-received_at", "-pk").first()
    if found is None:
        raise Unknown(f"There is no part {serial.strip()!r} on {line.name}.")
    return found


def pool_rows(line: Line, references: Sequence[Reference]) -> list[PoolRow]:
    """Some references of a line with what is known of them, in the order given; a few queries however many there are."""
    sources = [reference.inspection_id for reference in references]
    shown = SeededPart.objects.filter(source__in=sources).order_by().values("source").annotate(times=Count("pk"))
    times = {row["source"]: row["times"] for row in shown}
    photos = {photo.inspection_id: photo for photo in Photo.objects.filter(inspection__in=sources, position=0)}
    said = _said_of(line, sources)
    return [
        PoolRow(
            reference,
            photos.get(source),
            times.get(source, 0),
            right=said[source][True],
            wrong=said[source][False],
            unsure=said[source][None],
        )
        for reference, source in zip(references, sources, strict=True)
    ]


def _said_of(line: Line, sources: Iterable[int]) -> dict[int, Counter[bool | None]]:
    """Per part: how many answers were right (True), wrong (False) and unsure (None)."""
    said: dict[int, Counter[bool | None]] = defaultdict(Counter)
    for look in looks_at(shown_on(line).filter(source__in=sources), line):
        if look.truth is not None:
            said[look.source_id][None if look.answer is None else look.answer == look.truth] += 1
    return said


# ---- What the line's share tells


@dataclass(frozen=True)
class Mix:
    """What the shares of a line come to a day. `days`: until it is known that inspectors find at least 90 % of the
    scratched parts, if they find 95 %; None: with this share never."""

    line: Line
    parts: float
    in_use: int
    scratched_in_use: int

    @property
    def seeds(self) -> float:
        return self.parts * self.line.seed_percent / 100 if self.in_use else 0.0

    @property
    def scratched(self) -> float:
        """Half of what is mixed in is scratched where there are both kinds."""
        both = 0 < self.scratched_in_use < self.in_use
        return self.seeds / 2 if both else self.seeds if self.scratched_in_use else 0.0

    @property
    def days(self) -> int | None:
        return ceil(looks_needed(TARGET, ASSUMED, CONFIDENCE) / self.scratched) if self.scratched > 0 else None


def mix_of(line: Line, *, now: datetime | None = None) -> Mix:
    """The line's shares at the pace of its last seven days."""
    now = now or timezone.now()
    week = line.inspections.live().filter(received_at__gte=now - WEEK, received_at__lte=now)
    came = week.aggregate(parts=Count("pk"), first=Min("received_at"))
    days = max((now - came["first"]) / DAY, 1.0) if came["first"] else 1.0
    truths = Counter(references_of(line).filter(retired_at=None).values_list("truth", flat=True))
    return Mix(line, came["parts"] / days, truths.total(), truths[Truth.SCRATCHED])


@cache
def looks_needed(target: float, assumed: float, confidence: float) -> int:
    """Fewest looks at scratched parts whose exact lower bound, for one look, reaches `target` when the share `assumed`
    is found. Both in (0, 1), assumed above target.

    >>> looks_needed(0.90, 0.95, 0.99)
    197
    """
    looks = 1
    while Rate(floor(assumed * looks), looks).lower(confidence) < target:
        looks += 1
    return looks
