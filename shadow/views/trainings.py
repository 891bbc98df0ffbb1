"""The pages of a line's trainings: start one, watch it, read what came of it, and say when they begin by themselves."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inspection.actions.intake import find_line
from inspection.models import Disposition, Line
from inspection.refusals import BadInput, Refused
from inspection.roles import May, caller, may, needs
from shadow import actions
from shadow.actions.training import alarm_is_of, name_for
from shadow.models import Every, ModelVersion, TrainingRun, VersionKind, live_version, training_policy
from shadow.schedules import next_training
from shadow.training_options import EPOCHS, FROM_CHANCE, RENDERINGS
from shadow.training_page import find_training, progress_of, replay_words, report_of, took

PER_PAGE = 30
LONGEST = 9  # digits of a number


@needs(May.READ_EVIDENCE)
@require_safe
def trainings(request: HttpRequest, line: str) -> HttpResponse:
    """The trainings of a line, newest first, and when they begin by themselves."""
    return _list(request, find_line(line, caller(request)))


def _list(request: HttpRequest, line: Line, refusal: Refused | None = None) -> HttpResponse:
    runs = TrainingRun.objects.filter(line=line).select_related("version", "snapshot").defer("version__card")
    page = Paginator(runs, PER_PAGE).get_page(request.GET.get("page"))
    user = caller(request)
    context = {
        "line": line, "page_obj": page, "rows": [(run, took(run)) for run in page], "policy": training_policy(line),
        "next_training": next_training(line), "periods": Every.choices, "live": live_version(line), "refusal": refusal,
        "under_way": TrainingRun.objects.under_way().filter(line=line).first(),
        "may_supervise": may(user, May.SUPERVISE), "may_propose": may(user, May.PROPOSE),
    }  # fmt: skip
    return render(request, "shadow/trainings.html", context, status=refusal.status if refusal else 200)


@needs(May.SUPERVISE)
def start_training(request: HttpRequest, line: str) -> HttpResponse:
    """Say why a version is trained, and start it; from an alarm (`?alarm=`) its number stands with the reason."""
    found = find_line(line, caller(request))
    if request.method != "POST":
        return _form(request, found)
    sent = request.POST
    try:
        run = actions.start_training(
            line=found, by=caller(request), reason=sent.get("reason", ""), name=sent.get("name", ""),
            alarm=_number(sent, "alarm", None), start=sent.get("start", ""), epochs=_number(sent, "epochs", EPOCHS) or 0,
            renderings=_number(sent, "renderings", RENDERINGS) or 0, seed=_number(sent, "seed", 0) or 0,
        )  # fmt: skip
    except Refused as refusal:
        return _form(request, found, refusal)
    messages.success(request, _("{name} is next for the worker that trains.").format(name=run.name))
    return redirect("training", found.slug, run.pk)


def _number(sent: Any, name: str, default: int | None) -> int | None:
    """A whole number of the form; empty: the default. Raises BadInput."""
    text = sent.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or len(text) > LONGEST:
        raise BadInput(_("'{name}' is a whole number.").format(name=name))
    return int(text)


def _form(request: HttpRequest, line: Line, refusal: Refused | None = None) -> HttpResponse:
    asked = request.POST or request.GET
    alarm = asked.get("alarm", "")
    of_line = alarm.isdecimal() and len(alarm) <= LONGEST and alarm_is_of(line, int(alarm))
    judged = Disposition.objects.filter(inspection__line=line, by_machine=False)
    context = {
        "line": line, "refusal": refusal, "asked": asked, "alarm": alarm if of_line else "", "chance": FROM_CHANCE,
        "suggested": name_for(line, timezone.now()), "versions": ModelVersion.objects.filter(kind=VersionKind.TRAINED).defer("card"),
        "epochs": EPOCHS, "renderings": RENDERINGS, "judged": judged.values("inspection").distinct().count(),
        "under_way": TrainingRun.objects.under_way().filter(line=line).first(),
        "last": TrainingRun.objects.filter(line=line).first(),
    }  # fmt: skip
    return render(request, "shadow/training_new.html", context, status=refusal.status if refusal else 200)


@needs(May.READ_EVIDENCE)
@require_safe
def training(request: HttpRequest, line: str, pk: int) -> HttpResponse:
    """One training: how far it is, and what came of it beside the live version."""
    return _page(request, line, pk)


def _page(request: HttpRequest, slug: str, pk: int, refusal: Refused | None = None) -> HttpResponse:
    user = caller(request)
    line = find_line(slug, user)
    run = find_training(pk, user, line)
    report = report_of(run)
    told = report.versions if report else ()
    context = {
        "line": line, "run": run, "progress": progress_of(run), "report": report, "took": took(run), "refusal": refusal,
        "replay": replay_words(report.replay, told[0], told[1]) if report and report.replay and len(told) > 1 else "",
        "may_supervise": may(user, May.SUPERVISE), "may_propose": may(user, May.PROPOSE),
    }  # fmt: skip
    return render(request, "shadow/training.html", context, status=refusal.status if refusal else 200)


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
def training_progress(request: HttpRequest, line: str, pk: int) -> HttpResponse:
    """How far it is, alone, which the page asks for again every few seconds."""
    found = find_line(line, caller(request))
    run = find_training(pk, caller(request), found)
    context = {"line": found, "run": run, "progress": progress_of(run), "took": took(run)}
    return render(request, "shadow/_training_progress.html", context)


@needs(May.SUPERVISE)
@require_POST
def cancel_training(request: HttpRequest, line: str, pk: int) -> HttpResponse:
    """End it; its worker lets go of it within seconds."""

    def act(run: TrainingRun) -> str:
        actions.cancel_training(run=run, by=caller(request))
        return _("{name} is cancelled. What it has learnt so far is kept.").format(name=run.name)

    return _on_training(request, line, pk, act)


@needs(May.SUPERVISE)
@require_POST
def resume_training(request: HttpRequest, line: str, pk: int) -> HttpResponse:
    """Let it go on from its last epoch."""

    def act(run: TrainingRun) -> str:
        actions.resume_training(run=run, by=caller(request))
        return _("{name} goes on from its last epoch.").format(name=run.name)

    return _on_training(request, line, pk, act)


@needs(May.PROPOSE)
@require_POST
def let_shadow(request: HttpRequest, line: str, pk: int) -> HttpResponse:
    """Let the version that came of it score the line's new parts, as a candidate."""

    def act(run: TrainingRun) -> str:
        actions.let_shadow(run=run, by=caller(request), reason=request.POST.get("reason", ""))
        words = _("{version} shadows {line} from the next part on.")
        return words.format(version=run.version, line=run.line.name)

    return _on_training(request, line, pk, act)


def _on_training(request: HttpRequest, slug: str, pk: int, act: Callable[[TrainingRun], str]) -> HttpResponse:
    """Act and come back to the page with what happened, or with the refusal's reasons."""
    run = find_training(pk, caller(request), find_line(slug, caller(request)))
    try:
        messages.success(request, act(run))
    except Refused as refusal:
        return _page(request, slug, pk, refusal)
    return redirect("training", slug, pk)


@needs(May.PROPOSE)
@require_POST
def set_training_policy(request: HttpRequest, line: str) -> HttpResponse:
    """Say when trainings of the line begin by themselves."""
    found = find_line(line, caller(request))
    try:
        policy = actions.set_training_policy(
            line=found, by=caller(request), reason=request.POST.get("reason", ""), every=request.POST.get("every", ""),
            on_alarm=request.POST.get("on_alarm") == "on",
        )  # fmt: skip
    except Refused as refusal:
        return _list(request, found, refusal)
    words = _("Trainings of {line} begin by themselves: {every}.")
    messages.success(request, words.format(line=found.name, every=policy.get_every_display().lower()))
    return redirect("trainings", found.slug)
