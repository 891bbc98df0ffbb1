"""What of an alarm's remedies changes who decides: lower the line, roll it back, halt it. A fragment of the alarm's page."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from automation import actions, policies
from automation.levels import Level
from automation.models import Policy
from automation.policies import halt_of
from automation.views import seen_of
from inspection.models import Line, User
from inspection.refusals import BadInput, Refused
from inspection.roles import May, caller, may, needs
from monitoring.actions import acknowledge_alarm
from monitoring.alarms import find_alarm
from monitoring.models import Alarm, Remedy


@dataclass(frozen=True)
class Remedies:
    """What may be done about a line now."""

    line: Line
    number: int  # of the policy in force
    level: Level
    lower: Level | None  # where a step down for an alarm leads
    earlier: Policy | None  # the last policy of another version
    halted: bool

    @property
    def any(self) -> bool:
        return bool(self.lower or self.earlier or not self.halted)


def remedies_of(line: Line) -> Remedies:
    policy = policies.in_force(line)
    level = Level(policy.level)
    earlier = Policy.objects.filter(line=line, number__lt=policy.number or 0).exclude(version=None)
    other = earlier.exclude(version=policy.version_id).select_related("version").order_by("number").last()
    return Remedies(line, policy.number, level, _down(level), other, halt_of(line) is not None)


def _down(level: Level) -> Level | None:
    """Where the machine decides people take over, helped by it; where it helps, it goes back into the shadow."""
    if level.machine_decides:
        return Level.ASSIST
    return Level.SHADOW if level == Level.ASSIST else None


@never_cache
@needs(May.SUPERVISE)
def alarm_remedies(request: HttpRequest, pk: int) -> HttpResponse:
    """The buttons, or what one of them does: then whoever pressed it is on the alarm, and the page is shown again."""
    by = caller(request)
    alarm = find_alarm(pk, by)
    if request.method == "POST":
        try:
            asked = request.POST.get("remedy", ""), request.POST.get("reason", "")
            done = _carry_out(alarm, *asked, by=by, seen=seen_of(request))
            messages.success(request, done)
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("alarm", pk)
    return render(request, "automation/_remedies.html", {
        "alarm": alarm, "remedies": remedies_of(alarm.line), "may_propose": may(by, May.PROPOSE),
        "suggested": alarm.remedy, "LOWER": Remedy.LOWER, "ROLL_BACK": Remedy.ROLL_BACK,
    })  # fmt: skip


def _carry_out(alarm: Alarm, remedy: str, reason: str, *, by: User, seen: int | None) -> str:
    """Do it on the alarm's line by the action that the line's page calls, and say what was done.

    `seen` is the policy that the buttons were made for: pressed twice, or after the line has fallen back by itself, they
    would go a step further than what they say.
    """
    line = alarm.line
    now = remedies_of(line)
    if remedy in (Remedy.LOWER, Remedy.ROLL_BACK):
        policies.must_be_as_read(line, policies.in_force(line), seen)
    reason = reason.strip() or f"alarm {alarm.pk}: {alarm.message}"
    if remedy == Remedy.LOWER and now.lower:
        actions.propose_change(line=line, by=by, level=now.lower, reason=reason, seen=seen)
        done = _("{line} is lowered to {level}.").format(line=line.name, level=now.lower.words)
    elif remedy == Remedy.ROLL_BACK and now.earlier:
        policy = actions.roll_back(line=line, by=by, reason=reason, to=now.earlier.number, seen=seen)
        done = _("{line} is back at {version}, at {level}.").format(
            line=line.name, version=policy.version, level=Level(policy.level).words
        )
    elif remedy == "halt" and not now.halted:
        actions.set_halt(line=line, on=True, by=by, reason=reason)
        done = _("{line} is halted. People judge every part.").format(line=line.name)
    else:
        raise BadInput(_("That is not possible any more: the line has changed since you read the page."))
    if alarm.state not in ("acknowledged", "closed"):
        acknowledge_alarm(alarm=alarm, by=by, comment=done)
    return done
