"""The inspectors as gauges over HTTP: their figures, the parts of known truth, planned studies."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection import actions
from inspection.actions.intake import find_line
from inspection.api import checked
from inspection.figures_read import note_figures_read
from inspection.models import Inspection, Line, Reference, Study, User, Where
from inspection.paging import NewestFirst, paged
from inspection.refusals import BadInput
from inspection.roles import May, caller, must, needs_to
from inspection.sheets import csv_response
from inspection.sight import find_judged
from shadow.api.gauge_serializers import (
    GaugeReportSerializer,
    GaugesAskedSerializer,
    NewReferenceSerializer,
    NewStudySerializer,
    PooledReferenceSerializer,
    ReferenceSerializer,
    StudyResultSerializer,
    StudySerializer,
)
from shadow.api.span import DAYS
from shadow.asked import one_of
from shadow.desk import keep_known
from shadow.gauge_report import GaugeReport, gauge_report
from shadow.gauge_tables import progress_json, report_json, study_json, trial_rows
from shadow.gauges import find_study, line_asked, read_wanted, wanted_of
from shadow.narrowing import find_inspector
from shadow.persons import persons_of_study
from shadow.reference_pool import find_part, find_reference, pool_rows, references_of
from shadow.study_page import standing_of

FORMATS = ("json", "csv")


@extend_schema(
    parameters=[GaugesAskedSerializer, *DAYS],
    responses={(200, "application/json"): GaugeReportSerializer, (200, "text/csv"): OpenApiTypes.STR},
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def inspectors(request: Request) -> HttpResponseBase:
    """The attribute study of a line's inspectors, the consensus, and misses by the hour of the shift; CSV: each answer."""
    wanted = read_wanted(request.query_params, caller(request))
    report = gauge_report(wanted, caller(request))
    return _told(request, report, f"answers-of-{wanted.line.slug}", report_json)


def _told(request: Request, report: GaugeReport, name: str, as_json: Any) -> HttpResponseBase:
    format = one_of("format", request.query_params.get("format") or "json", FORMATS)
    study = report.wanted.study
    of = persons_of_study(report, study) if study else report.called
    where = Where.STUDY if study else Where.INSPECTORS
    note_figures_read(of=of, where=where, line=report.wanted.line, by=caller(request))
    return csv_response(name, trial_rows(report)) if format == "csv" else Response(as_json(report))


# ---- References


@extend_schema(
    methods=["GET"],
    parameters=[OpenApiParameter("line", str), OpenApiParameter("retired", str, enum=["yes", "no"]), OpenApiParameter("cursor", str)],
    responses=PooledReferenceSerializer(many=True),
)  # fmt: skip
@extend_schema(methods=["POST"], request=NewReferenceSerializer, responses={201: ReferenceSerializer})
@paged
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def references(request: Request) -> Response:
    """The parts of known truth of a line, newest first (GET), or keep a judged part as one (POST)."""
    if request.method == "POST":
        must(caller(request), May.SUPERVISE)
        return _keep(request)
    line = line_asked(request.query_params.get("line", ""), caller(request))
    rows = references_of(line)
    if retired := request.query_params.get("retired"):
        rows = rows.filter(retired_at__isnull=one_of("retired", retired, ("yes", "no")) == "no")
    pages = NewestFirst()
    page: list[Any] = pages.paginate_queryset(rows.select_related("inspection__line"), request) or []
    told = [
        ReferenceSerializer(row.reference).data
        | {"shown": row.shown, "right": row.right, "wrong": row.wrong, "unsure": row.unsure}
        for row in pool_rows(line, page)
    ]
    return pages.get_paginated_response(told)


def _keep(request: Request) -> Response:
    sent = checked(NewReferenceSerializer, request)
    part = _part(sent, caller(request))
    kept = keep_known(inspection=part, truth=sent["truth"], reason=sent["reason"], by=caller(request))
    return Response(ReferenceSerializer(kept).data, status=201)


def _part(sent: dict[str, Any], by: User) -> Inspection:
    if "inspection" in sent:
        return find_judged(by, sent["inspection"])
    if not sent.get("serial") or not sent.get("line"):
        raise BadInput("Name the part: its 'inspection', or its 'line' and 'serial'.")
    return find_part(find_line(sent["line"], by), sent["serial"])


@extend_schema(request=None, responses=ReferenceSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def retire_reference(request: Request, pk: int) -> Response:
    """Show a reference no more. A second call is harmless."""
    reference = actions.retire_reference(reference=find_reference(pk, caller(request)), by=caller(request))
    return Response(ReferenceSerializer(reference).data)


# ---- Studies


@extend_schema(
    methods=["GET"], parameters=[OpenApiParameter(name, str) for name in ("line", "cursor")],
    responses=StudySerializer(many=True),
)  # fmt: skip
@extend_schema(methods=["POST"], request=NewStudySerializer, responses={201: StudySerializer})
@paged
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def studies(request: Request) -> Response:
    """Planned studies, newest first (GET), or start one (POST)."""
    if request.method == "POST":
        must(caller(request), May.SUPERVISE)
        return _start(request)
    rows = Study.objects.filter(line__in=Line.objects.for_user(caller(request)))
    if line := request.query_params.get("line"):
        rows = rows.filter(line=find_line(line, caller(request)))
    pages = NewestFirst()
    page: list[Any] = pages.paginate_queryset(rows.select_related("line", "by"), request) or []
    for row in page:
        taking_part = row.inspectors.values_list("pk", flat=True)
        note_figures_read(of=taking_part, where=Where.STUDY, line=row.line, by=caller(request))
    return pages.get_paginated_response([_study(row, caller(request)) for row in page])


def _start(request: Request) -> Response:
    sent = checked(NewStudySerializer, request)
    line = find_line(sent["line"], caller(request))
    chosen = Reference.objects.filter(pk__in=sent["references"], inspection__line=line)
    people = [find_inspector(called, caller(request)) for called in sent["inspectors"]]
    started = actions.start_study(
        line=line, name=sent["name"], references=list(chosen), inspectors=people, rounds=sent["rounds"], by=caller(request)
    )  # fmt: skip
    return Response(_study(started, caller(request)), status=201)


@extend_schema(
    parameters=[OpenApiParameter("format", str, enum=FORMATS)],
    responses={(200, "application/json"): StudyResultSerializer, (200, "text/csv"): OpenApiTypes.STR},
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def study(request: Request, pk: int) -> HttpResponseBase:
    """How far a study is and what it came to; CSV: each answer."""
    found = find_study(pk, caller(request))
    report = gauge_report(wanted_of(found), caller(request))

    def as_json(report: GaugeReport) -> dict[str, Any]:
        preliminary = standing_of(found, caller(request)).preliminary
        return {**_study(found, caller(request)), "preliminary": preliminary, "results": study_json(report.study)}

    return _told(request, report, f"study-{found.pk}", as_json)


@extend_schema(request=None, responses=StudySerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def close_study(request: Request, pk: int) -> Response:
    """End a study: what was answered stays. A second call is harmless."""
    closed = actions.close_study(study=find_study(pk, caller(request)), by=caller(request))
    return Response(_study(closed, caller(request)))


def _study(row: Study, reader: User) -> dict[str, Any]:
    standing = standing_of(row, reader)
    return {
        "id": row.pk, "name": row.name, "line": row.line.slug, "rounds": row.rounds, "references": standing.references,
        "by": row.by.username, "at": row.at, "closed_at": row.closed_at, "state": standing.state,
        "progress": progress_json(row, reader),
    }  # fmt: skip
