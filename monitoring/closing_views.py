"""Closing an alarm: its cause, how the watch goes on, and what would have been with each way over the last 30 days."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inspection.refusals import BadInput
from inspection.roles import May, caller, needs
from monitoring.actions import policy_of
from monitoring.adapting import GOES_WITH, MEANS, Adapt, factors_after, streams_moved
from monitoring.alarms import find_alarm
from monitoring.models import Cause, State
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
    cause = _cause(request)
    choices = [(way, None) for way in GOES_WITH[cause]] if streams_moved(alarm) else []
    return render(request, "monitoring/closing.html", {
        "alarm": alarm, "cause": cause, "means": MEANS[cause], "choices": choices, "policy": policy_of(alarm.line),
        "asks": bool(choices) and (len(choices) > 1 or choices[0][0] != Adapt.KEEP),
    })  # fmt: skip


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
        "factors": factors_after(policy, streams), "alarm": alarm, "policy": policy,
    })  # fmt: skip
