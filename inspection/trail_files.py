"""The audit trail as files, row by row: for whoever reads on, and with its seals for whoever wants to verify it elsewhere.

A seal is a digest over a row's words and the seal before, persons by their pseudonyms. As sealed a row tells therefore
under which pseudonym somebody judges who signs elsewhere by name: such an export is for admins and on record, and no other
has digests, by which a pseudonym that fits would soon be guessed.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import StreamingHttpResponse

from inspection import audit
from inspection.models import AuditEvent, AuditSeal, Line, User
from inspection.people import told_to
from inspection.roles import May, must
from inspection.sheets import csv_response, harmless
from inspection.unnamed import Known, known, sealed_words

CHUNK = 1000
CSV, JSON_LINES = "csv", "jsonl"
FORMATS = (CSV, JSON_LINES)


class Exported(NamedTuple):
    """An event with its link: its number in its line's chain, the digest of the link before, and its own.

    Without a link it is not sealed yet. Digests are empty where they are kept from the reader.
    """

    at: str
    by: str
    action: str
    line: str
    subject: str
    data: dict[str, Any]
    sealed: bool
    id: int
    link: int | None
    previous: str
    digest: str


def events_for(reader: User, *, line: str = "", action: str = "", subject: str = "") -> QuerySet[AuditEvent]:
    """The events of the reader's lines and those of the whole factory, newest first; `line` "-" asks for the latter."""
    slugs = Line.objects.for_user(reader).values_list("slug", flat=True)
    events = AuditEvent.objects.filter(line__in=[*slugs, ""]).order_by("-pk")
    if line:
        events = events.filter(line="" if line == "-" else line)
    if action:
        events = events.filter(action=action)
    return events.filter(subject__icontains=subject) if subject else events


def trail_file(
    events: QuerySet[AuditEvent], reader: User, *, format: str, sealed: bool, filters: dict[str, str]
) -> StreamingHttpResponse:
    """The events as a download that streams. `sealed`: in the words that their seals are over, for admins, and noted."""
    if sealed and not settings.SUPERVISORS_SEE_NAMES:  # where everybody reads names a pseudonym hides nobody
        must(reader, May.SET_UP)
        asked = {name: value for name, value in filters.items() if value}
        audit.record("trail_exported", by=reader, subject="trail as sealed", filters=asked)
    rows = exported(events, reader, sealed=sealed)
    if format == CSV:
        return csv_response("audit-trail", _cells(rows))
    named = {"Content-Disposition": 'attachment; filename="audit-trail.jsonl"'}
    lines = (json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in rows)
    return StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8", headers=named)


def exported(events: QuerySet[AuditEvent], reader: User, *, sealed: bool) -> Iterator[Exported]:
    """The events in their order, some at a time in memory."""
    accounts = known() if sealed else Known({})
    rest = events.iterator(chunk_size=CHUNK)
    while some := list(islice(rest, CHUNK)):
        links = _links(some)
        for event in some if sealed else told_to(reader, some):
            link, digest, previous = links.get(event.pk, (None, "", ""))
            words = sealed_words(event, accounts) if sealed else None
            by, subject, data = (words[2], *words[5:]) if words else (event.by, event.subject, event.data)
            yield Exported(
                event.at.isoformat(), by, event.action, event.line, subject, data, link is not None,
                event.pk, link, previous if sealed else "", digest if sealed else "",
            )  # fmt: skip


def _links(events: Sequence[AuditEvent]) -> dict[int, tuple[int, str, str]]:
    """The number, the digest and the digest before of each event's link."""
    before = AuditSeal.objects.filter(line=OuterRef("line"), number=OuterRef("number") - 1).values("digest")
    seals = AuditSeal.objects.filter(event_id__in=[event.pk for event in events])
    rows = seals.annotate(previous=Subquery(before)).values_list("event_id", "number", "digest", "previous")
    return {event: (number, digest, previous or "") for event, number, digest, previous in rows}


def _cells(rows: Iterator[Exported]) -> Iterator[list[Any]]:
    yield list(Exported._fields)
    for row in rows:
        typed = map(harmless, [row.by, row.action, row.line, row.subject, json.dumps(row.data)])
        link = "" if row.link is None else row.link
        yield [row.at, *typed, "yes" if row.sealed else "no", row.id, link, row.previous, row.digest]
