"""Remembers to whom a part's model output was served: a later verdict of theirs is no blind one."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from inspection.models import ModelOutputShown, User

REMEMBERED = timedelta(days=1)


def note_shown(*, user: User, inspections: Iterable[int], where: str, now: datetime | None = None) -> None:
    """Write a row for each part, once a day for each person and place. Call it before the answer leaves.

    The first row is what evidence asks for; repeating it on every look would only fill the table.
    """
    now = now or timezone.now()
    wanted = set(inspections)
    lately = ModelOutputShown.objects.filter(
        user=user, where=where, inspection__in=wanted, at__gt=now - REMEMBERED, at__lte=now
    )
    known = set(lately.values_list("inspection_id", flat=True))
    ModelOutputShown.objects.bulk_create(
        ModelOutputShown(inspection_id=part, user=user, where=where, at=now) for part in sorted(wanted - known)
    )
