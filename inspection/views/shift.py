"""The page of one's own shift; with `?fragment` only its inside, for a dialog."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inspection import shift
from inspection.actions.intake import find_line
from inspection.roles import May, caller, needs


@never_cache
@needs(May.JUDGE)
@require_safe
def shift_summary(request: HttpRequest, line: str) -> HttpResponse:
    """What the person who asks did in this shift."""
    place = find_line(line, caller(request))
    summary = shift.shift_summary(user=caller(request), line=place, now=timezone.now())
    template = "_shift" if "fragment" in request.GET else "shift_summary"
    return render(request, f"inspection/{template}.html", {"summary": summary, "line": place})
