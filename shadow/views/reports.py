"""The page of the agreement report."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from inspection.figures_read import note_figures_read
from inspection.models import Where
from inspection.roles import May, caller, may, needs
from shadow.asked import GROUPINGS, read_asked
from shadow.dossier import Dossier, dossier
from shadow.people_page import people_notes, people_rows, people_sentence
from shadow.persons import persons_of_report
from shadow.report_page import EVIDENCE, figures_of, left_out, rows, tiles
from shadow.reports import sentence
from shadow.score_page import score_plots, why_no_scores
from shadow.trends import STEPS, course, legend
from shadow.views.filters import asked_params, choices, query_of
from shadow.views.report_filters import day_of, narrow_choices, period_words, quick_periods

FILES = ("pdf", "xlsx", "csv", "json")


@needs(May.READ_EVIDENCE)
@require_safe
def agreement_report(request: HttpRequest) -> HttpResponse:
    """How far people and the model agree: one sentence, the 2x2, the ceiling, trends, scores, a table."""
    params = request.GET.dict() if request.GET.get("group_by") == "line" else asked_params(request)
    found = dossier(read_asked(params, caller(request)))
    note_figures_read(of=persons_of_report(found.report), where=Where.REPORT, line=found.asked.line, by=caller(request))
    kept = {name: value for name, value in found.asked.echo().items() if value} | {"evidence": found.asked.evidence}
    if params.get("trend"):
        kept["trend"] = params["trend"]
    return render(request, "shadow/agreement_report.html", {
        **choices(request), **_filters(found, kept), **_figures(found, params.get("trend", "")), "params": kept,
        "sets_up": may(caller(request), May.SET_UP),
    })  # fmt: skip


def _filters(found: Dossier, kept: Mapping[str, str]) -> dict[str, Any]:
    asked, answer = found.asked, reverse("api_agreement")
    narrows = narrow_choices(asked)
    return {
        "evidences": [(kind, f"?{query_of(kept, evidence=kind)}", n) for kind, n in found.report.evidence_counts.items()],
        "tabs": [(name, f"?{query_of(_open(kept, name), group_by=name)}") for name in GROUPINGS],
        "steps": [(step, f"?{query_of(kept, trend=step)}") for step in STEPS],
        "files": [(kind, f"{answer}?{query_of(kept, format=kind)}") for kind in FILES],
        "pairs": f"{reverse('api_pairs')}?{query_of(kept, format='csv')}",
        "narrows": narrows, "narrowed": sum(1 for choice in narrows if choice.chosen),
        "widened": f"?{query_of({name: value for name, value in kept.items() if name not in asked.narrow.echo()})}",
        "period": period_words(asked), "quick": quick_periods(asked, kept),
        "from_day": day_of(asked.span.start), "to_day": day_of(asked.span.end),
    }  # fmt: skip


def _figures(found: Dossier, step: str) -> dict[str, Any]:
    report, run = found.report, course(found, step)
    return {
        "report": report, "sentence": sentence(report), "evidence_words": EVIDENCE[report.asked.evidence],
        "figures": figures_of(report), "tiles": tiles(report), "left_out": left_out(report),
        "people": people_rows(found), "ceiling": found.people, "people_sentence": people_sentence(found),
        "people_notes": people_notes(found.people), "course": run, "legend": legend(run.marks),
        "plots": score_plots(report), "why_no_scores": why_no_scores(report), "rows": rows(report.groups),
    }  # fmt: skip


def _open(params: Mapping[str, str], group_by: str) -> dict[str, str]:
    """The filter without the field that the table compares: a line or a model left open is all of them."""
    return {name: value for name, value in params.items() if name != group_by}
