"""The supervisor's view of open work: parts that wait, who holds them, and urgent lots."""

from datetime import datetime

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from inspection import actions
from inspection.actions.intake import find_line
from inspection.models import Inspection, Line, UrgentLot, User
from inspection.moves import State
from inspection.people import names_for
from inspection.roles import May, caller, needs
from inspection.sight import find_judged
from inspection.views.forms import checked

PER_PAGE = 50


def filters(now: datetime) -> dict[str, tuple[str, Q]]:
    """The queue's filters: the word in the URL, its label, and which of the open parts it shows."""
    held = Q(lease__expires_at__gt=now)
    return {
        "": (_("Open parts"), Q()),
        "free": (_("Wait for a person"), ~held & ~Q(state__in=[State.HELD, State.WITH_SUPERVISOR])),
        "held": (_("With a person"), held),
        "supervisor": (_("Wait for a supervisor"), ~held & Q(state=State.WITH_SUPERVISOR)),
    }


def lines_asked(user: User, slug: str) -> QuerySet[Line]:
    """The line asked for, or all that the person may work on."""
    if slug:
        return Line.objects.filter(pk=find_line(slug, user).pk)
    return Line.objects.for_user(user)


@needs(May.SUPERVISE)
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """Every open part in the order in which people get them: those of urgent lots, then the oldest."""
    now = timezone.now()
    lines = lines_asked(caller(request), request.GET.get("line", ""))
    parts = Inspection.objects.queued(lines.values("pk")).unseeded()
    known = filters(now)
    chosen = request.GET.get("show", "") if request.GET.get("show", "") in known else ""
    tiles = [(word, label, parts.filter(which).count()) for word, (label, which) in known.items()]
    urgent = Exists(UrgentLot.objects.filter(line=OuterRef("line"), lot=OuterRef("lot")))
    rows = parts.filter(known[chosen][1]).annotate(urgent=urgent).order_by("-urgent", "received_at", "pk")
    rows = rows.select_related("line", "station", "lease__user").prefetch_related("photos")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    holders = names_for(caller(request), [part.lease.user for part in page if hasattr(part, "lease")])
    held = [(part, holders[part.lease.user_id] if hasattr(part, "lease") else "") for part in page]
    context = {
        "page_obj": page, "rows": held, "tiles": tiles, "chosen": chosen, "label": known[chosen][0], "now": now,
        "lines": lines, "lots": UrgentLot.objects.filter(line__in=lines).select_related("line"),
    }  # fmt: skip
    return render(request, "inspection/queue.html", context)


class LotForm(forms.Form):
    line = forms.SlugField(label=gettext_lazy("Line"), max_length=40)
    lot = forms.CharField(label=gettext_lazy("Lot"), max_length=80)


@needs(May.SUPERVISE)
@require_POST
def mark_lot_urgent(request: HttpRequest) -> HttpResponse:
    """Have a lot judged before all others of its line."""
    fields = checked(LotForm(request.POST))
    line = find_line(fields["line"], caller(request))
    urgent = actions.mark_lot_urgent(line=line, lot=fields["lot"], by=caller(request))
    messages.success(request, _("Lot {lot} of {line} comes first now.").format(lot=urgent.lot, line=line))
    return redirect("queue")


@needs(May.SUPERVISE)
@require_POST
def end_urgency(request: HttpRequest) -> HttpResponse:
    """Let a lot wait its turn again."""
    fields = checked(LotForm(request.POST))
    line = find_line(fields["line"], caller(request))
    actions.end_urgency(line=line, lot=fields["lot"], by=caller(request))
    messages.success(request, _("Lot {lot} of {line} waits its turn again.").format(lot=fields["lot"], line=line))
    return redirect("queue")


@needs(May.SUPERVISE)
@require_POST
def free_lease(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a part back from whoever holds it."""
    part = find_judged(caller(request), pk)
    actions.free_lease(inspection=part, by=caller(request))
    messages.success(request, _("Part {serial} is free: the next person may take it.").format(serial=part.serial))
    return redirect("queue")
