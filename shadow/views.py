"""The supervisor's pages: agreement, discrepancies, model versions."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from inspection.models import Line
from inspection.refusals import BadInput, Unknown
from inspection.roles import May, caller, must, needs
from inspection.views.photos import served
from shadow import discrepancies as listing
from shadow import reports
from shadow.actions import heat_map_png, picture_path
from shadow.adjudicating import adjudicate
from shadow.cards import current_assignments, health, read_card
from shadow.exhibits import exhibits, history
from shadow.models import Finding, ModelVersion, Prediction
from shadow.pairs import seen_by
from shadow.report_page import figures_of, rows, tiles, trends
from shadow.showing import note_shown
from shadow.studies import pictures_of, studies_of
from shadow.versions import find_version

HEAT_WIDTH = 640  # pixels; a map has 64 cells, so more would only be smoother
DAY = 24 * 3600


def asked_params(request: HttpRequest) -> dict[str, str]:
    """The query string, with the line that was chosen last where it names none. An empty `line` asks for all."""
    params = request.GET.dict()
    chosen = request.session.get("line", "")
    if "line" not in params and Line.objects.for_user(caller(request)).filter(slug=chosen).exists():
        params["line"] = chosen
    return params


def choices(request: HttpRequest) -> dict:
    """What the filters of these pages offer."""
    return {"lines": Line.objects.for_user(caller(request)), "versions": ModelVersion.objects.all()}


def query_of(params: Mapping[str, str], **changes: str) -> str:
    """A query string without its empty fields. An empty line stays: it asks for all lines."""
    return urlencode({name: value for name, value in {**params, **changes}.items() if value or name == "line"})


@needs(May.READ_EVIDENCE)
@require_safe
def agreement_report(request: HttpRequest) -> HttpResponse:
    """How far people and the model agree: one sentence, the 2x2, trends, a table."""
    params = request.GET.dict() if request.GET.get("group_by") == "line" else asked_params(request)
    report = reports.agreement_report(reports.read_asked(params, caller(request)))
    kept = {name: value for name, value in report.asked.echo().items() if value} | {"evidence": report.asked.evidence}
    tabs = [(name, f"?{query_of(_open(kept, name), group_by=name)}") for name in reports.GROUPINGS]
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


@needs(May.READ_EVIDENCE)
@require_safe
def discrepancies(request: HttpRequest) -> HttpResponse:
    """The parts on which person and model differ, with photo and heat map side by side."""
    params = asked_params(request)
    sought = listing.read_sought(params, caller(request), kinds=listing.CELL_NAMES)
    page = listing.find_pairs(sought, before=listing.read_cursor(params.pop("before", "")))
    note_shown(user=caller(request), inspections=[pair.inspection_id for pair in page.pairs], where="discrepancies")
    return render(request, "shadow/discrepancies.html", {
        **choices(request), "exhibits": exhibits(seen_by(caller(request), page.pairs)), "params": params, "query": query_of(params),
        "older": query_of(params, before=str(page.next)) if page.next else "", "at_start": "before" not in request.GET,
        "tabs": [(kind, f"?{query_of(params, kind=kind)}") for kind in ("", *_tabs(sought))],
    })  # fmt: skip


def _tabs(sought: listing.Sought) -> tuple[str, ...]:
    """The kinds of discrepancy; where parts of agreement are looked at, their kinds too."""
    return listing.DIFFERING if set(sought.cells) <= set(listing.DIFFERING) else listing.CELL_NAMES


@needs(May.READ_EVIDENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def discrepancy(request: HttpRequest, pk: int) -> HttpResponse:
    """One part on which person and model differ: look, settle who was right, and go to the next."""
    sought = listing.read_sought(request.GET, caller(request), kinds=listing.CELL_NAMES)
    error = ""
    if request.method == "POST":
        must(caller(request), May.SUPERVISE)
        try:
            return _settle(request, pk, sought)
        except BadInput as refusal:
            error = str(refusal)
    pair = listing.find_judged_pair(pk, caller(request))
    note_shown(user=caller(request), inspections=[pair.inspection_id], where="discrepancy")
    [exhibit] = exhibits([pair])
    following = listing.next_open(sought, after=pk)
    return render(request, "shadow/discrepancy.html", {
        "pair": pair, "exhibit": exhibit, "view": exhibit.view(_position(request.GET)), "told": history(pair, caller(request)),
        "findings": Finding.choices, "error": error, "typed": request.POST, "query": _filter(request),
        "following": following, "line": exhibit.line,
    }, status=400 if error else 200)  # fmt: skip


def _position(params: QueryDict) -> int | None:
    text = params.get("photo", "")
    return int(text) - 1 if text in set("12345678") else None


def _settle(request: HttpRequest, pk: int, sought: listing.Sought) -> HttpResponse:
    pair = listing.find_judged_pair(pk, caller(request))
    prediction = Prediction.objects.select_related("inspection").get(pk=pk)
    finding, reason = request.POST.get("finding", ""), request.POST.get("reason", "")
    if not finding:
        raise BadInput(_("Choose who was right: the person (P), the model (M), or say that it is ambiguous (A)."))
    row = adjudicate(prediction=prediction, finding=finding, reason=reason, by=caller(request))
    messages.success(request, f"{pair.serial}: {row.get_finding_display().lower()}.")
    following = listing.next_open(sought, after=pk)
    where = reverse("discrepancy", args=[following.prediction_id]) if following else reverse("discrepancies")
    return redirect(f"{where}?{_filter(request)}")


def _filter(request: HttpRequest) -> str:
    """The list's filter as the page carries it on, without the photo that is looked at."""
    return query_of({name: value for name, value in request.GET.dict().items() if name != "photo"})


@needs(May.READ_EVIDENCE)
@require_safe
def heat_map(request: HttpRequest, pk: int, position: int) -> HttpResponse:
    """The heat map of one photo as a transparent picture to lay over it."""
    on_their_lines = Prediction.objects.filter(inspection__line__in=Line.objects.for_user(caller(request)))
    prediction = on_their_lines.filter(pk=pk, heat_map__photos__gt=position).select_related("heat_map").first()
    photo = prediction and prediction.inspection.photos.filter(position=position).first()
    if not prediction or not photo:
        raise Unknown(f"There is no heat map of photo {position + 1} of prediction {pk} on your lines.")
    note_shown(user=caller(request), inspections=[prediction.inspection_id], where="heat map")
    size = (HEAT_WIDTH, max(1, round(HEAT_WIDTH * photo.height / photo.width)))
    answer = HttpResponse(heat_map_png(prediction, position, size), content_type="image/png")
    answer["Cache-Control"] = f"private, max-age={DAY}"  # a day: as often as its serving is noted
    return answer


@needs(May.READ_EVIDENCE)
@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """The registered model versions, newest first."""
    by = caller(request)
    rows = [(version, current_assignments(version, by), health(version)) for version in ModelVersion.objects.all()]
    return render(request, "shadow/models.html", {"rows": rows})


@needs(May.READ_EVIDENCE)
@require_safe
def model_card(request: HttpRequest, name: str) -> HttpResponse:
    """One version: what it was made of, how good it was then, and how it does now."""
    version = find_version(name)
    studies = studies_of(version)
    return render(request, "shadow/model_card.html", {
        "version": version, "card": read_card(version.card), "health": health(version),
        "assignments": current_assignments(version, caller(request)), "studies": studies,
        "drawn": any(study.at is None for study in studies),  # the card's own figures stand above their charts
    })  # fmt: skip


@needs(May.READ_EVIDENCE)
@require_safe
def model_picture(request: HttpRequest, name: str, digest: str) -> HttpResponseBase:
    """A picture of a version's failures; only what its card or its evaluations name."""
    version = find_version(name)
    if digest not in pictures_of(version):
        raise Unknown(f"The card of {name} names no picture {digest}.")
    return served(request, picture_path(digest), digest, "image/webp")
