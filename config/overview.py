"""The first page: an inspector goes to work, a supervisor or admin sees every line at a glance."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_GET

from config.frame import line_state, url_of
from inspection.models import Inspection, Line
from inspection.moves import State
from inspection.roles import May, needs, oversees
from monitoring.models import Alarm, Severity


@dataclass(frozen=True)
class LineToday:
    """A line's day so far, counted from midnight of its own clock."""

    line: Line
    state: dict
    waiting: int
    oldest: datetime | None
    with_supervisor: int
    received: int
    decided: int
    alarms: list[Alarm]
    links: list[tuple[str, str]]

    @property
    def critical(self) -> list[Alarm]:
        return [alarm for alarm in self.alarms if alarm.severity == Severity.CRITICAL]


def today_of(line: Line, now: datetime) -> LineToday:
    """The figures of one line: what is open now, and what came and was decided since midnight."""
    midnight = now.astimezone(line.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    waits = ~Q(state=State.HELD, hold_until__gt=now)
    waiting = (
        Inspection.objects.queued([line.pk])
        .unseeded()
        .filter(waits)
        .aggregate(
            n=Count("pk"), oldest=Min("received_at"), supervisor=Count("pk", filter=Q(state=State.WITH_SUPERVISOR))
        )
    )
    day = (
        line.inspections.unseeded()
        .filter(received_at__gte=midnight)
        .aggregate(received=Count("pk"), decided=Count("pk", filter=Q(state__in=[State.DECIDED, State.AUDIT_DUE])))
    )
    pages = (
        (_("Agreement"), "agreement_report"),
        (_("Discrepancies"), "discrepancies"),
        (_("Automation"), "line_automation"),
        (pgettext("page", "Watch"), "watch_line"),
    )
    links = [(label, url) for label, name in pages if (url := url_of(name, line))]
    return LineToday(
        line, line_state(line), waiting["n"], waiting["oldest"], waiting["supervisor"], day["received"], day["decided"],
        list(Alarm.objects.open().filter(line=line)), [(label, _for(line, url)) for label, url in links],
    )  # fmt: skip


def _for(line: Line, url: str) -> str:
    return url if f"/{line.slug}/" in url else f"{url}?line={line.slug}"


@needs(May.JUDGE)
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Where a person lands after signing in."""
    if not oversees(request.user):
        return redirect("inspect")
    now = timezone.now()
    days = [today_of(line, now) for line in Line.objects.for_user(request.user)]
    return render(request, "overview.html", {"days": days, "sentence": sentence_of(days)})


def sentence_of(days: list[LineToday]) -> str:
    """What the page says first: the worst thing, or that all is well."""
    halted = [day.line.name for day in days if day.state["shape"] == "halt"]
    alarmed = [day.line.name for day in days if day.critical]
    if halted:
        return _("{lines} halted: people judge every part.").format(lines=_listed(halted))
    if alarmed:
        return _("A critical alarm is open on {lines}.").format(lines=_listed(alarmed))
    sure = [day.line.name for day in days if any(alarm.severity == Severity.ALARM for alarm in day.alarms)]
    warned = [day.line.name for day in days if day.alarms]
    first = _("All quiet.")
    if sure:
        first = _("An alarm is open on {lines}.").format(lines=_listed(sure))
    elif warned:
        first = _("A warning is open on {lines}.").format(lines=_listed(warned))
    waiting = sum(day.waiting for day in days)
    words = ngettext("One part waits for a person.", "{n:,} parts wait for a person.", waiting)
    rest = words.format(n=waiting) if waiting else _("No part waits.")
    return f"{first} {rest}"


def _listed(names: list[str]) -> str:
    return get_text_list(names, _("and"))
