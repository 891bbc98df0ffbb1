"""The parts of known truth of a line: how often each was shown and found, and how far a share of seeded parts brings them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db.models import BigIntegerField, Count, ExpressionWrapper, F, Min, QuerySet, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.models import Inspection, Line, Photo, Purpose, Reference, SeededPart, Truth, User, Verdict
from inspection.refusals import Unknown
from shadow.gauges import Look, looks_at, shown_on

WEEK = timedelta(days=7)
DAY = timedelta(days=1)


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
        raise Unknown(_("There is no reference {pk} on your lines.").format(pk=pk))
    return found


def find_part(line: Line, serial: str) -> Inspection:
    """The serial's last own inspection on a line. Raises Unknown."""
    parts = Inspection.objects.unseeded().filter(serial=serial.strip(), line=line)
    found = parts.order_by("-received_at", "-pk").first()
    if found is None:
        raise Unknown(_("There is no part {serial} on {line}.").format(serial=serial.strip(), line=line.name))
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


def counted_once(found: Iterable[Look]) -> dict[int, bool]:
    """By scratched part behind: whether the first person to answer found it, unsure as not found; looks oldest first.

    Left out is who had judged the part itself: they may know it again.
    """
    found = [look for look in found if look.truth and look.seeded_id is not None]
    judged = Verdict.objects.filter(inspection__in={look.source_id for look in found}, inspector__isnull=False)
    own = set(judged.values_list("inspection_id", "inspector_id"))
    once: dict[int, bool] = {}
    for look in found:
        if (look.source_id, look.inspector_id) not in own:
            once.setdefault(look.source_id, bool(look.answer))
    return once


@dataclass(frozen=True)
class Mix:
    """What the shares of a line come to a day. Each scratched reference counts once, so more days tell no more than there
    are references: `days` until each has been shown, None where there are none to show or none is mixed in."""

    line: Line
    parts: float
    in_use: int
    scratched_in_use: int
    answered: int  # scratched ones in use with an answer that counts

    @property
    def seeds(self) -> float:
        return self.parts * self.line.seed_percent / 100 if self.in_use else 0.0

    @property
    def scratched(self) -> float:
        """Half of what is mixed in is scratched where there are both kinds."""
        both = 0 < self.scratched_in_use < self.in_use
        return self.seeds / 2 if both else self.seeds if self.scratched_in_use else 0.0

    @property
    def waiting(self) -> int:
        return self.scratched_in_use - self.answered

    @property
    def days(self) -> int | None:
        """Those shown least come first, so each comes before one comes twice."""
        return ceil(self.waiting / self.scratched) if self.waiting and self.scratched > 0 else None


def mix_of(line: Line, *, now: datetime | None = None) -> Mix:
    """The line's shares at the pace of its last seven days."""
    now = now or timezone.now()
    week = line.inspections.live().filter(received_at__gte=now - WEEK, received_at__lte=now)
    came = week.aggregate(parts=Count("pk"), first=Min("received_at"))
    days = max((now - came["first"]) / DAY, 1.0) if came["first"] else 1.0
    truths = dict(references_of(line).filter(retired_at=None).values_list("inspection_id", "truth"))
    scratched = [part for part, truth in truths.items() if truth == Truth.SCRATCHED]
    return Mix(line, came["parts"] / days, len(truths), len(scratched), len(answers_to(line, scratched)))


def answers_to(line: Line, scratched: Iterable[int]) -> dict[int, bool]:
    """Of these parts those with an answer that counts, and whether it found the scratch."""
    known = (Purpose.REFERENCE, Purpose.STUDY)
    return counted_once(looks_at(shown_on(line).filter(source__in=list(scratched), purpose__in=known), line))
