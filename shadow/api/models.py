"""Model versions and their answers over HTTP."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.actions.intake import find_line
from inspection.api import checked
from inspection.models import Line
from inspection.paging import NewestFirst, paged
from inspection.roles import May, caller, must, needs_to
from shadow.actions import register_earlier
from shadow.cards import current_assignments, health
from shadow.earlier import Declaration
from shadow.models import ModelVersion, Prediction
from shadow.reports import figure
from shadow.serializers import (
    AssignmentSerializer,
    DeclarationSerializer,
    ModelCardSerializer,
    ModelSerializer,
    PredictionSerializer,
)
from shadow.showing import note_shown
from shadow.versions import find_version


@extend_schema(methods=["GET"], responses=ModelSerializer(many=True))
@extend_schema(methods=["POST"], request=DeclarationSerializer, responses={201: ModelSerializer, 200: ModelSerializer})
@paged
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def models(request: Request) -> Response:
    """The registered model versions, newest first (GET); or register an earlier inspection system as one (POST, admins).

    The same declaration again answers 200, another under the same name 409. A trained version is registered by its training.
    """
    if request.method == "POST":
        must(caller(request), May.SET_UP)
        declaration = Declaration(**checked(DeclarationSerializer, request))
        version, new = register_earlier(declaration=declaration, by=caller(request))
        return Response(ModelSerializer(version).data, status=201 if new else 200)
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
@paged
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
