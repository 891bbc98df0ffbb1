"""What is kept of whoever asks: who read figures of them, and all of it as a file."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inspection.figures_read import readings_of
from inspection.models import FiguresRead, Line
from inspection.roles import May, caller, needs

PER_PAGE = 50


@never_cache
@needs(May.JUDGE)
@require_safe
def own_data(request: HttpRequest) -> HttpResponse:
    """Who read figures of the person who asks, the newest first. Readers are called by their names: to read is an act."""
    page = Paginator(readings_of(caller(request)), PER_PAGE).get_page(request.GET.get("page"))
    lines = {line.slug: line for line in Line.objects.filter(slug__in={row.line for row in page})}
    rows = [(row, lines.get(row.line), _began(row, lines.get(row.line))) for row in page]
    return render(request, "inspection/own_data.html", {
        "page_obj": page, "rows": rows, "days": settings.KEEP_READINGS_DAYS,
    })  # fmt: skip


def _began(row: FiguresRead, line: Line | None) -> str:
    """The hour by the line's clock, or the site's."""
    return f"{row.hour.astimezone(ZoneInfo(line.time_zone if line else settings.TIME_ZONE)):%Y-%m-%d %H:%M}"
