"""The containments: the list of what escaped, and a page for each with what surrounds the part, its owner and its cause."""

from collections.abc import Iterator
from datetime import timedelta

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from inspection import actions, audit
from inspection.actions.containing import containments_on, find_containment, owners_for
from inspection.escapes import escape_of
from inspection.models import AuditEvent, Containment, Inspection, User
from inspection.people import told_to
from inspection.roles import May, caller, needs
from inspection.sheets import csv_response, harmless
from inspection.surroundings import Neighbour, parts_that_passed, surroundings_of
from inspection.views.forms import CauseForm, checked
from inspection.views.queue import lines_asked

PER_PAGE = 50
COLUMNS = ("serial", "lot", "line", "station", "received_at", "passed_at", "passed_by", "place", "same_lot", "escaped")


@needs(May.SUPERVISE)
@require_GET
def containments(request: HttpRequest) -> HttpResponse:
    """What escapes have opened: the open ones, longest open first, or the closed, latest first."""
    rows = containments_on(lines_asked(caller(request), request.GET.get("line", "")))
    known = {
        "": (_("Open"), rows.filter(closed_at=None).order_by("opened_at", "pk")),
        "closed": (_("Closed"), rows.exclude(closed_at=None).order_by("-closed_at", "-pk")),
    }
    chosen = request.GET.get("show", "") if request.GET.get("show", "") in known else ""
    page = Paginator(known[chosen][1], PER_PAGE).get_page(request.GET.get("page"))
    _note_shown([row.inspection for row in page], caller(request))
    tabs = [(word, label, which.count()) for word, (label, which) in known.items()]
    return render(request, "inspection/containments.html", {"page_obj": page, "tabs": tabs, "chosen": chosen})


def _note_shown(parts: list[Inspection], reader: User) -> None:
    """Whoever reads what the machine decided of these parts judges none of them blind any more."""
    actions.note_decisions_shown(inspections=parts, user=reader, where="containment")


@needs(May.SUPERVISE)
@require_GET
def containment(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One containment; as CSV, the parts around it that passed and may have to be blocked."""
    found = find_containment(pk, caller(request))
    if request.GET.get("format") == "csv":
        return csv_response(f"containment-{pk}", _rows(found, caller(request)))
    around = surroundings_of(found.inspection)
    _note_shown([row.part for row in around.rows], caller(request))
    escape = escape_of(found)
    context = {
        "containment": found, "part": found.inspection, "line": found.inspection.line, "around": around,
        "escape": escape, "out_for": span_words(escape.out_for) if escape else "",
        "history": _history(found, caller(request)), "photos": found.inspection.photos.all(),
        "owners": owners_for(found.inspection.line).order_by("username"),
    }  # fmt: skip
    return render(request, "inspection/containment.html", context)


def span_words(span: timedelta) -> str:
    """How long, as people say it; under a minute in seconds."""
    seconds = int(span.total_seconds())
    if seconds < 60:
        return ngettext("{n} second", "{n} seconds", seconds).format(n=seconds)
    now = timezone.now()
    return timesince(now - span, now)


def _history(found: Containment, reader: User) -> list[tuple[AuditEvent, str]]:
    """What the trail tells of the part, each event with its words."""
    events = AuditEvent.objects.filter(subject=f"inspection {found.inspection_id}")
    return [(event, audit.words_of(event)) for event in told_to(reader, events)]


def _rows(found: Containment, reader: User) -> Iterator[list[str]]:
    """The escaped part first, then the nearest that passed, then the rest of its lot that passed."""
    yield [*COLUMNS]
    for some in parts_that_passed(found.inspection):
        _note_shown([row.part for row in some], reader)
        for row in some:
            yield _row(row)


def _row(row: Neighbour) -> list[str]:
    part, passed = row.part, row.disposition if row.passed else None
    return [
        harmless(part.serial), harmless(part.lot), part.line.slug, part.station.slug if part.station else "",
        part.received_at.isoformat(), passed.at.isoformat() if passed else "",
        ("machine" if passed.by_machine else "person") if passed else "",
        "" if row.place is None else str(row.place), "yes" if row.same_lot else "no",
        "yes" if row.place == 0 else "no",
    ]  # fmt: skip


class OwnerForm(forms.Form):
    owner = forms.ModelChoiceField(User.objects.all(), label=gettext_lazy("Owner"))


@needs(May.SUPERVISE)
@require_POST
def take_containment(request: HttpRequest, pk: int) -> HttpResponse:
    """Name who owns a containment."""
    found = find_containment(pk, caller(request))
    owner = checked(OwnerForm(request.POST))["owner"]
    found = actions.take_containment(containment=found, owner=owner, by=caller(request))
    messages.success(request, _("{person} owns this containment.").format(person=found.owner))
    return redirect("containment", pk)


@needs(May.SUPERVISE)
@require_POST
def close_containment(request: HttpRequest, pk: int) -> HttpResponse:
    """Close a containment with the cause that was found."""
    found = find_containment(pk, caller(request))
    actions.close_containment(containment=found, by=caller(request), **checked(CauseForm(request.POST)))
    messages.success(request, _("The containment of part {serial} is closed.").format(serial=found.inspection.serial))
    return redirect("containments")
