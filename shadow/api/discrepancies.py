"""Discrepancies over HTTP: list them, settle them, and use the part."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.api import checked
from inspection.figures_read import note_figures_read
from inspection.models import Where
from inspection.roles import May, caller, needs_to
from shadow import desk
from shadow import discrepancies as listing
from shadow.adjudicating import adjudicate
from shadow.api.discrepancy_serializers import (
    KnownTruthSerializer,
    LimitSampleSerializer,
    NewKnownTruthSerializer,
    NewLimitSampleSerializer,
    NewSecondLookSerializer,
    NewTrainingPartSerializer,
    SecondLookSerializer,
    TrainingPartSerializer,
)
from shadow.api.span import NARROW, SPAN
from shadow.pairs import seen_by
from shadow.persons import persons_narrowed
from shadow.serializers import (
    AdjudicationSerializer,
    DiscrepancyPageSerializer,
    DiscrepancySerializer,
    NewAdjudicationSerializer,
)
from shadow.showing import note_shown

LISTED = [
    OpenApiParameter("kind", str, enum=listing.DIFFERING), OpenApiParameter("adjudicated", str, enum=["yes", "no"]),
    *[OpenApiParameter(name, str) for name in ("line", "model", "evidence")], *SPAN, *NARROW,
    OpenApiParameter("score_from", float), OpenApiParameter("score_below", float),
    OpenApiParameter("age", str, enum=listing.AGES, description="Received today, or more than so many days ago."),
    OpenApiParameter("order", str, enum=listing.ORDERS, description="surest: the model's surest mistakes first."),
    OpenApiParameter("before", int, description="As `next` gave it."),
]  # fmt: skip


@extend_schema(parameters=LISTED, responses=DiscrepancyPageSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def discrepancies(request: Request) -> Response:
    """Parts on which person and model differ, newest first or the surest mistakes first."""
    sought = listing.read_sought(request.query_params, caller(request))
    of = persons_narrowed(sought.narrow)
    note_figures_read(of=of, where=Where.DISCREPANCIES, line=sought.line, by=caller(request))
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
    prediction = listing.find_prediction(pk, caller(request))
    row = adjudicate(prediction=prediction, by=caller(request), **checked(NewAdjudicationSerializer, request))
    return Response(AdjudicationSerializer(row).data, status=201)


@extend_schema(request=NewSecondLookSerializer, responses={201: SecondLookSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def second_look(request: Request, pk: int) -> Response:
    """Have the part judged blind once more by somebody else; while one look waits, that one is answered."""
    fields = checked(NewSecondLookSerializer, request)
    row = desk.look_again(prediction=listing.find_prediction(pk, caller(request)), by=caller(request), **fields)
    return Response(SecondLookSerializer(row).data, status=201)


@extend_schema(request=NewTrainingPartSerializer, responses={201: TrainingPartSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def teach(request: Request, pk: int) -> Response:
    """Put a settled part into the training set, or leave it out of the training."""
    fields = checked(NewTrainingPartSerializer, request)
    row = desk.teach_settled(prediction=listing.find_prediction(pk, caller(request)), by=caller(request), **fields)
    return Response(TrainingPartSerializer(row).data, status=201)


@extend_schema(request=NewLimitSampleSerializer, responses={201: LimitSampleSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.KEEP_SAMPLES)])
def sample(request: Request, pk: int) -> Response:
    """Add a photo of a settled part to the limit samples that inspectors see."""
    fields = checked(NewLimitSampleSerializer, request)
    row = desk.show_settled(
        prediction=listing.find_prediction(pk, caller(request)),
        position=fields["photo"],
        caption=fields["caption"],
        by=caller(request),
    )
    return Response(LimitSampleSerializer(row).data, status=201)


@extend_schema(request=NewKnownTruthSerializer, responses={201: KnownTruthSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def reference(request: Request, pk: int) -> Response:
    """Keep a settled part as one of known truth, which is mixed in to measure the inspectors."""
    fields = checked(NewKnownTruthSerializer, request)
    row = desk.keep_settled(prediction=listing.find_prediction(pk, caller(request)), by=caller(request), **fields)
    return Response(KnownTruthSerializer(row).data, status=201)
