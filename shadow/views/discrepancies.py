"""The desk: the parts on which person and model differ, in a gallery and one by one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from inspection.models import Line
from inspection.refusals import BadInput, Unknown
from inspection.roles import May, caller, must, needs
from shadow import discrepancies as listing
from shadow.actions import heat_map_png
from shadow.adjudicating import adjudicate
from shadow.exhibits import exhibits, history
from shadow.models import Finding, Prediction
from shadow.pairs import seen_by
from shadow.showing import note_shown
from shadow.views.filters import asked_params, choices, query_of

HEAT_WIDTH = 640  # pixels; a map has 64 cells, so more would only be smoother
DAY = 24 * 3600


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
