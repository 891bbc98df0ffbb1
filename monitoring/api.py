"""The alarms over HTTP."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.api import checked
from inspection.paging import NewestFirst
from inspection.roles import May, caller, needs_to
from monitoring.actions import acknowledge_alarm, close_alarm
from monitoring.alarms import STATES, alarms_of, find_alarm
from monitoring.serializers import AlarmSerializer, CommentSerializer


@extend_schema(
    parameters=[OpenApiParameter("line", str), OpenApiParameter("state", str, enum=STATES)],
    responses=AlarmSerializer(many=True),
)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def alarms(request: Request) -> Response:
    """The alarms of the reader's lines, newest first."""
    asked = request.query_params
    pages = NewestFirst()
    found = alarms_of(caller(request), line=asked.get("line", ""), state=asked.get("state", ""))
    page = pages.paginate_queryset(found, request)
    return pages.get_paginated_response(AlarmSerializer(page, many=True).data)


@extend_schema(request=CommentSerializer, responses=AlarmSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def acknowledge(request: Request, pk: int) -> Response:
    """Say that one is on it; a comment may be given."""
    alarm = find_alarm(pk, caller(request))
    acknowledge_alarm(alarm=alarm, by=caller(request), **checked(CommentSerializer, request))
    return Response(AlarmSerializer(alarm).data)


@extend_schema(request=CommentSerializer, responses=AlarmSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def close(request: Request, pk: int) -> Response:
    """Close an alarm; the comment says what was found."""
    alarm = find_alarm(pk, caller(request))
    close_alarm(alarm=alarm, by=caller(request), **checked(CommentSerializer, request))
    return Response(AlarmSerializer(alarm).data)
