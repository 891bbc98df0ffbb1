"""How long the audit trail is kept: for ever, or whole months of it go once they are older than KEEP_AUDIT_DAYS.

The links of the chain stay. The row that tells of the purge says up to which link of each line events have gone and how many,
so that the chain is still walked from its first link and an event that went any other way is still found.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max

from inspection import append_only, months, seals
from inspection.models import AuditEvent, AuditSeal


def kept_from(now: datetime) -> datetime | None:
    """Events before this moment go; None: all stay. It is the first of a month, and of PostgreSQL's parts the end of one."""
    if not settings.KEEP_AUDIT_DAYS:
        return None
    limit = months.month_of(now - timedelta(days=settings.KEEP_AUDIT_DAYS))
    if not months.parts(AuditEvent._meta.db_table):
        return limit
    return max((part.end for part in months.whole_before(AuditEvent, limit) if part.end), default=None)


def outdated(now: datetime) -> int:
    """How many events a purge would take."""
    limit = kept_from(now)
    return AuditEvent.objects.filter(at__lt=limit).count() if limit else 0


def purge(now: datetime) -> int:
    """Let what is outdated go through the door, and return how many events that were."""
    limit = kept_from(now)
    if limit is None or not AuditEvent.objects.filter(at__lt=limit).exists():
        return 0
    seals.seal_late()  # what goes must have a link
    if months.parts(AuditEvent._meta.db_table):
        return months.briefly(lambda: _purge(limit)) or 0
    with transaction.atomic():
        return _purge(limit)


def _purge(limit: datetime) -> int:
    old = AuditEvent.objects.filter(at__lt=limit)
    if seals.unsealed().filter(at__lt=limit).exists():
        return 0  # committed this moment: next time
    links, rows = seals.purged(), old.count()
    going = AuditSeal.objects.filter(event_id__in=old.values("pk")).order_by().values("line")
    for line, last, number in going.annotate(Max("number"), Count("pk")).values_list(
        "line", "number__max", "pk__count"
    ):
        earlier = links.get(line, (0, 0))
        links[line] = (max(last, earlier[0]), earlier[1] + number)
    told = {"before": limit.isoformat(), "events": rows, "links": links}
    with append_only.audited_purge(by="retention", reason="KEEP_AUDIT_DAYS", **told):
        if there := months.whole_before(AuditEvent, limit):
            for part in there:
                months.drop(part)
        else:
            old.delete()
    return rows
