"""Dispositions over HTTP for the systems that run a factory: as a file that streams, or on from where the last one ended."""

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request

from automation.exporting import CSV, FORMATS, csv_rows, json_lines, one_of_formats, read_wanted, records
from inspection.api import asked
from inspection.roles import May, caller, needs_to
from inspection.sheets import csv_response

NEXT = "Shadowline-Next"
PARAMETERS = [
    OpenApiParameter("line", str, description="A line's short name; without one, all lines of the account."),
    OpenApiParameter("from", str, description="First working day (2026-01-31) of the line, or a moment with its zone."),
    OpenApiParameter("to", str, description="Last working day, or the moment before which."),
    OpenApiParameter("shift", str, description="Only the shift of this name."),
    OpenApiParameter("after", int, description="Only dispositions with a greater `id`: the last one that one has."),
    OpenApiParameter("format", str, enum=FORMATS, default=CSV, description="CSV, or one JSON object a line."),
    OpenApiParameter(
        NEXT, int, OpenApiParameter.HEADER, response=[200],
        description="The `after` of the next question, where this one asked for neither a span nor a shift.",
    ),
]  # fmt: skip


@extend_schema(
    parameters=PARAMETERS,
    responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR},
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def export(request: Request) -> HttpResponseBase:
    """What became of parts, oldest first: of working days, of a shift, or on from the last `id` that one has.

    Columns keep their names and order; new ones are added at the end. Dispositions of the last half minute come with the
    next question. Whoever reads what the machine decided is no longer offered those parts blind: give the other system an
    account of its own.
    """
    format = one_of_formats(asked(request, "format") or CSV)
    wanted = read_wanted({name: asked(request, name) for name in request.query_params}, caller(request))
    found = records(wanted, by=caller(request))
    if format == CSV:
        response = csv_response("dispositions", csv_rows(found))
    else:
        named = {"Content-Disposition": 'attachment; filename="dispositions.jsonl"'}
        response = StreamingHttpResponse(
            json_lines(found), content_type="application/x-ndjson; charset=utf-8", headers=named
        )
    if wanted.following is not None:
        response[NEXT] = str(max(wanted.following, wanted.after))
    return response
