"""The alarms' pages: what moved, who is on it, and what it turned out to be."""

from collections.abc import Iterator

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from inspection.actions.intake import find_line
from inspection.models import Line
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, caller, may, needs
from inspection.sheets import csv_response, harmless
from monitoring.actions import acknowledge_alarm, policy_of, write_watch_policy
from monitoring.alarm_page import alarm_page, course_words, notices_of, training_of, trainings_from, way_of
from monitoring.alarms import alarms_of, by_line, find_alarm, gravest_first, rows_of, sentence
from monitoring.forms import AcknowledgementForm
from monitoring.models import AlarmQuerySet, Cause, Remedy, State
from monitoring.proposals import proposals_for
from shadow.showing import note_shown

PER_PAGE = 20
CLOSED_SHOWN = 10
COLUMNS = (
    "id", "line", "station", "rule", "severity", "state", "opened_at", "message", "suggestion", "closed_at",
    "closed_by", "cause", "comment",
)  # fmt: skip
AT_STATION = {Remedy.FIX_STATION, Remedy.FIX_SERVER}  # carried out with one's hands: it begins with an acknowledgement


@needs(May.READ_EVIDENCE)
@require_safe
def alarms(request: HttpRequest) -> HttpResponseBase:
    """Open alarms, the gravest first, a page at a time however many there are; then the latest that were closed."""
    by, now, line = caller(request), timezone.now(), request.GET.get("line", "")
    only_closed = request.GET.get("state") == State.CLOSED
    if request.GET.get("format") == "csv":
        return csv_response("alarms", _table(alarms_of(by, line=line, state=request.GET.get("state", ""), now=now)))
    open_now, closed = (alarms_of(by, line=line, state=state, now=now) for state in (State.OPEN, State.CLOSED))
    everything = rows_of(open_now, now)
    lines_asked = [find_line(line, by)] if line else Line.objects.for_user(by)
    number = request.GET.get("page")
    open_page = Paginator(gravest_first(everything), PER_PAGE).get_page(number)
    closed_page = Paginator(closed, PER_PAGE).get_page(number)
    return render(request, "monitoring/alarms.html", {
        "sentence": sentence(everything), "only_closed": only_closed,
        "page_obj": closed_page if only_closed else open_page, "open": [] if only_closed else list(open_page),
        "lines": by_line(everything), "asked": line,
        "closed": rows_of(closed_page if only_closed else closed[:CLOSED_SHOWN], now),
        "proposals": [found for one in lines_asked for found in proposals_for(one, now=now)],
        "may_propose": may(by, May.PROPOSE),
        "may_filter": Line.objects.for_user(by).count() > 1,
    })  # fmt: skip


def _table(alarms: AlarmQuerySet) -> Iterator[list[str]]:
    """The alarms asked for, as rows of text; a closed one with what it was."""
    yield list(COLUMNS)
    for row in rows_of(alarms.iterator(chunk_size=500)):
        alarm, last = row.alarm, row.closing
        closing = [last.at.isoformat(), str(last.by), last.cause, harmless(last.comment)] if last else [""] * 4
        yield [
            str(alarm.pk), alarm.line.slug, alarm.station.slug if alarm.station else "", alarm.rule, alarm.severity,
            row.state, alarm.opened_at.isoformat(), harmless(alarm.message), harmless(alarm.suggestion), *closing,
        ]  # fmt: skip


@needs(May.PROPOSE)
@require_POST
def unwatch(request: HttpRequest) -> HttpResponse:
    """Watch a figure no more on whose alarms nobody acts; it is still kept and drawn."""
    by, figure = caller(request), request.POST.get("figure", "")
    line = find_line(request.POST.get("line", ""), by)
    policy = policy_of(line)
    try:
        if figure not in policy.unwatched:
            reason = request.POST.get("reason", "").strip() or f"nobody acted on {figure} in 90 days"
            write_watch_policy(line=line, by=by, reason=reason, unwatched=[*policy.unwatched, figure])
        messages.success(request, _("The figure is kept and drawn, and raises no alarm any more."))
    except BadInput as refusal:
        messages.error(request, str(refusal))
    return _back(request)


@needs(May.READ_EVIDENCE)
@require_safe
def alarm(request: HttpRequest, pk: int) -> HttpResponse:
    """One alarm: what moved and since when, its farthest photos, what to do, and what it turned out to be."""
    by, of = caller(request), request.GET.get("of", "")
    found = find_alarm(pk, by)
    page = alarm_page(found, of=int(of) if of.isdecimal() else None, now=timezone.now())
    if page.shows_answers:
        note_shown(user=by, inspections=[exhibit.part.pk for exhibit in page.farthest], where="alarm")
    return render(request, "monitoring/alarm.html", {
        "page": page, "alarm": found, "row": page.row, "way": way_of(found), "causes": Cause.choices,
        "acknowledgement": AcknowledgementForm(), "may_supervise": may(by, May.SUPERVISE),
        "at_station": found.remedy in AT_STATION, "training": training_of(found), "notices": notices_of(found),
        "trainings": trainings_from(found),
    })  # fmt: skip


@needs(May.READ_EVIDENCE)
@require_safe
def alarm_course(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether a figure moved at once or goes on: a fragment, for it reads some thousand parts."""
    of = request.GET.get("of", "")
    found = find_alarm(pk, caller(request))
    words = course_words(found, of=int(of) if of.isdecimal() else None, now=timezone.now())
    return render(request, "monitoring/_course.html", {"words": words})


@needs(May.SUPERVISE)
@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that one is on it."""
    by, now, form = caller(request), timezone.now(), AcknowledgementForm(request.POST)
    alarm = find_alarm(pk, by)
    try:
        if not form.is_valid():
            raise BadInput(_("Say how long the acknowledgement holds: choose from the list."))
        acknowledge_alarm(alarm=alarm, by=by, comment=form.cleaned_data["comment"], until=form.until(now), now=now)
        messages.success(request, _("Acknowledged: the others see that you are on it."))
    except (BadInput, Conflict) as refusal:
        messages.error(request, str(refusal))
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    where = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(where, allowed_hosts={request.get_host()})
    return redirect(where if safe else reverse("alarms"))
