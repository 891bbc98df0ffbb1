"""Discrepancies over HTTP: list and settle."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.api import checked
from inspection.models import Line
from inspection.refusals import Unknown
from inspection.roles import May, caller, needs_to
from shadow import discrepancies as listing
from shadow.adjudicating import adjudicate
from shadow.api.span import SPAN
from shadow.models import Prediction
from shadow.pairs import seen_by
from shadow.serializers import (
    AdjudicationSerializer,
    DiscrepancyPageSerializer,
    DiscrepancySerializer,
    NewAdjudicationSerializer,
)
from shadow.showing import note_shown

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
