"""The line's page of automation, the forms that change it, and the advice beside a part that is being judged."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache

from automation import actions, policies, reports
from automation.charts import bound_chart, flow_band, running_bound, stretches
from automation.forms import AskedForm, PolicyForm, ProposalForm
from automation.gates import Gate, Limits, percent
from automation.levels import Level
from automation.models import Change, Policy
from automation.progress import Bar, bar_of, days_left
from automation.reports import Standing
from inspection.actions.intake import find_line
from inspection.models import Inspection, Line, Photo, User
from inspection.refusals import BadInput, Conflict, Refused, Unknown
from inspection.roles import May, caller, may, needs
from inspection.sight import find_judged
from shadow.actions import heat_map_png
from shadow.models import ModelVersion, Prediction

HEAT_MAP_SIDE = 960  # pixels of the longer side; the browser stretches it over the photo
FORECAST_DAYS = 365  # beyond it the pace of one week says nothing
LEVEL_WORDS = {
    Level.HUMAN_ONLY: gettext_lazy("People judge every part."),
    Level.SHADOW: gettext_lazy("The model answers beside people; nobody sees it."),
    Level.ASSIST: gettext_lazy("People judge every part, most with the model's advice."),
    Level.PARTIAL: gettext_lazy("The machine decides the clear parts, people the rest."),
    Level.FULL: gettext_lazy("The machine decides every part that it can score."),
}


@needs(May.READ_EVIDENCE)
def line_automation(request: HttpRequest, line: str) -> HttpResponse:
    return _page(request, find_line(line, caller(request)))


def _page(request: HttpRequest, line: Line, *, refusal: Refused | None = None) -> HttpResponse:
    """The page; with a refusal its reasons stand on top, in the words and with the status of the API's answer."""
    standing = reports.standing(line, **_asked(request))
    edited = request.POST if refusal and "quorum" in request.POST else None  # the policy's form was refused
    flow = reports.flow(line)
    context = {
        "standing": standing,
        "line": line,
        "refusal": refusal,
        "typed_reason": request.POST.get("reason", "") if refusal else "",
        "ladder": [(level, LEVEL_WORDS[level], level.rank < standing.level.rank) for level in Level],
        "level_words": LEVEL_WORDS[standing.level],
        "next_words": LEVEL_WORDS[standing.next_level] if standing.next_level else "",
        "rows": _rows(standing),
        "met": sum(gate.met for gate in standing.gates),
        "blocked": _blocked(standing),
        "choices": _choices(standing),
        "lower_levels": [level for level in reversed(Level) if level.rank < standing.level.rank],
        "versions": list(ModelVersion.objects.all()),
        "policies": list(Policy.objects.filter(line=line).select_related("version", "change__by")),
        "policy_form": PolicyForm(standing.policy, edited),
        "approval": _approval(standing, caller(request)),
        "ramp": {name: percent(standing.canary[name]) for name in ("share", "audit_share")},
        "flow": flow,
        "stretches": [(stretch, percent(stretch.share)) for stretch in stretches(flow)],
        "reasons": flow.reasons.most_common(6),
        "band": flow_band(flow),
        "bound": _bound(standing),
        "may_propose": may(caller(request), May.PROPOSE),
    }
    return render(request, "automation/line_automation.html", context, status=refusal.status if refusal else 200)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """The version and the thresholds that the reader wants the gates judged for."""
    form = AskedForm(request.POST or request.GET)
    form.is_valid()  # nonsense is left out, as if not asked
    asked = form.cleaned_data
    version = ModelVersion.objects.filter(name=asked.get("model") or "").first()
    return {"version": version, "pass_below": asked.get("pass_below"), "reject_from": asked.get("reject_from")}


def _rows(standing: Standing) -> list[tuple[Gate, Bar | None, str]]:
    """The gates with their bars and the day on which they may be met; what is missing comes first."""
    now, pace = timezone.now().astimezone(standing.line.zone), reports.blind_pace(standing.line)

    def day(gate: Gate) -> str:
        days = days_left(gate, pace)
        if days is None or days > FORECAST_DAYS:
            return ""
        return f"about {now + timedelta(days=days):%-d %b}, at {pace:,.0f} a day"

    return [(gate, bar_of(gate), day(gate)) for gate in sorted(standing.gates, key=lambda gate: gate.met)]


def _blocked(standing: Standing) -> str:
    """Why the line cannot be raised now; empty: it can."""
    if standing.pending:
        return "A change of this line awaits approval."
    return next((gate.reason for gate in standing.gates if not gate.met), "")


def _choices(standing: Standing) -> dict[str, Any]:
    """What a step up may choose: the version from human only on, thresholds where the machine is to decide."""
    upper, version = standing.next_level, standing.version
    return {
        "version": standing.level is Level.HUMAN_ONLY,
        "thresholds": version.thresholds if version and upper and upper.machine_decides else [],
        "one_threshold": upper is Level.FULL,
        **_bars(standing),
    }


def _bars(standing: Standing) -> dict[str, float | None]:
    """The thresholds that the gates on the page were judged for."""
    figures = next((gate.figures for gate in standing.gates if gate.name == "thresholds"), {})
    return {name: figures.get(name) for name in ("pass_below", "reject_from")}


def _approval(standing: Standing, user: User) -> dict[str, Any] | None:
    """The change that awaits a second person, who has agreed so far, and whether this reader may."""
    change = standing.pending
    if change is None:
        return None
    agreed = [change.by, *(approval.by for approval in change.approvals.select_related("by"))]
    return {"change": change, "agreed": agreed, "allowed": user not in agreed, "level": Level(change.proposed["level"])}


def _bound(standing: Standing) -> dict[str, Any] | None:
    """The running bound at the threshold that passes parts, or that would at the next step."""
    version = standing.version
    if version is None or not version.thresholds:
        return None
    certificate = next((gate.figures for gate in standing.gates if gate.name == "certificate"), {})
    at = certificate.get("tested") or _bars(standing)["pass_below"] or version.thresholds[0]
    limits = Limits.from_json(standing.policy.limits)
    alpha, delta = certificate.get("alpha", limits.alpha), certificate.get("delta", limits.delta)
    looks = running_bound(standing.facts, at, delta)
    if not looks:
        return None
    share, limit = (percent(value).replace(" ", "\u00a0") for value in (looks[-1].bound, alpha))
    chart = bound_chart(looks, alpha, certificate.get("more"))
    return {"at": at, "last": looks[-1], "share": share, "limit": limit, "chart": chart}


def _carry_out(request: HttpRequest, slug: str, act: Callable[[Line], str]) -> HttpResponse:
    """Act on the line and come back to its page with what happened, or with the refusal's reasons."""
    line = find_line(slug, caller(request))
    if request.method == "POST":
        try:
            messages.success(request, act(line))
        except Refused as refusal:
            return _page(request, line, refusal=refusal)
    return redirect("line_automation", line.slug)


def _outcome_of(change: Change) -> str:
    """What became of a proposal, as a sentence."""
    applied = change.policies.first()
    if applied is None:
        missing = change.quorum - 1 - change.approvals.count()
        words = ngettext(
            "Proposed. {n} more person has to approve before it holds.",
            "Proposed. {n} more people have to approve before it holds.",
            missing,
        )
        return words.format(n=missing)
    words = _("{line} is at {level}, by policy {number}.")
    return words.format(line=change.line.name, level=applied.get_level_display(), number=applied.number)


@needs(May.PROPOSE)
def propose_change(request: HttpRequest, line: str) -> HttpResponse:
    """Raise, lower, or switch the live version."""

    def act(line: Line) -> str:
        form = ProposalForm(request.POST)
        if not form.is_valid():
            raise BadInput(_("A threshold is a score from 0 to 1. Choose one of the version's own."))
        return _outcome_of(actions.propose_change(line=line, by=caller(request), **form.proposal()))

    return _carry_out(request, line, act)


@needs(May.PROPOSE)
def edit_policy(request: HttpRequest, line: str) -> HttpResponse:
    """Change shares, times, quorum or limits."""

    def act(line: Line) -> str:
        changes = PolicyForm(policies.in_force(line), request.POST).changes()
        reason = request.POST.get("reason", "")
        return _outcome_of(actions.propose_change(line=line, by=caller(request), policy=changes, reason=reason))

    return _carry_out(request, line, act)


@needs(May.SUPERVISE)
def approve_change(request: HttpRequest, line: str) -> HttpResponse:
    def act(line: Line) -> str:
        change = policies.pending_change(line)
        if change is None or str(change.pk) != request.POST.get("change", ""):
            words = _("The change that you read of {line} no longer awaits approval. See what does now.")
            raise Conflict(words.format(line=line.name))
        remark = request.POST.get("reason", "")
        return _outcome_of(actions.approve_change(change=change, by=caller(request), reason=remark))

    return _carry_out(request, line, act)


@needs(May.SUPERVISE)
def halt_line(request: HttpRequest, line: str) -> HttpResponse:
    """Halt the line, or resume what is halted: the line, or the factory where that was halted."""

    def act(line: Line) -> str:
        on = request.POST.get("on", "yes") == "yes"
        whole = not on and request.POST.get("scope") == "factory"
        actions.set_halt(line=None if whole else line, on=on, by=caller(request), reason=request.POST.get("reason", ""))
        if on:
            return _("{line} is halted. People judge every part.").format(line=line.name)
        return _("The factory runs again.") if whole else _("{line} runs again.").format(line=line.name)

    return _carry_out(request, line, act)


@needs(May.PROPOSE)
def roll_back(request: HttpRequest, line: str) -> HttpResponse:
    def act(line: Line) -> str:
        to = request.POST.get("to", "")
        if to and not to.isdecimal():
            raise BadInput(_("Roll back to a policy's number."))
        policy = actions.roll_back(
            line=line, by=caller(request), reason=request.POST.get("reason", ""), to=int(to) if to else None
        )
        words = _("Rolled back: {line} is at {level}, by policy {number}.")
        return words.format(line=line.name, level=policy.get_level_display(), number=policy.number)

    return _carry_out(request, line, act)


@never_cache
@needs(May.JUDGE)
def advice_fragment(request: HttpRequest, pk: int) -> HttpResponse:
    """The model's part of the inspector's page: a line of HTML, or 204 where nothing of it may be shown."""
    part = find_judged(caller(request), pk)
    prediction = actions.serve_advice(inspection=part, user=caller(request), where="advice")
    if prediction is None:
        return HttpResponse(status=204)
    context = {
        "prediction": prediction,
        "heat_map": hasattr(prediction, "heat_map"),
        "views": [_view(part, photo, prediction) for photo in part.photos.all()],
    }
    return render(request, "automation/_advice.html", context)


def _view(part: Inspection, photo: Photo, prediction: Prediction) -> dict[str, Any]:
    """One view with the model's marks in its pixels, and where its heat map is."""
    boxes = [(mark["box"], mark["score"]) for mark in prediction.marks if mark["photo"] == photo.position]
    marks = [
        {
            "x": x * photo.width,
            "y": y * photo.height,
            "width": w * photo.width,
            "height": h * photo.height,
            "score": score,
        }
        for (x, y, w, h), score in boxes
    ]
    heat_map = reverse("advice_heat_map", args=[part.pk, photo.position])
    return {"number": photo.position + 1, "photo": photo, "marks": marks, "heat_map": heat_map}


@never_cache
@needs(May.JUDGE)
def advice_heat_map(request: HttpRequest, pk: int, position: int) -> HttpResponse:
    """Where the model looked on one photo, to be laid over it; under the same rule as the advice."""
    part = find_judged(caller(request), pk)
    photo = part.photos.filter(position=position).first()
    if photo is None:
        raise Unknown(f"Part {part.serial} has no photo {position + 1}.")
    prediction = actions.serve_advice(inspection=part, user=caller(request), where="heat map")
    if prediction is None or not hasattr(prediction, "heat_map"):
        return HttpResponse(status=204)
    scale = min(1.0, HEAT_MAP_SIDE / max(photo.width, photo.height))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return HttpResponse(heat_map_png(prediction, position, size), content_type="image/png")
