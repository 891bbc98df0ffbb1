"""The page of messages that were given up: why, send again, or drop with a reason."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from inspection.refusals import Refused
from inspection.roles import May, caller, needs
from inspection.setup_views import SECTIONS
from monitoring.actions import drop_dead_letter, send_dead_letters_again
from monitoring.channel_views import CHANNELS
from monitoring.dead_letters import dead_letters as find_dead_letters


@needs(May.SET_UP)
@require_safe
def dead_letters(request: HttpRequest) -> HttpResponse:
    """What was given up, of all channels, the latest first."""
    return render(request, "setup/dead_letters.html", {
        "section": CHANNELS, "sections": SECTIONS, "title": _("Messages that were given up"),
        "letters": find_dead_letters(),
    })  # fmt: skip


@needs(May.SET_UP)
@require_POST
def send_all(request: HttpRequest) -> HttpResponse:
    return _answered(request, send_dead_letters_again(by=caller(request)))


@needs(May.SET_UP)
@require_POST
def send_one(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    try:
        number = send_dead_letters_again(by=caller(request), kind=kind, pk=pk)
    except Refused as refusal:
        return _refused(request, refusal)
    return _answered(request, number)


@needs(May.SET_UP)
@require_POST
def drop(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Drop one, with the reason that was written."""
    try:
        drop_dead_letter(by=caller(request), kind=kind, pk=pk, reason=request.POST.get("reason", ""))
    except Refused as refusal:
        return _refused(request, refusal)
    messages.success(request, _("The message is dropped. The audit trail holds it and the reason."))
    return redirect("dead_letters")


def _answered(request: HttpRequest, number: int) -> HttpResponse:
    words = ngettext("{n} message is tried again now.", "{n} messages are tried again now.", number)
    messages.success(request, words.format(n=number))
    return redirect("dead_letters")


def _refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    messages.error(request, str(refusal))
    return redirect("dead_letters")
