"""The page of the agreement report."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from inspection.roles import May, caller, needs
from shadow import reports
from shadow.asked import GROUPINGS, read_asked
from shadow.report_page import figures_of, rows, tiles, trends
from shadow.views.filters import asked_params, choices, query_of


@needs(May.READ_EVIDENCE)
@require_safe
def agreement_report(request: HttpRequest) -> HttpResponse:
    """How far people and the model agree: one sentence, the 2x2, trends, a table."""
    params = request.GET.dict() if request.GET.get("group_by") == "line" else asked_params(request)
    report = reports.agreement_report(read_asked(params, caller(request)))
    kept = {name: value for name, value in report.asked.echo().items() if value} | {"evidence": report.asked.evidence}
    tabs = [(name, f"?{query_of(_open(kept, name), group_by=name)}") for name in GROUPINGS]
    by_day = rows(report.days)
    return render(request, "shadow/agreement_report.html", {
        **choices(request), "report": report, "sentence": reports.sentence(report), "figures": figures_of(report),
        "tiles": tiles(report), "trends": trends(report, by_day), "by_day": by_day, "rows": rows(report.groups),
        "params": kept, "tabs": tabs,
        "evidences": [(kind, f"?{query_of(kept, evidence=kind)}", n) for kind, n in report.evidence_counts.items()],
        "export": f"{reverse('api_agreement')}?{query_of(kept)}",
        "excluded": {reason: n for reason, n in report.excluded.items() if n and reason not in report.evidence_counts},
    })  # fmt: skip


def _open(params: Mapping[str, str], group_by: str) -> dict[str, str]:
    """The filter without the field that the table compares: a line or a model left open is all of them."""
    return {name: value for name, value in params.items() if name != group_by}
