"""Agreement over HTTP."""

from drf_spectacular.utils import OpenApiTypes, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.roles import May, caller, needs_to
from shadow.api.span import SPAN
from shadow.asked import one_of, read_asked
from shadow.reports import agreement_report
from shadow.serializers import (
    AgreementReportSerializer,
    AskedSerializer,
)
from shadow.tables import csv_response, report_json


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
