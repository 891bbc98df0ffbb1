"""The gallery of the parts on which person and model differ: filtered, counted, and settled several at a time."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from inspection.figures_read import note_figures_read
from inspection.models import Where
from inspection.refusals import BadInput
from inspection.roles import May, caller, needs
from shadow import discrepancies as listing
from shadow.adjudicating import adjudicate_all
from shadow.asked import Asked
from shadow.exhibits import exhibits
from shadow.models import Finding, ModelVersion
from shadow.persons import persons_narrowed
from shadow.reasons import reasons_for
from shadow.settled import sitting_of
from shadow.showing import note_shown
from shadow.views.filters import asked_params, query_of
from shadow.views.report_filters import narrow_choices

MORE = ("model", "evidence", "station", "variant", "inspector", "lot", "score_from", "score_below", "from", "to")
AGES = {
    "today": gettext_lazy("Today"),
    "1": gettext_lazy("Older than a day"),
    "7": gettext_lazy("Older than 7 days"),
    "30": gettext_lazy("Older than 30 days"),
}
MOST_AT_ONCE = 100


@needs(May.READ_EVIDENCE)
@require_safe
def discrepancies(request: HttpRequest) -> HttpResponse:
    """The parts on which person and model differ, as a gallery. Without any filter: those still to be settled."""
    by = caller(request)
    params = asked_params(request) if request.GET else asked_params(request) | {"adjudicated": "no"}
    sought = listing.read_sought(params, by, kinds=listing.CELL_NAMES)
    note_figures_read(of=persons_narrowed(sought.narrow), where=Where.DISCREPANCIES, line=sought.line, by=by)
    page = listing.find_pairs(sought, before=listing.read_cursor(params.pop("before", "")))
    note_shown(user=by, inspections=[pair.inspection_id for pair in page.pairs], where="discrepancies")
    first = next((pair for pair in page.pairs if pair.differs and not pair.finding), None)
    return render(request, "shadow/discrepancies.html", {
        "versions": ModelVersion.objects.values_list("name", flat=True),
        "exhibits": exhibits(page.pairs, sought.lines), "params": params, "query": query_of(params),
        "older": query_of(params, before=str(page.next)) if page.next else "", "at_start": "before" not in request.GET,
        "tabs": _tabs(sought, params), "first": first or next(iter(page.pairs), None), "ages": AGES,
        "narrow": narrow_choices(Asked(sought.lines, (), narrow=sought.narrow, reader=by)),
        "more": [name for name in MORE if params.get(name)], "findings": Finding.choices,
        "reasons": _reasons(sought, request), "most": listing.MOST_COUNTED,
    })  # fmt: skip


def _tabs(sought: listing.Sought, params: dict[str, str]) -> list[tuple[str, str, int | None]]:
    """(kind, link, how many of it are open). Where parts of agreement are looked at, their kinds too, uncounted."""
    differing = set(sought.cells) <= set(listing.DIFFERING)
    still = replace(sought, adjudicated=False)
    n = {kind: listing.count(replace(still, cells=(kind,))) for kind in listing.DIFFERING}
    counts: dict[str, int | None] = {"": sum(n.values()), **n}
    return [
        (kind, f"?{query_of(params, kind=kind)}", counts.get(kind))
        for kind in ("", *(listing.DIFFERING if differing else listing.CELL_NAMES))
    ]


def _reasons(sought: listing.Sought, request: HttpRequest) -> list[str]:
    """What is offered as a reason for several at a time: those of the first line, whatever they say of the part."""
    if not sought.lines:
        return []
    found = reasons_for(sought.lines[0], caller(request))
    return list(dict.fromkeys(reason for reasons in found.values() for reason in reasons.choices))


@needs(May.SUPERVISE)
@require_POST
def settle_discrepancies(request: HttpRequest) -> HttpResponse:
    """Settle the chosen ones alike, each for itself, and say of each that was refused why."""
    keys = [int(text) for text in request.POST.getlist("pick") if text.isdecimal() and len(text) <= 18]
    finding, reason = request.POST.get("finding", ""), request.POST.get("reason", "")
    try:
        _check(keys)
        tried = adjudicate_all(predictions=keys, finding=finding, reason=reason, by=caller(request))
    except BadInput as refusal:
        messages.error(request, str(refusal))
    else:
        settled = sum(not one.refusal for one in tried)
        words = ngettext("{n} settled: {finding}.", "{n} settled: {finding}.", settled)
        if settled:
            messages.success(request, words.format(n=settled, finding=str(Finding(finding).label).lower()))
        for one in tried:
            if one.refusal:
                messages.warning(request, one.refusal)
    return redirect(f"{reverse('discrepancies')}?{request.GET.urlencode()}")


def _check(keys: list[int]) -> None:
    if not keys:
        raise BadInput(_("Choose the parts to settle first."))
    if len(keys) > MOST_AT_ONCE:
        raise BadInput(_("Choose at most {most} parts at a time.").format(most=MOST_AT_ONCE))


@needs(May.READ_EVIDENCE)
@require_safe
def discrepancies_done(request: HttpRequest) -> HttpResponse:
    """The end of the list: what this person settled in it today, what came of that, and where next."""
    params = request.GET.dict()
    sought = listing.read_sought(params, caller(request), kinds=listing.CELL_NAMES)
    following = listing.next_open(sought, after=0)
    others = listing.next_open(replace(sought, cells=listing.DIFFERING), after=0)
    return render(request, "shadow/discrepancies_done.html", {
        "sitting": sitting_of(caller(request), sought), "query": query_of(params), "following": following,
        "others": others, "all_kinds": query_of(params, kind=""), "settled": query_of(params, adjudicated="yes"),
    })  # fmt: skip
