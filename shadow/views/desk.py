"""The desk: one part on which person and model differ; look, settle who was right, use the part, go to the next."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from inspection.models import Line
from inspection.refusals import BadInput, Conflict, Unknown
from inspection.roles import May, caller, must, needs
from shadow import desk, desk_keys
from shadow import discrepancies as listing
from shadow.actions import heat_map_png
from shadow.adjudicating import adjudicate
from shadow.desk_page import Desk
from shadow.models import Prediction
from shadow.showing import note_shown
from shadow.uses import word_of
from shadow.views.filters import query_of

HEAT_WIDTH = 640  # pixels; a map has 64 cells, so more would only be smoother
DAY = 24 * 3600
MODULES = ("keys", "say", "hands", "views", "look", "equaliser", "loupe", "overlays", "desk_ways", "discrepancy")
OF_THE_LOOK = ("photo", "heat")  # what the query says of the photo and not of the list


@never_cache
@needs(May.READ_EVIDENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def discrepancy(request: HttpRequest, pk: int) -> HttpResponse:
    """One part: the photo with both sides' marks, who said what, and three keys."""
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
    script, keys = desk_keys.for_script(request.user), desk_keys.listed(request.user)
    return render(request, "shadow/discrepancy.html", {
        "desk": Desk(pair, sought, caller(request), request.GET), "pair": pair, "error": error, "typed": request.POST,
        "query": _filter(request), "most": listing.MOST_COUNTED, "script": script, "key_groups": keys,
        "modules": [f"js/{name}.js" for name in MODULES], "heat": request.GET.get("heat") == "1",
    }, status=400 if error else 200)  # fmt: skip


def _settle(request: HttpRequest, pk: int, sought: listing.Sought) -> HttpResponse:
    prediction = listing.find_prediction(pk, caller(request))
    finding = request.POST.get("finding", "")
    if not finding:
        raise BadInput(_("Choose who was right: the person (P), the model (M), or say that it is ambiguous (A)."))
    reason = request.POST.get("chosen") or request.POST.get("reason", "")
    try:
        adjudicate(prediction=prediction, finding=finding, reason=reason, by=caller(request))
    except Conflict as refusal:
        messages.warning(request, str(refusal))
    following = listing.following(sought, wanted=request.POST.get("then", ""), after=pk)
    where = reverse("discrepancy", args=[following]) if following else reverse("discrepancies_done")
    return redirect(f"{where}?{_filter(request)}")


def _filter(request: HttpRequest) -> str:
    """The list's filter as the page carries it on, without what is looked at."""
    return query_of({name: value for name, value in request.GET.dict().items() if name not in OF_THE_LOOK})


# ---- Uses of the part


@needs(May.SUPERVISE)
@require_POST
def second_look(request: HttpRequest, pk: int) -> HttpResponse:
    """Have somebody judge the part blind once more."""
    return _use(request, pk, _asked)


@needs(May.SUPERVISE)
@require_POST
def teach(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the part into the training set as it was found to be, or leave it out."""
    return _use(request, pk, _taught)


@needs(May.KEEP_SAMPLES)
@require_POST
def sample(request: HttpRequest, pk: int) -> HttpResponse:
    """Add the photo that is looked at to the limit samples."""
    return _use(request, pk, _shown)


@needs(May.SUPERVISE)
@require_POST
def reference(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the part as one of known truth, which measures the inspectors."""
    return _use(request, pk, _kept)


def _use(request: HttpRequest, pk: int, do: Callable[[HttpRequest, Prediction], str]) -> HttpResponse:
    prediction = listing.find_prediction(pk, caller(request))
    try:
        messages.success(request, do(request, prediction))
    except (BadInput, Conflict) as refusal:
        messages.warning(request, str(refusal))
    return redirect(f"{reverse('discrepancy', args=[pk])}?{request.GET.urlencode()}")


def _asked(request: HttpRequest, prediction: Prediction) -> str:
    desk.look_again(prediction=prediction, by=caller(request), reason=request.POST.get("reason", ""))
    words = _("Somebody who has not seen part {serial} is asked to judge it, blind.")
    return words.format(serial=prediction.inspection.serial)


def _taught(request: HttpRequest, prediction: Prediction) -> str:
    row = desk.teach_settled(
        prediction=prediction,
        by=caller(request),
        label=request.POST.get("label"),
        reason=request.POST.get("reason", ""),
    )
    if not row.label:
        return _("Part {serial} is left out of the training.").format(serial=prediction.inspection.serial)
    words = _("Part {serial} is in the training set as {label}.")
    return words.format(serial=prediction.inspection.serial, label=word_of(row.label))


def _shown(request: HttpRequest, prediction: Prediction) -> str:
    position = request.POST.get("position", "0")
    if position not in set("01234567"):
        raise BadInput(_("Photos are numbered from 0 to 7."))
    added = desk.show_settled(prediction=prediction, position=int(position), by=caller(request))
    return _("The photo is among the samples of {line}.").format(line=added.line)


def _kept(request: HttpRequest, prediction: Prediction) -> str:
    kept = desk.keep_settled(prediction=prediction, by=caller(request))
    words = _("Part {serial} measures the inspectors from now on, known to be {truth}.")
    return words.format(serial=prediction.inspection.serial, truth=word_of(kept.truth))


# ---- Pictures


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
