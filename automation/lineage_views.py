"""The fragment beside a version's lineage, and the page that says by what a part was decided."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from automation.lineage import decisions_of, descent_of
from inspection.models import Line
from inspection.roles import May, caller, needs
from inspection.sight import find_judged
from shadow.showing import note_shown
from shadow.versions import find_version


@needs(May.READ_EVIDENCE)
@require_safe
def version_decisions(request: HttpRequest, name: str) -> HttpResponse:
    """What the machine decided by this version."""
    version, lines = find_version(name), list(Line.objects.for_user(caller(request)))
    rows = decisions_of(version, lines, now=timezone.now())
    return render(request, "automation/_decisions.html", {"version": version, "rows": rows})


@never_cache
@needs(May.READ_EVIDENCE)
@require_safe
def part_lineage(request: HttpRequest, pk: int) -> HttpResponse:
    """By which policy and version a part was decided. It serves the model's answers, which is on record."""
    part = find_judged(caller(request), pk)
    note_shown(user=caller(request), inspections=[part.pk], where="part lineage")
    return render(request, "automation/part_lineage.html", {"part": part, "descent": descent_of(part)})
