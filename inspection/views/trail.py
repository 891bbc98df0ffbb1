"""The audit trail: who did what, newest first, with its seals and a walk along the chain."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from inspection import audit, seals
from inspection.models import AuditEvent, AuditSeal, Line
from inspection.people import told_to
from inspection.roles import May, caller, may, needs
from inspection.seals import TrailReport
from inspection.trail_files import FORMATS, events_for, trail_file

PER_PAGE = 50
FILTERS = ("line", "action", "subject")


@needs(May.READ_EVIDENCE)
def audit_trail_page(request: HttpRequest) -> HttpResponseBase:
    """The page; with `format` the same events as a file, with `sealed` as they are sealed."""
    format = request.GET.get("format")
    if format not in FORMATS:
        return _page(request)
    reader, asked, sealed = caller(request), _asked(request), bool(request.GET.get("sealed"))
    return trail_file(events_for(reader, **asked), reader, format=format, sealed=sealed, filters=asked)


@needs(May.READ_EVIDENCE)
def verify_trail(request: HttpRequest) -> HttpResponse:
    """Walk every chain from its first link and say what does not fit."""
    if request.method != "POST":
        return redirect(reverse("audit_trail_page", query=request.GET))
    return _page(request, report=seals.verify_trail())


def _asked(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "").strip() for name in FILTERS}


def _page(request: HttpRequest, *, report: TrailReport | None = None) -> HttpResponse:
    reader, asked = caller(request), _asked(request)
    page = Paginator(events_for(reader, **asked), PER_PAGE).get_page(request.GET.get("page"))
    unsealed = seals.unsealed(since=seals.newest()).count()  # to look through the whole trail takes seconds
    context = {
        "page_obj": page,
        "entries": _entries(told_to(reader, page)),
        "report": report,
        "sealed": AuditSeal.objects.count(),
        "unsealed": unsealed,
        "actions": events_for(reader).order_by("action").values_list("action", flat=True).distinct(),
        "lines": Line.objects.for_user(reader),
        "asked": asked,
        "may_export_sealed": may(reader, May.SET_UP) or settings.SUPERVISORS_SEE_NAMES,
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
    if isinstance(value, dict) and "sha256" in value:
        return f"SHA-256 {value['sha256']}"  # a certificate; the whole of it is in the export
    if isinstance(value, dict) and value.keys() == {"before", "after"}:
        before, after = (_words(value[name]) or _("nothing") for name in ("before", "after"))
        return f"{before} → {after}"
    if isinstance(value, dict) and value.keys() == {"name", "at", "meaning"}:
        return f"{value['name']} ({_(value['meaning'])})"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
