"""Agreement over HTTP: the report in four forms, and the pairs that it counts."""

from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.figures_read import note_figures_read
from inspection.models import Where
from inspection.roles import May, caller, needs_to
from inspection.sheets import csv_response, harmless
from shadow import audit_pdf, sheets
from shadow.api.report_serializers import AgreementReportSerializer, AskedSerializer, CountedPairPageSerializer
from shadow.api.span import NARROW, SPAN
from shadow.asked import one_of, read_asked
from shadow.dossier import Dossier, dossier
from shadow.pair_rows import PairRow, pair_chunks, pair_page, read_place
from shadow.persons import persons_called, persons_of_pairs, persons_of_report
from shadow.tables import csv_rows, report_json

PAGE = 500  # pairs of an answer in JSON
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _csv(found: Dossier, request: Request) -> HttpResponseBase:
    return csv_response(_name(found), csv_rows(found.report))


def _xlsx(found: Dossier, request: Request) -> HttpResponseBase:
    return _file(sheets.workbook(found, caller(request)), XLSX, f"{_name(found)}.xlsx")


def _pdf(found: Dossier, request: Request) -> HttpResponseBase:
    drawn = audit_pdf.report_pdf(found, caller(request), step=request.query_params.get("trend", ""))
    return _file(drawn, "application/pdf", f"{_name(found)}.pdf")


def _json(found: Dossier, request: Request) -> HttpResponseBase:
    return Response(report_json(found))


WAYS: dict[str, Callable[[Dossier, Request], HttpResponseBase]] = {
    "json": _json, "csv": _csv, "xlsx": _xlsx, "pdf": _pdf,
}  # fmt: skip


def _name(found: Dossier) -> str:
    """What a file is called: of plain letters, as slugs are."""
    line = found.asked.line.slug if found.asked.line else "lines"
    return f"agreement-{line}-by-{found.asked.group_by}"


def _file(data: bytes, kind: str, name: str) -> HttpResponse:
    return HttpResponse(data, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@extend_schema(
    parameters=[AskedSerializer, *SPAN, *NARROW],
    responses={
        (200, "application/json"): AgreementReportSerializer, (200, "text/csv"): OpenApiTypes.STR,
        (200, XLSX): OpenApiTypes.BINARY, (200, "application/pdf"): OpenApiTypes.BINARY,
    },
)  # fmt: skip
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def agreement(request: Request) -> HttpResponseBase:
    """How far people and a model agree: the 2x2 table, rates with 95 % intervals, groups, and what was left out."""
    format = one_of("format", request.query_params.get("format") or "json", tuple(WAYS))
    found = dossier(read_asked(request.query_params, caller(request)))
    note_figures_read(of=persons_of_report(found.report), where=Where.REPORT, line=found.asked.line, by=caller(request))
    return WAYS[format](found, request)


@extend_schema(
    parameters=[AskedSerializer, *SPAN, *NARROW, OpenApiParameter("after", str, description="As `next` gave it.")],
    responses={(200, "application/json"): CountedPairPageSerializer, (200, "text/csv"): OpenApiTypes.STR},
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def pairs(request: Request) -> HttpResponseBase:
    """The pairs that the report of the same query counts: a page of them, or all as CSV.

    Whoever reads them has been served the model's answers: their later verdicts on these parts are no blind ones.
    """
    format = one_of("format", request.query_params.get("format") or "json", ("json", "csv"))
    asked = read_asked(request.query_params, caller(request))
    after = read_place(request.query_params.get("after", ""))
    if format == "csv":
        note_figures_read(of=persons_of_pairs(asked), where=Where.PAIRS, line=asked.line, by=caller(request))
        name = f"pairs-{asked.line.slug if asked.line else 'lines'}"
        return csv_response(name, _pair_rows(pair_chunks(asked, caller(request), "export", after=after)))
    rows, following = pair_page(asked, caller(request), after, PAGE)
    told = persons_called((row["inspector"] for row in rows), caller(request))
    note_figures_read(of=told, where=Where.PAIRS, line=asked.line, by=caller(request))
    query = request.query_params.copy()
    query["after"] = str(following)
    next = request.build_absolute_uri(f"?{query.urlencode()}") if following else None
    return Response({"results": rows, "next": next})


# The texts that somebody has typed; the others are words, numbers and times of our own.
TYPED = tuple(
    PairRow._fields.index(name) for name in ("serial", "line", "station", "variant", "lot", "model", "inspector")
)


def _pair_rows(chunks: Iterator[list[PairRow]]) -> Iterator[list[Any]]:
    yield list(PairRow._fields)
    for chunk in chunks:
        for row in chunk:
            cells = list(row)
            for place in TYPED:
                cells[place] = harmless(str(cells[place] or ""))
            yield cells
