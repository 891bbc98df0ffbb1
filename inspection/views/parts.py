"""A part's history by serial: every time it stood in front of a station, as far as the reader may know it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET

from inspection import actions, audit
from inspection.models import AuditEvent, Correction, Disposition, Inspection, Origin, Photo, User, Verdict
from inspection.moves import OPEN
from inspection.people import names_for, told_to
from inspection.roles import May, caller, judges_blind, needs, oversees
from inspection.sight import origin_for, own_disposition, readable

PER_PAGE = 10
# What rows say that people's verdicts lead to: kept in English, shown in the reader's language.
KEPT_WORDS = (
    gettext_noop("judged ok"), gettext_noop("judged scratched"), gettext_noop("undo"),
    gettext_noop("The machine passed this part and a person found it scratched."),
)  # fmt: skip


@needs(May.JUDGE)
@require_GET
def parts(request: HttpRequest) -> HttpResponse:
    """Find a part: a scanner types the serial and Enter. Below the box, the latest parts that one may read."""
    if serial := request.GET.get("serial", "").strip():
        if readable(caller(request)).filter(serial=serial).exists():
            return redirect("part_history", serial=serial)
        return render(request, "inspection/parts.html", {"asked": serial, **latest(request)}, status=404)
    return render(request, "inspection/parts.html", latest(request))


def latest(request: HttpRequest) -> dict:
    """The list below the box. To whoever only judges, the box may also open a part that waits for them."""
    rows = readable(caller(request)).select_related("line", "station", "variant").prefetch_related("photos")
    page = Paginator(rows.order_by("-pk"), 25).get_page(request.GET.get("page"))
    return {"page_obj": page, "opens": judges_blind(caller(request))}


@dataclass(frozen=True)
class Judgement:
    """A verdict with its marks and the second thoughts about it, each with what its author is called to the reader."""

    verdict: Verdict
    by: str
    corrections: list[tuple[Correction, str]]


@dataclass(frozen=True)
class Chapter:
    """One inspection of the part as its reader may know it."""

    inspection: Inspection
    state: str
    origin: str  # where it came from, if not from the line itself
    photos: list[Photo]
    judgements: list[Judgement]
    dispositions: list[Disposition]
    events: list[tuple[AuditEvent, str]] | None  # each with its words. None: this reader has no business with the trail


@needs(May.JUDGE)
@require_GET
def part_history(request: HttpRequest, serial: str) -> HttpResponse:
    """All inspections of a serial, newest first."""
    rows = readable(caller(request)).filter(serial=serial).select_related("line", "station", "variant")
    rows = rows.prefetch_related("photos", "dispositions", "verdicts__inspector", "verdicts__corrections__by")
    rows = rows.prefetch_related("verdicts__defects__kind", "verdicts__defects__photo")
    page = Paginator(rows.order_by("-received_at", "-pk"), PER_PAGE).get_page(request.GET.get("page"))
    if not page.paginator.count:
        return render(request, "inspection/parts.html", {"asked": serial, **latest(request)}, status=404)
    chapters = [chapter_for(caller(request), inspection) for inspection in page]
    return render(request, "inspection/part_history.html", {"serial": serial, "chapters": chapters, "page_obj": page})


def chapter_for(user: User, inspection: Inspection) -> Chapter:
    """What this person may know: overseers all; an inspector their own judgement and what followed from it alone.

    To an inspector every open part reads the same, or an audit could be told from a part that waits.
    """
    verdicts = list(inspection.verdicts.all())
    dispositions = list(inspection.dispositions.all())
    if oversees(user):
        actions.note_decisions_shown(inspections=[inspection], user=user, where="part history")
        trail = told_to(user, AuditEvent.objects.filter(subject=f"inspection {inspection.pk}"))
        events = [(event, audit.words_of(event)) for event in trail]
        names = names_for(user, [verdict.inspector for verdict in verdicts])
        judgements = [_judgement(verdict, verdict.corrections.all(), names) for verdict in verdicts]
        return _chapter(user, inspection, str(inspection.get_state_display()), judgements, dispositions, events)
    own = [verdict for verdict in verdicts if verdict.inspector_id == user.pk]
    names = names_for(user, [user])
    judgements = [
        _judgement(row, [again for again in row.corrections.all() if again.by_id == user.pk], names) for row in own
    ]
    state = _("judged by you") if own else (_("waiting") if inspection.state in OPEN else _("closed"))
    came_of_it = own_disposition(user, inspection)
    return _chapter(user, inspection, state, judgements, [came_of_it] if came_of_it else [], None)


def _judgement(verdict: Verdict, corrections: Iterable[Correction], names: dict[int, str]) -> Judgement:
    """Whoever judged the part is called as their verdict is; anybody else signed for the correction."""
    again = [(row, names.get(row.by_id) or str(row.by)) for row in corrections]
    return Judgement(verdict, names.get(verdict.inspector_id or 0, _("imported label")), again)


def _chapter(user, inspection, state, judgements, dispositions, events) -> Chapter:
    origin = Origin(origin_for(user, inspection))
    told = "" if origin == Origin.LIVE else str(origin.label)
    return Chapter(inspection, state, told, list(inspection.photos.all()), judgements, dispositions, events)
