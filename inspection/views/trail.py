"""The audit trail: who did what, newest first, with its seals and a walk along the chain."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from inspection import audit, seals
from inspection.models import AuditEvent, AuditSeal, Line, User
from inspection.people import told_to
from inspection.roles import May, caller, needs
from inspection.seals import TrailReport
from inspection.sheets import csv_response, harmless

PER_PAGE = 50
COLUMNS = ("at", "by", "action", "line", "subject", "data")


@needs(May.READ_EVIDENCE)
def audit_trail_page(request: HttpRequest) -> HttpResponseBase:
    if request.GET.get("format") == "csv":
        return csv_response("audit-trail", _rows(_filtered(request), caller(request)))
    return _page(request)


@needs(May.READ_EVIDENCE)
def verify_trail(request: HttpRequest) -> HttpResponse:
    """Walk every chain from its first link and say what does not fit."""
    if request.method != "POST":
        return redirect(reverse("audit_trail_page", query=request.GET))
    return _page(request, report=seals.verify_trail())


def _page(request: HttpRequest, *, report: TrailReport | None = None) -> HttpResponse:
    readable = _readable(caller(request))
    page = Paginator(_filtered(request), PER_PAGE).get_page(request.GET.get("page"))
    unsealed = seals.unsealed().count()
    context = {
        "page_obj": page,
        "entries": _entries(told_to(caller(request), page)),
        "report": report,
        "sealed": AuditSeal.objects.count(),
        "unsealed": unsealed,
        "actions": readable.order_by("action").values_list("action", flat=True).distinct(),
        "lines": Line.objects.for_user(caller(request)),
        "asked": {name: request.GET.get(name, "").strip() for name in ("line", "action", "subject")},
    }
    return render(request, "inspection/audit_trail.html", context)


class Entry(NamedTuple):
    """An event as the page prints it, by its line's clock."""

    event: AuditEvent
    words: str
    facts: list[tuple[str, str]]
    zone: str
    sealed: bool


def _entries(events: Sequence[AuditEvent]) -> list[Entry]:
    zones = dict(Line.objects.values_list("slug", "time_zone"))
    sealed = _sealed(events)
    return [Entry(e, audit.words_of(e), _facts(e), zones.get(e.line, "UTC"), e.pk in sealed) for e in events]


def _sealed(events: Sequence[AuditEvent]) -> set[int]:
    links = AuditSeal.objects.filter(event_id__in=[event.pk for event in events])
    return set(links.values_list("event_id", flat=True))


def _facts(event: AuditEvent) -> list[tuple[str, str]]:
    """The event's data as people read it."""
    said = {name: value for name, value in event.data.items() if value not in ("", None, [])}
    return [(name.replace("_", " "), _words(value)) for name, value in said.items()]


def _words(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"before", "after"}:
        before, after = (_words(value[name]) or _("nothing") for name in ("before", "after"))
        return f"{before} → {after}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _readable(user: User) -> QuerySet[AuditEvent]:
    """The events of the reader's lines, and those of the whole factory."""
    return AuditEvent.objects.filter(line__in=[*Line.objects.for_user(user).values_list("slug", flat=True), ""])


def _filtered(request: HttpRequest) -> QuerySet[AuditEvent]:
    """Newest first; `line=-` asks for what belongs to no line."""
    events = _readable(caller(request)).order_by("-pk")
    if line := request.GET.get("line", "").strip():
        events = events.filter(line="" if line == "-" else line)
    if action := request.GET.get("action", "").strip():
        events = events.filter(action=action)
    if subject := request.GET.get("subject", "").strip():
        events = events.filter(subject__icontains=subject)
    return events


def _rows(asked: QuerySet[AuditEvent], reader: User) -> Iterator[list[str]]:
    yield [*COLUMNS, "sealed"]
    events = asked.iterator(chunk_size=1000)
    while some := list(islice(events, 1000)):
        sealed = _sealed(some)
        for event in told_to(reader, some):
            cells = map(harmless, [event.by, event.action, event.line, event.subject, json.dumps(event.data)])
            yield [event.at.isoformat(), *cells, "yes" if event.pk in sealed else "no"]
