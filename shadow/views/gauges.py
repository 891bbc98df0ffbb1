"""The pages of the inspectors as gauges: what they find, and the parts of known truth that tell it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from inspection import actions
from inspection.figures_read import note_figures_read
from inspection.models import Line, Study, Truth, Where
from inspection.refusals import Refused
from inspection.roles import May, caller, may, needs
from inspection.views.forms import checked
from shadow.desk import keep_known
from shadow.gauge_hours import hour_chart, hour_rows, shift_words
from shadow.gauge_page import FIGURES, between, inspector_rows, one_look, sentence, team_row
from shadow.gauge_report import GaugeReport, gauge_report
from shadow.gauges import MIXED, STUDIES, line_asked, read_wanted
from shadow.reference_pool import find_part, find_reference, mix_of, pool_rows, references_of
from shadow.views.filters import asked_params, query_of

PER_PAGE = 60
SHOWN_PARTS = 200  # of those with a consensus, the least certain first
SHOWS: dict[str, dict[str, Any]] = {"": {"retired_at": None}, "retired": {"retired_at__isnull": False}, "all": {}}


@needs(May.READ_EVIDENCE)
@require_safe
def inspectors(request: HttpRequest) -> HttpResponse:
    """What inspectors find of what is there, each with themselves, with each other and over the shift."""
    wanted = read_wanted(asked_params(request), caller(request))
    report = gauge_report(wanted, caller(request))
    note_figures_read(of=report.called, where=Where.INSPECTORS, line=wanted.line, by=caller(request))
    kept = {name: value for name, value in wanted.echo().items() if value}
    return render(request, "shadow/gauges.html", {
        **frame_of(request, wanted.line), **results_of(report), "sentence": sentence(report), "one_look": one_look(report),
        "params": kept, "purposes": (("", _("All")), (MIXED, _("Mixed in")), (STUDIES, _("Studies"))),
        "studies": Study.objects.filter(line=wanted.line), "export": f"{reverse('api_inspectors')}?{query_of(kept)}",
        "hours": hour_rows(report.hours), "hour_chart": hour_chart(report.hours), "trend": shift_words(report),
        "agreed": report.agreed[:SHOWN_PARTS], "differing": [part for part in report.agreed if part.differs],
        "recorded": [part for part in report.agreed if part.recorded is not None],
    })  # fmt: skip


def results_of(report: GaugeReport) -> dict[str, Any]:
    """The attribute study as the pages show it."""
    return {
        "report": report, "study": report.study, "rows": inspector_rows(report), "team": team_row(report.study),
        "between": between(report.study), "heads": FIGURES.values(),
    }  # fmt: skip


def frame_of(request: HttpRequest, line: Line) -> dict[str, Any]:
    """What all pages of the inspectors show: the line, and what the reader may choose and do."""
    return {
        "line": line, "lines": Line.objects.for_user(caller(request)),
        "may_supervise": may(caller(request), May.SUPERVISE), "may_set_up": may(caller(request), May.SET_UP),
    }  # fmt: skip


# ---- References


class KeepForm(forms.Form):
    serial = forms.CharField(label=gettext_lazy("Serial"), max_length=120)
    truth = forms.ChoiceField(label=gettext_lazy("Truth"), choices=Truth.choices)
    reason = forms.CharField(label=gettext_lazy("How it is known"), max_length=500)


@needs(May.READ_EVIDENCE)
@require_safe
def references(request: HttpRequest) -> HttpResponse:
    """The parts of known truth of a line: what each shows, how it is known, and how often it was found."""
    line = line_asked(asked_params(request).get("line", ""), caller(request))
    return _references(request, line)


def _references(request: HttpRequest, line: Line, *, refusal: Refused | None = None) -> HttpResponse:
    show = request.GET.get("show", "") if request.GET.get("show", "") in SHOWS else ""
    page = Paginator(references_of(line).filter(**SHOWS[show]), PER_PAGE).get_page(request.GET.get("page"))
    typed = request.POST or request.GET
    return render(request, "shadow/references.html", {
        **frame_of(request, line), "page_obj": page, "rows": pool_rows(line, list(page)), "mix": mix_of(line), "show": show,
        "tabs": [(name, f"?{query_of({'line': line.slug}, show=name)}") for name in SHOWS],
        "refusal": refusal, "typed": typed, "truths": Truth.choices,
        "any": bool(page) or references_of(line).exists(),
    }, status=refusal.status if refusal else 200)  # fmt: skip


@needs(May.SUPERVISE)
@require_POST
def keep_reference(request: HttpRequest) -> HttpResponse:
    """Keep a judged part as one of known truth."""
    line = line_asked(request.POST.get("line", ""), caller(request))
    try:
        sent = checked(KeepForm(request.POST))
        part = find_part(line, sent.pop("serial"))
        keep_known(inspection=part, by=caller(request), **sent)
    except Refused as refusal:
        return _references(request, line, refusal=refusal)
    messages.success(request, _("Part {serial} is kept as a reference.").format(serial=part.serial))
    return redirect(f"{reverse('references')}?{query_of({'line': line.slug})}")


@needs(May.SUPERVISE)
@require_POST
def retire_reference(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a reference no more."""
    reference = find_reference(pk, caller(request))
    actions.retire_reference(reference=reference, by=caller(request))
    serial = reference.inspection.serial
    messages.success(
        request, _("Part {serial} is mixed in no more. What was answered to it stays.").format(serial=serial)
    )
    return redirect(f"{reverse('references')}?{query_of({'line': reference.inspection.line.slug})}")
