"""The shadow over HTTP: agreement, discrepancies, model versions and their answers."""

from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.actions.intake import find_line
from inspection.api import checked
from inspection.models import Line
from inspection.paging import NewestFirst
from inspection.refusals import Unknown
from inspection.roles import May, caller, needs_to
from shadow import discrepancies as listing
from shadow.adjudicating import adjudicate
from shadow.cards import current_assignments, health
from shadow.models import ModelVersion, Prediction
from shadow.pairs import seen_by
from shadow.reports import agreement_report, figure, one_of, read_asked
from shadow.serializers import (
    AdjudicationSerializer,
    AgreementReportSerializer,
    AskedSerializer,
    AssignmentSerializer,
    DiscrepancyPageSerializer,
    DiscrepancySerializer,
    ModelCardSerializer,
    ModelSerializer,
    NewAdjudicationSerializer,
    PredictionSerializer,
)
from shadow.showing import note_shown
from shadow.tables import csv_response, report_json
from shadow.versions import find_version

SPAN = [OpenApiParameter(name, str, description="A day (2026-01-31) or a moment.") for name in ("from", "to")]


@extend_schema(
    parameters=[AskedSerializer, *SPAN],
    responses={(200, "application/json"): AgreementReportSerializer, (200, "text/csv"): OpenApiTypes.STR},
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def agreement(request: Request):
    """How far people and a model agree: the 2x2 table, rates with 95 % intervals, groups, and what was left out."""
    format = one_of("format", request.query_params.get("format") or "json", ("json", "csv"))
    report = agreement_report(read_asked(request.query_params, caller(request)))
    return csv_response(report) if format == "csv" else Response(report_json(report))


LISTED = [
    OpenApiParameter("kind", str, enum=listing.DIFFERING), OpenApiParameter("adjudicated", str, enum=["yes", "no"]),
    *[OpenApiParameter(name, str) for name in ("line", "model", "evidence")], *SPAN,
    OpenApiParameter("before", int, description="As `next` gave it."),
]  # fmt: skip


@extend_schema(parameters=LISTED, responses=DiscrepancyPageSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def discrepancies(request: Request) -> Response:
    """Parts on which person and model differ, newest first."""
    sought = listing.read_sought(request.query_params, caller(request))
    page = listing.find_pairs(sought, before=listing.read_cursor(request.query_params.get("before", "")))
    note_shown(user=caller(request), inspections=[pair.inspection_id for pair in page.pairs], where="api discrepancies")
    query = request.query_params.copy()
    query["before"] = str(page.next)
    next = request.build_absolute_uri(f"?{query.urlencode()}") if page.next else None
    return Response(
        {"results": DiscrepancySerializer(seen_by(caller(request), page.pairs), many=True).data, "next": next}
    )


@extend_schema(request=NewAdjudicationSerializer, responses={201: AdjudicationSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def adjudication(request: Request, pk: int) -> Response:
    """Settle a discrepancy: who was right, and why."""
    on_their_lines = Prediction.objects.filter(inspection__line__in=Line.objects.for_user(caller(request)))
    prediction = on_their_lines.select_related("inspection").filter(pk=pk).first()
    if prediction is None:
        raise Unknown(f"There is no prediction {pk} on your lines.")
    row = adjudicate(prediction=prediction, by=caller(request), **checked(NewAdjudicationSerializer, request))
    return Response(AdjudicationSerializer(row).data, status=201)


@extend_schema(responses=ModelSerializer(many=True))
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def models(request: Request) -> Response:
    """The registered model versions, newest first."""
    pages = NewestFirst()
    page = pages.paginate_queryset(ModelVersion.objects.all(), request)
    return pages.get_paginated_response(ModelSerializer(page, many=True).data)


@extend_schema(responses=ModelCardSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def model(request: Request, model: str) -> Response:
    """One model version by its name or number: card, lines, and how often it gave no answer lately."""
    version = find_version(model)
    return Response({
        **ModelSerializer(version).data, "thresholds": version.thresholds, "card": version.card,
        "lines": AssignmentSerializer(current_assignments(version, caller(request)), many=True).data,
        "nulls": figure(health(version).nulls),
    })  # fmt: skip


@extend_schema(
    parameters=[OpenApiParameter(name, str) for name in ("line", "model", "serial", "cursor")],
    responses=PredictionSerializer(many=True),
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def predictions(request: Request) -> Response:
    """The versions' answers, newest first. Reading one makes a later verdict of the reader on that part assisted."""
    found = Prediction.objects.filter(inspection__line__in=Line.objects.for_user(caller(request)))
    if line := request.query_params.get("line"):
        found = found.filter(inspection__line=find_line(line, caller(request)))
    if model := request.query_params.get("model"):
        found = found.filter(version=find_version(model))
    if serial := request.query_params.get("serial"):
        found = found.filter(inspection__serial=serial)
    pages = NewestFirst()
    page = pages.paginate_queryset(found.select_related("inspection", "version"), request) or []
    note_shown(user=caller(request), inspections=[row.inspection_id for row in page], where="api predictions")
    return pages.get_paginated_response(PredictionSerializer(page, many=True).data)
