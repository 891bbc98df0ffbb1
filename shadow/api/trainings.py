"""Trainings of a line over HTTP: the same actions as the pages'."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.actions.intake import find_line
from inspection.api import checked
from inspection.paging import NewestFirst, paged
from inspection.roles import May, caller, must, needs_to
from shadow import actions
from shadow.api.training_serializers import NewTrainingSerializer, ReasonSerializer, TrainingSerializer
from shadow.models import TrainingRun
from shadow.training_page import find_training


@extend_schema(methods=["GET"], responses=TrainingSerializer(many=True))
@extend_schema(methods=["POST"], request=NewTrainingSerializer, responses={201: TrainingSerializer})
@paged
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def trainings(request: Request, line: str) -> Response:
    """The trainings of a line, newest first; POST starts one. It changes nothing at the line."""
    found = find_line(line, caller(request))
    if request.method == "POST":
        must(request.user, May.SUPERVISE)
        run = actions.start_training(line=found, by=caller(request), **checked(NewTrainingSerializer, request))
        return Response(TrainingSerializer(run).data, status=201)
    pages = NewestFirst()
    rows = TrainingRun.objects.filter(line=found).select_related("line", "version", "snapshot")
    page = pages.paginate_queryset(rows, request)
    return pages.get_paginated_response(TrainingSerializer(page, many=True).data)


@extend_schema(responses=TrainingSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def training(request: Request, line: str, pk: int) -> Response:
    """One training: how far it is, and what came of it beside the live version."""
    return _told(_find(request, line, pk))


@extend_schema(request=None, responses=TrainingSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def cancel(request: Request, line: str, pk: int) -> Response:
    """End a training; what it has learnt so far is kept."""
    return _told(actions.cancel_training(run=_find(request, line, pk), by=caller(request)))


@extend_schema(request=None, responses=TrainingSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def resume(request: Request, line: str, pk: int) -> Response:
    """Let a training that was cancelled or failed go on from its last epoch."""
    return _told(actions.resume_training(run=_find(request, line, pk), by=caller(request)))


@extend_schema(request=ReasonSerializer, responses=TrainingSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.PROPOSE)])
def let_shadow(request: Request, line: str, pk: int) -> Response:
    """Let the version that came of it score the line's new parts, as a candidate."""
    run = _find(request, line, pk)
    told: dict[str, Any] = checked(ReasonSerializer, request)
    actions.let_shadow(run=run, by=caller(request), reason=told["reason"])
    return _told(run)


def _find(request: Request, line: str, pk: int) -> TrainingRun:
    return find_training(pk, caller(request), find_line(line, caller(request)))


def _told(run: TrainingRun) -> Response:
    return Response(TrainingSerializer(run).data)
