"""The pages of planned studies: their list, the plan in four steps, how far a study is, and what it came to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from inspection import actions
from inspection.figures_read import note_figures_read
from inspection.models import Line, Reference, Study, Where
from inspection.refusals import Refused
from inspection.roles import May, caller, needs
from inspection.seeds import ROUNDS, against_study
from shadow.gauge_page import sentence
from shadow.gauge_report import gauge_report
from shadow.gauges import find_study, line_asked, wanted_of
from shadow.persons import persons_of_study
from shadow.reference_pool import pool_rows, references_of
from shadow.study_page import standing_of
from shadow.study_plan import Draft, Plan, candidates, median_seconds, suggested
from shadow.views.filters import asked_params, query_of
from shadow.views.gauges import frame_of, results_of

PER_PAGE = 20
STEPS = ("parts", "inspectors", "rounds", "review")
KEPT = "study_drafts"  # in the session, by line


@needs(May.READ_EVIDENCE)
@require_safe
def studies(request: HttpRequest) -> HttpResponse:
    """The studies of a line, newest first."""
    line = line_asked(asked_params(request).get("line", ""), caller(request))
    rows = Study.objects.filter(line=line).select_related("by")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    standings = [standing_of(study, caller(request)) for study in page]
    return render(request, "shadow/studies.html", {
        **frame_of(request, line), "page_obj": page, "standings": standings,
    })  # fmt: skip


@needs(May.READ_EVIDENCE)
@require_safe
def study(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a study is, and what it came to."""
    found = find_study(pk, caller(request))
    report = gauge_report(wanted_of(found), caller(request))
    note_figures_read(of=persons_of_study(report, found), where=Where.STUDY, line=found.line, by=caller(request))
    return render(request, "shadow/study.html", {
        **frame_of(request, found.line), **results_of(report), "standing": standing_of(found, caller(request)),
        "sentence": sentence(report), "export": reverse("api_study", args=[found.pk]),
    })  # fmt: skip


@needs(May.SUPERVISE)
@require_POST
def close_study(request: HttpRequest, pk: int) -> HttpResponse:
    """End a study: what was answered stays."""
    closed = actions.close_study(study=find_study(pk, caller(request)), by=caller(request))
    messages.success(request, _("{name} is closed. What was answered stays.").format(name=closed.name))
    return redirect("study", pk)


# ---- The plan


@needs(May.SUPERVISE)
@require_http_methods(["GET", "HEAD", "POST"])
def plan_study(request: HttpRequest) -> HttpResponse:
    """Plan a study in four steps, each a form of its own; the last one starts it."""
    line = line_asked(request.POST.get("line") or asked_params(request).get("line", ""), caller(request))
    step = request.POST.get("step") or request.GET.get("step") or STEPS[0]
    step = step if step in STEPS else STEPS[0]
    if request.method != "POST":
        return _step(request, line, step, _draft(request, line))
    return _take(request, line, step)


def _take(request: HttpRequest, line: Line, step: str) -> HttpResponse:
    """Keep what a step was answered with and go on to the next one, or say what is wrong with it."""
    draft = _answered(request, line, step, _draft(request, line))
    request.session[KEPT] = {**request.session.get(KEPT, {}), line.slug: draft.to_session()}
    if step == "review":
        return _start(request, line, draft)
    if reasons := _against(line, step, draft):
        return _step(request, line, step, draft, reasons=reasons)
    following = STEPS[STEPS.index(step) + 1]
    return redirect(f"{reverse('plan_study')}?{query_of({'line': line.slug, 'step': following})}")


def _start(request: HttpRequest, line: Line, draft: Draft) -> HttpResponse:
    plan = _plan(request, line, draft)
    try:
        started = actions.start_study(
            line=line, name=plan.name, references=[row.reference for row in plan.rows],
            inspectors=[one.person for one in plan.people], rounds=plan.rounds, by=caller(request),
        )  # fmt: skip
    except Refused as refusal:
        return _step(request, line, "review", draft, reasons=refusal.reasons)
    kept = request.session.get(KEPT, {})
    request.session[KEPT] = {slug: other for slug, other in kept.items() if slug != line.slug}
    words = _("{name} has begun: its parts come to the inspectors among the others.")
    messages.success(request, words.format(name=started.name))
    return redirect("study", started.pk)


def _draft(request: HttpRequest, line: Line) -> Draft:
    kept = request.session.get(KEPT, {}).get(line.slug)
    return Draft.from_session(kept) if kept else Draft(name=_name_for(line))


def _name_for(line: Line) -> str:
    month = date_format(timezone.now().astimezone(line.zone), "F Y")
    return _("{line}, {month}").format(line=line.name, month=month)[:80]


def _answered(request: HttpRequest, line: Line, step: str, draft: Draft) -> Draft:
    """The draft with what this step's form says."""
    sent = request.POST
    if step == "parts":
        return replace(draft, references=_numbers(sent.getlist("part")))
    if step == "inspectors":
        return replace(draft, inspectors=_numbers(sent.getlist("inspector")))
    if step == "rounds":
        rounds = sent.get("rounds", "")
        number = int(rounds) if rounds in map(str, ROUNDS) else 0
        return replace(draft, rounds=number, name=sent.get("name", "").strip()[:80])
    return draft


def _numbers(texts: Sequence[str]) -> list[int]:
    return [int(text) for text in texts if text.isdecimal() and len(text) < 19]


def _against(line: Line, step: str, draft: Draft) -> list[str]:
    """Why the plan cannot go on from this step; what the other steps are asked for counts as given."""
    asked: dict[str, Any] = {"name": "study", "rounds": ROUNDS[-1], "truths": ["ok", "scratched"] * 10, "inspectors": 2}
    if step == "parts":
        chosen = _in_use(line).filter(pk__in=draft.references or [])
        asked["truths"] = list(chosen.order_by().values_list("truth", flat=True))
    if step == "inspectors":
        asked["inspectors"] = len(draft.inspectors)
    if step == "rounds":
        asked |= {"name": draft.name, "rounds": draft.rounds}
    return against_study(**asked, cannot=[], know=[])


def _in_use(line: Line):
    return references_of(line).filter(retired_at=None)


def _step(
    request: HttpRequest, line: Line, step: str, draft: Draft, *, reasons: Sequence[str] = ()
) -> HttpResponse:  # fmt: skip
    place = STEPS.index(step)
    steps = [
        (name, f"?{query_of({'line': line.slug, 'step': name})}", number < place, name == step)
        for number, name in enumerate(STEPS)
    ]
    return render(request, "shadow/study_new.html", {
        **frame_of(request, line), "step": step, "steps": steps, "draft": draft, "reasons": reasons,
        "back": steps[place - 1][1] if place else "", **FIELDS[step](request, line, draft),
    }, status=400 if reasons else 200)  # fmt: skip


def _parts(request: HttpRequest, line: Line, draft: Draft) -> dict[str, Any]:
    rows = pool_rows(line, list(_in_use(line)))
    everything, proposed = [row.reference.pk for row in rows], suggested(rows)
    chosen = draft.references if draft.references is not None else proposed
    chosen = {"all": everything, "none": [], "suggested": proposed}.get(request.GET.get("choose", ""), chosen)
    ways = (("suggested", _("Suggested")), ("all", _("All")), ("none", _("None")))
    query = {"line": line.slug, "step": "parts"}
    return {
        "rows": sorted(rows, key=lambda row: (not row.scratched, -row.borderline, row.reference.inspection.serial)),
        "chosen": set(chosen), "ways": [(words, f"?{query_of(query, choose=way)}") for way, words in ways],
        "counts": {
            "chosen": len(set(chosen) & {*everything}),
            "scratched": sum(row.scratched for row in rows if row.reference.pk in set(chosen)),
            "pool": len(rows), "pool_scratched": sum(row.scratched for row in rows),
        },
        "blocked": against_study(
            name="study", rounds=1, truths=[row.reference.truth for row in rows], inspectors=2, cannot=[], know=[]
        ),
    }  # fmt: skip


def _people(request: HttpRequest, line: Line, draft: Draft) -> dict[str, Any]:
    people = candidates(line, caller(request), list(_in_use(line).filter(pk__in=draft.references or [])))
    can = [one for one in people if not one.knows]
    blocked = (
        [] if can else [_("Nobody can take part: an inspector of the line who knows none of the parts is needed.")]
    )
    return {"people": people, "chosen": set(draft.inspectors), "blocked": blocked}


def _rounds(request: HttpRequest, line: Line, draft: Draft) -> dict[str, Any]:
    return {"choices": ROUNDS, "plan": _plan(request, line, draft)}


def _review(request: HttpRequest, line: Line, draft: Draft) -> dict[str, Any]:
    plan = _plan(request, line, draft)
    return {"plan": plan, "blocked": plan.reasons}


FIELDS = {"parts": _parts, "inspectors": _people, "rounds": _rounds, "review": _review}


def _plan(request: HttpRequest, line: Line, draft: Draft) -> Plan:
    chosen: list[Reference] = list(_in_use(line).filter(pk__in=draft.references or []))
    people = [one for one in candidates(line, caller(request), chosen) if one.person.pk in set(draft.inspectors)]
    seconds = median_seconds(line, [one.person for one in people])
    return Plan(draft.name, tuple(pool_rows(line, chosen)), tuple(people), draft.rounds, seconds)
