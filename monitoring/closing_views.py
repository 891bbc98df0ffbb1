"""Closing an alarm: its cause, how the watch goes on, and what would have been with each way over the last 30 days."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inspection.refusals import BadInput, Conflict, Refused
from inspection.roles import May, caller, needs
from monitoring.actions import close_alarm, policy_of
from monitoring.adapting import GOES_WITH, MEANS, Adapt, factors_after, streams_moved
from monitoring.alarms import find_alarm
from monitoring.forms import ClosingForm
from monitoring.models import Alarm, Cause, State
from monitoring.replaying import replay_of


def _cause(request: HttpRequest) -> Cause:
    asked = request.GET.get("cause", "")
    if asked not in Cause.values:
        raise BadInput(f"'cause' is {asked!r}. Allowed: {', '.join(Cause.values)}.")
    return Cause(asked)


@needs(May.SUPERVISE)
@require_safe
def closing(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks what was found, and for a cause with a choice how the watch goes on."""
    alarm = find_alarm(pk, caller(request))
    if alarm.state == State.CLOSED:
        return redirect("alarm", pk)
    return _page(request, alarm, _cause(request))


def _page(request: HttpRequest, alarm: Alarm, cause: Cause, refusal: Refused | None = None) -> HttpResponse:
    """The form; after a refusal with what was written, to be sent again."""
    choices = [(way, None) for way in GOES_WITH[cause]] if streams_moved(alarm) else []
    return render(request, "monitoring/closing.html", {
        "alarm": alarm, "cause": cause, "means": MEANS[cause], "choices": choices, "policy": policy_of(alarm.line),
        "asks": bool(choices) and (len(choices) > 1 or choices[0][0] != Adapt.KEEP), "refusal": refusal,
        "comment": request.POST.get("comment", ""), "chosen": request.POST.get("adapt", ""),
    }, status=refusal.status if refusal else 200)  # fmt: skip


@needs(May.SUPERVISE)
@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an alarm with what was found."""
    by, form = caller(request), ClosingForm(request.POST)
    alarm = find_alarm(pk, by)
    try:
        if not form.is_valid():
            raise BadInput(_("Choose the cause from the list."))
        close_alarm(alarm=alarm, by=by, **form.cleaned_data)
    except (BadInput, Conflict) as refusal:
        cause = request.POST.get("cause", "")
        if cause in Cause.values and find_alarm(pk, by).state != State.CLOSED:
            return _page(request, alarm, Cause(cause), refusal)
        messages.error(request, str(refusal))
        return redirect("alarm", pk)
    messages.success(request, _("The alarm is closed."))
    return redirect("alarms")


@never_cache
@needs(May.SUPERVISE)
@require_safe
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    """The same choices, each with what would have been: a fragment, for it goes through up to 30 days of parts."""
    alarm, cause = find_alarm(pk, caller(request)), _cause(request)
    policy = policy_of(alarm.line)  # before the replay: one written meanwhile is not the one that was replayed
    streams = streams_moved(alarm)
    found = replay_of(alarm, cause, now=timezone.now()) if streams else None
    choices = (
        [(choice.adapt, choice) for choice in found.choices] if found else [(way, None) for way in GOES_WITH[cause]]
    )
    return render(request, "monitoring/_choices.html", {
        "choices": choices if streams else [], "replay": found, "replayed": True, "zone": alarm.line.time_zone,
        "factors": factors_after(policy, streams), "alarm": alarm, "policy": policy, "chosen": request.GET.get("adapt", ""),
    })  # fmt: skip
