"""Puts on record who read figures of single persons, and tells a person who read theirs.

A row for each reader, person, place and hour, and in the trail one event for those who are new in that hour: it is
cheap however often a page is opened. Whoever reads their own figures leaves no row.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inspection import audit
from inspection.models import FiguresRead, Line, User, Where

READ = "inspector_figures_read"


@transaction.atomic
def note_figures_read(
    *,
    of: Iterable[int | None],
    where: Where,
    by: User,
    line: Line | None = None,
    now: datetime | None = None,
    action: str = READ,
) -> int:
    """Somebody was shown figures of these persons, by their ids (None: an imported label, nobody's). How many rows are new."""
    hour = (now or timezone.now()).replace(minute=0, second=0, microsecond=0)
    slug = line.slug if line else ""
    asked = {"reader": by, "where": where, "line": slug, "hour": hour}
    persons = {person for person in of if person is not None and person != by.pk}
    fresh = persons - set(FiguresRead.objects.filter(person__in=persons, **asked).values_list("person", flat=True))
    if fresh:
        # Two requests of one reader at once: the second finds the row there, and its event tells the same again.
        FiguresRead.objects.bulk_create(
            [FiguresRead(person_id=pk, **asked) for pk in sorted(fresh)], ignore_conflicts=True
        )
        called = User.objects.filter(pk__in=fresh).order_by("pseudonym").values_list("pseudonym", flat=True)
        audit.record(action, by=by, line=slug, subject=f"figures: {where}", of=list(called))
    return len(fresh)


def readings_of(person: User) -> QuerySet[FiguresRead]:
    """Who read figures of the person, the newest first."""
    return FiguresRead.objects.filter(person=person).select_related("reader")
