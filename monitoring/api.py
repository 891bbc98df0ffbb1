"""The alarms over HTTP."""

from django.db.models import Prefetch, prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.api import checked
from inspection.paging import NewestFirst, paged
from inspection.roles import May, caller, needs_to
from monitoring.actions import acknowledge_alarm, close_alarm
from monitoring.alarms import STATES, alarms_of, find_alarm, findings_read
from monitoring.figures import tells_answers
from monitoring.serializers import (
    AcknowledgementSerializer,
    AlarmDetailSerializer,
    AlarmSerializer,
    ClosingSerializer,
)
from shadow.showing import note_shown


@extend_schema(
    parameters=[OpenApiParameter("line", str), OpenApiParameter("state", str, enum=STATES)],
    responses=AlarmSerializer(many=True),
)
@paged
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def alarms(request: Request) -> Response:
    """The alarms of the reader's lines, newest first."""
    asked = request.query_params
    pages = NewestFirst()
    found = alarms_of(caller(request), line=asked.get("line", ""), state=asked.get("state", ""))
    page = pages.paginate_queryset(found, request)
    return pages.get_paginated_response(AlarmSerializer(page, many=True).data)


@extend_schema(responses=AlarmDetailSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def alarm(request: Request, pk: int) -> Response:
    """One alarm with what was found for it, in the order in which it was seen.

    Parts that were chosen by a model's answer are noted as shown: the reader is no longer offered them blind.
    """
    found = find_alarm(pk, caller(request))
    prefetch_related_objects([found], Prefetch("findings", findings_read()))
    told = [finding for finding in found.findings.all() if tells_answers(finding.stream.figure)]
    parts = {part for finding in told for part in (finding.part, *finding.examples) if part}
    note_shown(user=caller(request), inspections=sorted(parts), where="alarm")
    return Response(AlarmDetailSerializer(found).data)


@extend_schema(request=AcknowledgementSerializer, responses=AlarmSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def acknowledge(request: Request, pk: int) -> Response:
    """Say that one is on it, for good or until a time; a comment may be given."""
    by = caller(request)
    acknowledge_alarm(alarm=find_alarm(pk, by), by=by, **checked(AcknowledgementSerializer, request))
    return Response(AlarmSerializer(find_alarm(pk, by)).data)


@extend_schema(request=ClosingSerializer, responses=AlarmSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def close(request: Request, pk: int) -> Response:
    """Close an alarm; the comment says what was found, and the cause what it was."""
    by = caller(request)
    close_alarm(alarm=find_alarm(pk, by), by=by, **checked(ClosingSerializer, request))
    return Response(AlarmSerializer(find_alarm(pk, by)).data)
