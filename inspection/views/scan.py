"""A serial from a barcode scanner or a plain box: the part opens to be judged, or its history does."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from inspection import actions
from inspection.models import Inspection, Lease, Line, User
from inspection.roles import May, caller, judges_blind, needs
from inspection.sight import readable
from inspection.views.parts import latest


class SerialForm(forms.Form):
    serial = forms.CharField(max_length=120)


@never_cache
@needs(May.JUDGE)
@require_http_methods(["GET", "HEAD", "POST"])
def scan(request: HttpRequest) -> HttpResponse:
    """Open the part that waits for this person; else the history of one that they may read; else say that there is none.

    The address of a page that found nothing may be reloaded: it leads back to the box.
    """
    if request.method != "POST":
        return redirect("parts")
    by, form = caller(request), SerialForm(request.POST)
    if form.is_valid():
        serial = form.cleaned_data["serial"]
        if lease := _taken(serial, by):
            room = reverse("inspect", args=[lease.inspection.line.slug])
            return redirect(f"{room}?part={lease.inspection_id}")
        if readable(by).filter(serial=serial).exists():
            return redirect("part_history", serial=serial)
    asked = request.POST.get("serial", "").strip()
    said = _none(by).format(serial=asked) if asked else _("Scan or type a serial.")
    context = {"asked": asked, "said": said, **latest(request)}
    return render(request, "inspection/parts.html", context, status=404)


def _taken(serial: str, by: User) -> Lease | None:
    """The person's lease on the part: the one they hold, or a new one on whichever of their lines it waits for them."""
    waiting = Inspection.objects.open().filter(serial=serial).values("line")
    for line in Line.objects.for_user(by).filter(pk__in=waiting):
        if lease := actions.claim(line=line, by=by, serial=serial):
            return lease
    return None


def _none(by: User) -> str:
    if judges_blind(by):
        return _("No part {serial} waits for you, and none that you judged has this serial.")
    return _("There is no part {serial} on your lines.")
