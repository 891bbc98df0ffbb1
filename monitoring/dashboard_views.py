"""The pages of the watch: every line at a glance, a line with all its figures, one figure, and the screen on the wall."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inspection.actions.intake import find_line
from inspection.models import Line
from inspection.refusals import Refused, Unknown
from inspection.replica import from_replica
from inspection.roles import May, caller, may, must, needs
from inspection.sheets import csv_response, harmless
from monitoring.actions.watching import policy_of, relearn, write_watch_policy
from monitoring.dashboard_charts import chart
from monitoring.dashboard_page import (
    KEY_FIGURES,
    ON_A_CARD,
    ON_THE_WALL,
    Card,
    Page,
    Saying,
    card,
    change_words,
    few_cards,
    label_of,
    moved_cards,
    pace_of,
    page_of,
    rhythm_of,
    rows_of,
    saying,
    stage_cards,
    ticks_of,
)
from monitoring.dashboards import (
    PERIODS,
    TODAY,
    Dashboard,
    Period,
    dashboard,
    glance,
    parts_per_day,
    policies_of,
    reach_of,
    traces_of,
)
from monitoring.figures import STAGE_WORDS
from monitoring.watch_forms import LearnForm, WatchPolicyForm

MOVED_SHOWN = 8  # on top; the rest stand in their stages
HEADINGS = ("figure", "station", "version", "start", "seconds", "n", "missing", "mean")


def period_of(request: HttpRequest) -> Period:
    return PERIODS.get(request.GET.get("period", ""), TODAY)


# A line


@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def watch_line(request: HttpRequest, line: str) -> HttpResponseBase:
    """The sentence, the way of a part, and every figure with its band; `format=csv`: its windows."""
    found, now = find_line(line, caller(request)), timezone.now()
    shown = _asked(request, found, now)
    if request.GET.get("format") == "csv":
        return csv_response(f"watch-{found.slug}-{shown.period.key}", _sheet(shown))
    return _line_page(request, shown, LearnForm(line=found), now)


def _line_page(request: HttpRequest, shown: Dashboard, learn: LearnForm, now: datetime) -> HttpResponse:
    """The page; with a form that was refused it says so above all, for the form itself stands at its foot."""
    context = _live(shown, now) | {
        "query": urlencode(_kept(request)),
        "periods": PERIODS.values(),
        "policy": policy_of(shown.line),
        "learn": learn,
        "may_supervise": may(caller(request), May.SUPERVISE),
        "other_lines": Line.objects.for_user(caller(request)).count() > 1,
    }
    return render(request, "monitoring/watch_line.html", context, status=400 if learn.errors else 200)


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def watch_line_live(request: HttpRequest, line: str) -> HttpResponse:
    """What of the page changes, which it asks for again."""
    found, now = find_line(line, caller(request)), timezone.now()
    return render(request, "monitoring/_watch_live.html", _live(_asked(request, found, now), now))


def _asked(request: HttpRequest, line: Line, now: datetime) -> Dashboard:
    station, version = request.GET.get("station", ""), request.GET.get("version", "")
    return dashboard(line, period=period_of(request), now=now, station=station, version=version)


def _kept(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("period", "station", "version") if request.GET.get(name)}


def _live(shown: Dashboard, now: datetime) -> dict[str, Any]:
    stages = stage_cards(shown, now)
    return {
        "line": shown.line,
        "shown": shown,
        "says": saying(shown.glance, now, pace_of(shown.glance)),
        "moved": moved_cards(stages)[:MOVED_SHOWN],
        "stages": stages,
        "now": now,
    }


def _sheet(shown: Dashboard):
    yield HEADINGS
    for trace in shown.traces:
        half = trace.step / 2
        for point in trace.points:
            yield (
                trace.figure.name, harmless(trace.station or trace.host), harmless(trace.version),
                (point.at - half).isoformat(), int(trace.step.total_seconds()), point.n, point.missing, repr(point.value),
            )  # fmt: skip


@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def watch_figure(request: HttpRequest, line: str, pk: int) -> HttpResponseBase:
    """One figure at one place: its course with axes, what is usual and since when, and each window."""
    found, now, period = find_line(line, caller(request)), timezone.now(), period_of(request)
    shown = dashboard(found, period=period, now=now, stream=pk)
    if not shown.traces:
        raise Unknown(_("There is no figure {number} on {line}.").format(number=pk, line=found.name))
    if request.GET.get("format") == "csv":
        return csv_response(f"watch-{found.slug}-{pk}-{period.key}", _sheet(shown))
    trace = shown.traces[0]
    own = card(trace, page_of(shown, now))
    ticks = ticks_of(trace, period, shown.since, shown.until, found.zone)
    return render(request, "monitoring/watch_figure.html", {
        "line": found, "trace": trace, "card": own, "periods": PERIODS.values(), "shown": shown,
        "label": label_of(trace), "stage": STAGE_WORDS[trace.figure.stage],
        "change": change_words(trace, found.zone, now), "chart": chart(trace, shown.since, shown.until, label_of(trace), ticks),
        "rows": rows_of(trace, period, found.zone), "query": urlencode(_kept(request)),
    })  # fmt: skip


# All lines, and the wall


@dataclass(frozen=True)
class LineSeen:
    line: Line
    says: Saying
    cards: list[Card]


@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def watch_lines(request: HttpRequest) -> HttpResponse:
    return render(request, "monitoring/watch_lines.html", _seen(request, ON_A_CARD))


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def watch_lines_live(request: HttpRequest) -> HttpResponse:
    return render(request, "monitoring/_watch_lines.html", _seen(request, ON_A_CARD))


@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def wall(request: HttpRequest) -> HttpResponse:
    """For a screen that nobody touches: no controls, big letters. It asks again by itself, and says when it cannot."""
    return render(request, "monitoring/wall.html", _seen(request, ON_THE_WALL))


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
@from_replica
def wall_live(request: HttpRequest) -> HttpResponse:
    """Each look keeps the session alive: a screen on the wall cannot sign in again."""
    request.session.modified = True
    return render(request, "monitoring/_wall.html", _seen(request, ON_THE_WALL))


def _seen(request: HttpRequest, most: int) -> dict[str, Any]:
    """The lines of the reader, those that need somebody first."""
    now = timezone.now()
    lines = [_line_seen(line, now, most) for line in Line.objects.for_user(caller(request))]
    order = ("critical", "alarm", "asleep", "warning", "learning", "quiet")
    lines.sort(key=lambda seen: order.index(seen.says.kind))
    return {"lines": lines, "now": now, "sentence": _first(lines)}


def _line_seen(line: Line, now: datetime, most: int) -> LineSeen:
    seen = glance(line, now=now)
    since, until = reach_of(line, TODAY, now)
    page = Page(line.slug, line.zone, TODAY, since, until, now)
    traces = traces_of(line, period=TODAY, now=now, figures=KEY_FIGURES)
    return LineSeen(line, saying(seen, now, pace_of(seen)), few_cards(traces, page, most))


def _first(lines: list[LineSeen]) -> str:
    """All lines in one sentence."""
    loud = [seen for seen in lines if seen.says.kind not in ("quiet", "learning")]
    if not lines:
        return _("There is no line yet.")
    if not loud:
        return _("All quiet.") if any(seen.says.kind == "quiet" for seen in lines) else _("All is being learned.")
    if len(loud) == 1:
        return _("{line}: {sentence}").format(line=loud[0].line.name, sentence=loud[0].says.sentence)
    return _("{n} of {all} lines need somebody.").format(n=len(loud), all=len(lines))


# Forms


@needs(May.SUPERVISE)
@require_POST
def learn_anew(request: HttpRequest, line: str) -> HttpResponse:
    """Somebody changed something on purpose: what is usual is learned again from here on."""
    found, by = find_line(line, caller(request)), caller(request)
    form = LearnForm(request.POST, line=found)
    if form.is_valid():
        relearn(line=found, by=by, **form.event())
        messages.success(request, _("What is usual is learned anew from the next parts on."))
        return redirect("watch_line", found.slug)
    now = timezone.now()
    return _line_page(request, _asked(request, found, now), form, now)


@needs(May.READ_EVIDENCE)
def watch_policy(request: HttpRequest, line: str) -> HttpResponse:
    """How the line is watched, who set it and why; admins change it."""
    found, by = find_line(line, caller(request)), caller(request)
    policy = policy_of(found)
    form, status = WatchPolicyForm(request.POST or None, policy=policy), 200
    if request.method == "POST":
        must(by, May.SET_UP)
        if form.is_valid():
            try:
                write_watch_policy(line=found, by=by, **form.changes())
                messages.success(request, _("The line is watched so from the next look on."))
                return redirect("watch_line", found.slug)
            except Refused as refusal:
                form.add_error(None, str(refusal))
        status = 400
    return render(request, "monitoring/watch_policy.html", {
        "line": found, "policy": policy, "form": form, "may_edit": may(by, May.SET_UP),
        "history": policies_of(found),
        "rhythm": rhythm_of(policy.alarm_every, policy.warn_every, parts_per_day(found, timezone.now())),
    }, status=status)  # fmt: skip
