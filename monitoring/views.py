"""The alarms' page: what moved, who is on it, and what it turned out to be."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from inspection.models import Line
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, caller, needs
from monitoring.actions import acknowledge_alarm, close_alarm
from monitoring.alarms import alarms_of, find_alarm, rows_of, sentence

CLOSED_SHOWN = 50


@needs(May.READ_EVIDENCE)
@require_safe
def alarms(request: HttpRequest) -> HttpResponse:
    """Open alarms first, then the latest that were closed."""
    line = request.GET.get("line", "")
    open_now = rows_of(alarms_of(caller(request), line=line, state="open"))
    closed = rows_of(alarms_of(caller(request), line=line, state="closed")[:CLOSED_SHOWN])
    return render(request, "monitoring/alarms.html", {
        "sentence": sentence(open_now), "open": open_now, "closed": closed, "asked": line,
        "lines": Line.objects.for_user(caller(request)),
    })  # fmt: skip


@needs(May.SUPERVISE)
@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that one is on it."""
    by = caller(request)
    acknowledge_alarm(alarm=find_alarm(pk, by), by=by, comment=request.POST.get("comment", ""))
    messages.success(request, _("Acknowledged: the others see that you are on it."))
    return _back(request)


@needs(May.SUPERVISE)
@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an alarm with what was found."""
    by = caller(request)
    try:
        close_alarm(alarm=find_alarm(pk, by), by=by, comment=request.POST.get("comment", ""))
        messages.success(request, _("The alarm is closed."))
    except (BadInput, Conflict) as refusal:
        messages.error(request, str(refusal))
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    where = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(where, allowed_hosts={request.get_host()})
    return redirect(where if safe else reverse("alarms"))
