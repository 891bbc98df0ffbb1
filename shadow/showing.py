"""Remembers to whom a part's model output was served: a later verdict of theirs is no blind one."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from inspection.models import ModelOutputShown, User

REMEMBERED = timedelta(days=1)
AT_ONCE = 2000  # parts of one statement


def note_shown(*, user: User, inspections: Iterable[int], where: str, now: datetime | None = None) -> None:
    """Write a row for each part, once a day for each person and place. Call it before the answer leaves.

    The first row is what evidence asks for; repeating it on every look would only fill the table.
    """
    now, wanted = now or timezone.now(), sorted(set(inspections))
    for start in range(0, len(wanted), AT_ONCE):
        parts = wanted[start : start + AT_ONCE]
        lately = ModelOutputShown.objects.filter(
            user=user, where=where, inspection__in=parts, at__gt=now - REMEMBERED, at__lte=now
        )
        known = set(lately.values_list("inspection_id", flat=True))
        _write([part for part in parts if part not in known], user, where, now)


def _write(parts: list[int], user: User, where: str, now: datetime) -> None:
    """The rows in one statement; through the ORM those of an export would take most of its time."""
    if not parts:
        return
    table, place = ModelOutputShown._meta.db_table, connection.ops.quote_name("where")
    into = f"INSERT INTO {table} (inspection_id, user_id, at, {place})"
    listed: tuple[str, list[int] | str] = ("json_each(%s)", json.dumps(parts))
    if connection.vendor == "postgresql":
        listed = ("unnest(%s::bigint[]) AS listed(value)", parts)
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(f"{into} SELECT value, %s, %s, %s FROM {listed[0]}", [user.pk, at, where, listed[1]])  # noqa: S608 - names of our own
