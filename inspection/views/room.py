"""The inspector's room: the next part, its photos and the verdict. Every key has a plain form behind it."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from inspection import actions
from inspection.actions.intake import find_line
from inspection.actions.judging import outcome_now
from inspection.models import DefectKind, HaltRequest, Inspection, Lease, Line, Outcome, Photo, Severity, User, Verdict
from inspection.moves import State
from inspection.people import name_for
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, caller, needs, oversees
from inspection.serializers import ClaimSerializer
from inspection.sight import find_correctable, find_judged
from inspection.views.forms import CorrectionForm, LeaseForm, ReasonForm, VerdictForm, checked
from inspection.views.samples import samples_of

DECLINED_SHOWN = timedelta(hours=4)  # that somebody who asked for a halt reads why the line went on


@never_cache
@needs(May.JUDGE)
@require_GET
def inspect(request: HttpRequest, line: str | None = None) -> HttpResponse:
    """Show the part that this person holds on the line, or take the next one. Without a line: choose one."""
    if line is None:
        return _choose_line(request)
    place = find_line(line, caller(request))
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        return HttpResponse(status=204)  # a browser that guesses ahead must not take a part
    asked = request.GET.get("part", "")
    held = _held(caller(request), place, asked)
    if not held and actions.claim(line=place, by=caller(request)):
        held = _held(caller(request), place, asked)
    return _room(request, place, held)


def _choose_line(request: HttpRequest) -> HttpResponse:
    now, by = timezone.now(), caller(request)
    lines = list(Line.objects.for_user(by))
    if len(lines) == 1:
        return redirect("inspect", line=lines[0].slug)
    waiting = [
        (line, Inspection.objects.queued([line.pk]).awaiting(by, now=now, supervisor=oversees(by)).count())
        for line in lines
    ]
    return render(request, "inspection/choose_line.html", {"waiting": waiting})


def _held(user: User, line: Line, asked: str) -> list[Lease]:
    """The parts of this line that the person has in hand: the one asked for first, then the longest held.

    They are renewed: the farewell of a page that was just reloaded names the old times and so takes none away.
    """
    held = Lease.objects.held_by(user).filter(inspection__line=line)
    actions.renew_all(tokens=list(held.values_list("token", flat=True)), by=user)
    held = Lease.objects.held_by(user).filter(inspection__line=line)
    held = held.select_related("inspection__line", "inspection__station", "inspection__variant")
    return sorted(held.prefetch_related("inspection__photos"), key=lambda lease: str(lease.inspection_id) != asked)


def _room(request: HttpRequest, line: Line, held: list[Lease], *, status: int = 200, error: str = "") -> HttpResponse:
    """The room with the first of the parts in hand, or empty. A refused verdict comes back with what was marked."""
    lease = held[0] if held else None
    part = lease.inspection if lease else None
    context = {
        "line": line, "lease": lease, "part": part, "last": undoable(caller(request), line),
        "claims": ClaimSerializer(held, many=True, context={"request": request}).data,
        "views": _views(request, part) if part else [],
        "kinds": DefectKind.objects.all(), "severities": Severity.choices, "outcomes": Outcome.values,
        "samples": samples_of(line), "asked_halt": _asked_halt(caller(request), line),
        "aside_path": aside_path(), "unsure_refused": part is not None and part.state == State.WITH_SUPERVISOR,
        "renew_seconds": min(60, line.lease_seconds // 3),
        "error": error, "defects": request.POST.get("defects", "[]"), "comment": request.POST.get("comment", ""),
    }  # fmt: skip
    return render(request, "inspection/inspect.html", context, status=status)


def _views(request: HttpRequest, part: Inspection) -> list[tuple[Photo, bool]]:
    """The part's photos, and which one is shown: the first, or the one that `?view=` asks for."""
    photos = list(part.photos.all())
    asked = request.GET.get("view", "1")
    shown = int(asked) if asked.isascii() and asked.isdigit() and 1 <= int(asked) <= len(photos) else 1
    return [(photo, number == shown) for number, photo in enumerate(photos, 1)]


@needs(May.JUDGE)
@require_POST
def request_halt(request: HttpRequest, line: str) -> HttpResponse:
    """Ask whoever supervises the line to halt it."""
    place = find_line(line, caller(request))
    actions.request_halt(line=place, by=caller(request), reason=request.POST.get("reason", ""))
    words = _("You have asked for a halt of {line}. Whoever supervises it reads why.")
    messages.success(request, words.format(line=place.name))
    return redirect("inspect", line=place.slug)


def _asked_halt(user: User, line: Line) -> HaltRequest | None:
    """What the person last asked of the line, while it is open, or was declined not long ago."""
    asked = HaltRequest.objects.filter(line=line, by=user).select_related("answer").last()
    answer = getattr(asked, "answer", None)
    if answer and (answer.granted or answer.at < timezone.now() - DECLINED_SHOWN):
        return None
    return asked


def aside_path() -> str:
    """Where the page asks for what may stand beside the photo, with 0 for the part: the same for every part and level."""
    try:
        return reverse("advice_fragment", args=[0])
    except NoReverseMatch:
        return ""


def undoable(user: User, line: Line) -> dict | None:
    """The person's last verdict on the line while it can still be undone: what they judged, and until when."""
    limit = timedelta(seconds=line.undo_seconds)
    verdicts = Verdict.objects.filter(inspector=user, inspection__line=line, at__gt=timezone.now() - limit)
    verdict = verdicts.select_related("inspection").order_by("-pk").first()
    if verdict is None or verdict.inspection.state == State.RETAKE:
        return None
    seconds_left = (verdict.at + limit - timezone.now()).total_seconds()  # a station's clock may be wrong
    return {"verdict": verdict, "outcome": outcome_now(verdict), "seconds_left": round(seconds_left)}


@needs(May.JUDGE)
@require_POST
def verdict(request: HttpRequest, pk: int) -> HttpResponse:
    """Judge a held part, and go to the next one."""
    part = find_judged(caller(request), pk)
    try:
        actions.record_verdict(inspection=part, by=caller(request), **checked(VerdictForm(request.POST)))
    except BadInput as refusal:
        held = _held(caller(request), part.line, str(part.pk))
        if held and held[0].inspection_id == part.pk:
            return _room(request, part.line, held, status=refusal.status, error=str(refusal))
        raise
    except Conflict as refusal:
        messages.warning(request, str(refusal))
    return redirect("inspect", line=part.line.slug)


@needs(May.JUDGE)
@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a part back unjudged, and leave the room: it would be offered again at once."""
    part = find_judged(caller(request), pk)
    actions.release(inspection=part, by=caller(request), token=checked(LeaseForm(request.POST))["lease"])
    messages.success(request, _("Part {serial} is back in the queue.").format(serial=part.serial))
    return redirect("parts")


@needs(May.JUDGE)
@require_POST
def skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Pass a part on to somebody else."""
    part = find_judged(caller(request), pk)
    fields = checked(ReasonForm(request.POST))
    actions.skip(inspection=part, by=caller(request), token=fields["lease"], reason=fields["reason"])
    messages.success(request, _("Part {serial} goes to another person.").format(serial=part.serial))
    return redirect("inspect", line=part.line.slug)


@needs(May.JUDGE)
@require_POST
def retake(request: HttpRequest, pk: int) -> HttpResponse:
    """Clean and look again."""
    part = find_judged(caller(request), pk)
    actions.send_to_retake(inspection=part, by=caller(request), **checked(ReasonForm(request.POST)))
    words = _("Part {serial} is to be cleaned and photographed again.")
    messages.success(request, words.format(serial=part.serial))
    return redirect("inspect", line=part.line.slug)


@never_cache
@needs(May.JUDGE)
@require_GET
def verdict_change(request: HttpRequest, pk: int) -> HttpResponse:
    """The judged part again, with its answer and the others to choose from."""
    verdict = find_correctable(caller(request), pk)
    part, own = verdict.inspection, verdict.inspector_id == caller(request).pk
    limit = verdict.at + timedelta(seconds=part.line.undo_seconds)
    if own and not oversees(caller(request)) and limit < timezone.now():
        messages.warning(request, _("The time to undo this verdict has passed. Ask a supervisor to correct it."))
        return redirect("inspect", line=part.line.slug)
    context = {
        "line": part.line, "part": part, "verdict": verdict, "own": own, "outcome": outcome_now(verdict),
        "judged_by": name_for(caller(request), verdict.inspector), "views": _views(request, part), "back": _after_change(verdict, own),
    }  # fmt: skip
    return render(request, "inspection/verdict_change.html", context)


@needs(May.JUDGE)
@require_POST
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a second thought about a verdict."""
    verdict = find_correctable(caller(request), pk)
    fields = checked(CorrectionForm(request.POST))
    actions.correct_verdict(verdict=verdict, by=caller(request), **fields)
    words, outcome = _("The verdict on part {serial} is now {outcome}."), str(Outcome(fields["outcome"]).label).lower()
    messages.success(request, words.format(serial=verdict.inspection.serial, outcome=outcome))
    return redirect(_after_change(verdict, verdict.inspector_id == caller(request).pk))


def _after_change(verdict: Verdict, own: bool) -> str:
    part = verdict.inspection
    return reverse("inspect", args=[part.line.slug]) if own else reverse("part_history", args=[part.serial])
