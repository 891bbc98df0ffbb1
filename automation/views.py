"""The line's page of automation, the forms that change it, and the advice beside a part that is being judged."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from automation import actions, policies, reports
from automation.audit_report import audit_report, risk_words
from automation.blue_green import registered, versions_of
from automation.certificates import certificate_in_force, certificate_json, signatures
from automation.edge_page import edge_page
from automation.flow_page import flow_page
from automation.forms import AskedForm, PolicyForm, ProposalForm, RampForm
from automation.gates import percent
from automation.levels import Level
from automation.line_page import (
    HISTORY,
    LEVEL_WORDS,
    approval_of,
    blocked,
    bound_of,
    changed_meanwhile,
    choices,
    history_of,
    is_lowered_for,
    next_step,
    proven,
    ramp_page,
    voids_of,
)
from automation.models import Change, Policy
from inspection import actions as floor
from inspection.actions.halting import find_halt_request
from inspection.actions.intake import find_line
from inspection.models import Inspection, Line, Photo
from inspection.reasons import must_be_words
from inspection.refusals import BadInput, Conflict, Refused, Unknown
from inspection.roles import May, caller, may, needs
from inspection.sight import find_judged
from shadow.actions import heat_map_png
from shadow.models import ModelVersion, Prediction

HEAT_MAP_SIDE = 960  # pixels of the longer side; the browser stretches it over the photo


@needs(May.READ_EVIDENCE)
def line_automation(request: HttpRequest, line: str) -> HttpResponse:
    return _page(request, find_line(line, caller(request)))


def _page(request: HttpRequest, line: Line, *, refusal: Refused | None = None) -> HttpResponse:
    """The page; with a refusal its reasons stand on top, in the words and with the status of the API's answer."""
    now, user = timezone.now(), caller(request)
    standing = reports.standing(line, now=now, **_asked(request))
    edited = refusal is not None and "quorum" in request.POST  # the policy's form was refused
    approval = approval_of(standing, user, now)
    older = "history" in request.GET
    history = history_of(line, None if older else HISTORY + 1)
    voids = voids_of(line)
    void = next((row for row in reversed(voids) if row.version_id == standing.policy.version_id), None)
    certificate, ramp = certificate_in_force(standing.policy), ramp_page(standing, now, history)
    context = {
        "standing": standing,
        "line": line,
        "refusal": refusal,
        "refused": request.resolver_match.url_name if refusal and request.resolver_match else "",
        "typed_reason": request.POST.get("reason", "") if refusal else "",
        "ladder": [(level, LEVEL_WORDS[level], level.rank < standing.level.rank) for level in reversed(Level)],
        "next": None if approval else next_step(standing, now),
        "blocked": blocked(standing),
        "choices": choices(standing),
        "lower_levels": [level for level in reversed(Level) if level.rank < standing.level.rank],
        "versions": registered(),
        "blue_green": versions_of(line, standing, now=now),
        "approval": approval,
        "policies": history if older else history[:HISTORY],
        "older": len(history) > HISTORY and not older,
        "policy_form": _policy_form(standing.policy, request if edited else None),
        "risk": risk_words(standing.limits.alpha, policies.shares_of(standing.policy)[1]),
        "ramp_share": percent(standing.canary["share"]) if standing.canary["share"] < 1 else "",
        "ramp": ramp,
        "on_its_way": ramp is not None and not ramp.last and standing.next_level is not None and not approval,
        "audits": audit_report(standing, now=now),
        "page": flow_page(line, standing.level, now=now, lately=standing.lately),
        "bound": bound_of(standing, approval.gates if approval and approval.gates else standing.gates),
        "edge": edge_page(line, standing.policy),
        "certificate": certificate,
        "proven": proven(certificate),
        "voids": voids,
        "void": void,
        "lowered": is_lowered_for(standing.policy, void),
        "signatures": signatures(certificate.change) if certificate else [],
        "signed": standing.policy.signed,
        "may_propose": may(user, May.PROPOSE),
        "may_supervise": may(user, May.SUPERVISE),
        "may_halt_factory": actions.may_halt_factory(user),
    }
    return render(request, "automation/line_automation.html", context, status=refusal.status if refusal else 200)


def _policy_form(policy: Policy, refused: HttpRequest | None) -> PolicyForm:
    """The form of a policy; of a refused one what was typed stands in it, over the policy that is in force by now."""
    if refused is None:
        return PolicyForm(policy)
    read = policy_read(refused, policy)
    return PolicyForm(policy, PolicyForm(read, refused.POST).onto(policy))


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
def line_flow(request: HttpRequest, line: str) -> HttpResponse:
    """The flow alone, which the page asks for again every few seconds."""
    found = find_line(line, caller(request))
    level = Level(policies.in_force(found).level)
    context = {"page": flow_page(found, level, now=timezone.now()), "line": found}
    return render(request, "automation/_flow.html", context)


@needs(May.READ_EVIDENCE)
@require_safe
def certificate_file(request: HttpRequest, line: str, change: int) -> HttpResponse:
    """The certificate of a change, as it is kept."""
    found = find_line(line, caller(request))
    row = Change.objects.filter(line=found, pk=change).select_related("line", "by").first()
    if row is None or not row.certificate.get("gates"):
        raise Unknown(_("{line} has no certificate {number}.").format(line=found.name, number=change))
    name = f"certificate-{found.slug}-{row.pk}.json"
    answer = JsonResponse(certificate_json(row), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _asked(request: HttpRequest) -> dict[str, Any]:
    """The version and the thresholds that the reader wants the gates judged for."""
    form = AskedForm(request.POST or request.GET)
    form.is_valid()  # nonsense is left out, as if not asked
    asked = form.cleaned_data
    name = asked.get("model")
    version = ModelVersion.objects.filter(name=name).first() if name else None
    return {"version": version, "pass_below": asked.get("pass_below"), "reject_from": asked.get("reject_from")}


def carry_out(request: HttpRequest, slug: str, act: Callable[[Line], str]) -> HttpResponse:
    """Act on the line and come back to its page with what happened, or with the refusal's reasons."""
    line = find_line(slug, caller(request))
    if request.method == "POST":
        try:
            for name, text in request.POST.items():
                must_be_words("" if name == "password" else str(text))
            messages.success(request, act(line))
        except Refused as refusal:
            return _page(request, line, refusal=refusal)
    return redirect("line_automation", line.slug)


def seen_of(request: HttpRequest) -> int | None:
    """The number of the policy that the page showed; without one the person says that they have read none."""
    seen = request.POST.get("seen", "")
    return int(seen) if seen.isdecimal() and len(seen) < 10 else None


def policy_read(request: HttpRequest, current: Policy) -> Policy:
    """The policy that the page showed; the one in force, if it is unknown."""
    seen = seen_of(request)
    return (seen is not None and policies.of_number(current.line, seen)) or current


def password_of(request: HttpRequest) -> str:
    return str(request.POST.get("password", ""))


def outcome_of(change: Change) -> str:
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


@sensitive_post_parameters("password")
@needs(May.PROPOSE)
def propose_change(request: HttpRequest, line: str) -> HttpResponse:
    """Raise, lower, or switch the live version."""

    def act(line: Line) -> str:
        form = ProposalForm(request.POST)
        if not form.is_valid():
            raise BadInput(_("A threshold is a score from 0 to 1. Choose one of the version's own."))
        sent = form.proposal() | {"password": password_of(request)}
        return outcome_of(actions.propose_change(line=line, by=caller(request), **sent))

    return carry_out(request, line, act)


@sensitive_post_parameters("password")
@needs(May.PROPOSE)
def edit_policy(request: HttpRequest, line: str) -> HttpResponse:
    """Change shares, times, quorum or limits of the policy that the form was made from, if it is still in force."""

    def act(line: Line) -> str:
        current = policies.in_force(line)
        read = policy_read(request, current)
        if read.number != current.number:
            raise Conflict(*changed_meanwhile(read, current))
        return outcome_of(
            actions.propose_change(
                line=line, by=caller(request), policy=PolicyForm(current, request.POST).changes(), seen=seen_of(request),
                reason=request.POST.get("reason", ""), password=password_of(request),
            )
        )  # fmt: skip

    return carry_out(request, line, act)


@sensitive_post_parameters("password")
@needs(May.SUPERVISE)
def approve_change(request: HttpRequest, line: str) -> HttpResponse:
    def act(line: Line) -> str:
        change = policies.pending_change(line)
        if change is None or str(change.pk) != request.POST.get("change", ""):
            words = _("The change that you read of {line} no longer awaits approval. See what does now.")
            raise Conflict(words.format(line=line.name))
        remark, password = request.POST.get("reason", ""), password_of(request)
        return outcome_of(actions.approve_change(change=change, by=caller(request), reason=remark, password=password))

    return carry_out(request, line, act)


@sensitive_post_parameters("password")
@needs(May.SUPERVISE)
def halt_line(request: HttpRequest, line: str) -> HttpResponse:
    """Halt the line or the whole factory, or resume it."""

    def act(line: Line) -> str:
        on = request.POST.get("on", "yes") == "yes"
        whole = request.POST.get("scope") == "factory"
        actions.set_halt(
            line=None if whole else line, on=on, by=caller(request), reason=request.POST.get("reason", ""),
            password=password_of(request),
        )  # fmt: skip
        if on and whole:
            return _("The whole factory is halted. People judge every part.")
        if on:
            return _("{line} is halted. People judge every part.").format(line=line.name)
        if whole and policies.halt_of(line):
            return _("The factory runs again. {line} stays halted by a halt of its own.").format(line=line.name)
        return _("The factory runs again.") if whole else _("{line} runs again.").format(line=line.name)

    return carry_out(request, line, act)


@needs(May.SUPERVISE)
def decline_halt(request: HttpRequest, line: str) -> HttpResponse:
    """Let the line go on though somebody asked to halt it."""

    def act(line: Line) -> str:
        number = request.POST.get("asked", "")
        asked = find_halt_request(int(number) if number.isdecimal() else 0, caller(request))
        floor.decline_halt(asked=asked, by=caller(request), reason=request.POST.get("reason", ""))
        return _("Declined: {line} goes on. Whoever asked reads why.").format(line=asked.line.name)

    return carry_out(request, line, act)


@needs(May.PROPOSE)
def roll_back(request: HttpRequest, line: str) -> HttpResponse:
    def act(line: Line) -> str:
        to = request.POST.get("to", "")
        if to and not to.isdecimal():
            raise BadInput(_("Roll back to a policy's number."))
        policy = actions.roll_back(
            line=line, by=caller(request), reason=request.POST.get("reason", ""), to=int(to) if to else None,
            seen=seen_of(request),
        )  # fmt: skip
        words = _("Rolled back: {line} is at {level}, by policy {number}.")
        return words.format(line=line.name, level=policy.get_level_display(), number=policy.number)

    return carry_out(request, line, act)


@sensitive_post_parameters("password")
@needs(May.SUPERVISE)
def move_ramp(request: HttpRequest, line: str) -> HttpResponse:
    """Hold the ramp, let it go on, or take it one step back."""

    def act(line: Line) -> str:
        form = RampForm(request.POST)
        if not form.is_valid():
            raise BadInput(_("Say what the ramp is to do: hold, go on or step back."))
        policy = actions.move_ramp(line=line, by=caller(request), password=password_of(request), **form.cleaned_data)
        share = percent(policies.shares_of(policy)[0])
        words = (
            _("The ramp of {line} waits at {share}.")
            if policy.ramp_held
            else _("The ramp of {line} goes on from {share}.")
        )
        return words.format(line=line.name, share=share)

    return carry_out(request, line, act)


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
