"""Halts that are asked for, over HTTP: ask, read what was asked, decline. Halting the line grants them."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection import actions
from inspection.actions.halting import find_halt_request
from inspection.actions.intake import find_line
from inspection.api import asked, checked
from inspection.models import HaltAnswer, HaltRequest
from inspection.paging import NewestFirst, paged
from inspection.people import usernames_for
from inspection.reasons import ReasonField
from inspection.refusals import BadInput
from inspection.roles import May, caller, needs_to, oversees
from inspection.views.queue import lines_asked


class NewHaltRequestSerializer(serializers.Serializer):
    line = serializers.CharField(max_length=40)
    reason = ReasonField()


class DecliningSerializer(serializers.Serializer):
    reason = ReasonField()


class HaltAnswerSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")

    class Meta:
        model = HaltAnswer
        fields = ["granted", "reason", "by", "at"]


class HaltRequestSerializer(serializers.ModelSerializer):
    """A request; who asked is called by a pseudonym, as whoever judges is."""

    line = serializers.CharField(source="line.slug")
    by = serializers.SerializerMethodField()
    answer = HaltAnswerSerializer(allow_null=True, default=None)

    class Meta:
        model = HaltRequest
        fields = ["id", "line", "reason", "by", "at", "answer"]

    def get_by(self, row: HaltRequest) -> str:
        return usernames_for(self.context["request"].user, [row.by_id])[row.by_id]


def _shown(request: Request, row: HaltRequest) -> Response:
    return Response(HaltRequestSerializer(row, context={"request": request}).data, status=201)


@extend_schema(
    methods=["GET"], parameters=[OpenApiParameter(name, str) for name in ("line", "open", "cursor")],
    responses=HaltRequestSerializer(many=True),
)  # fmt: skip
@extend_schema(methods=["POST"], request=NewHaltRequestSerializer, responses={201: HaltRequestSerializer})
@paged
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.JUDGE)])
def halt_requests(request: Request) -> Response:
    """Ask that a line be halted (POST), or read what was asked, newest first (GET): an inspector what they asked
    themselves, others all on their lines. `?open=yes` or `?open=no` for those without or with an answer."""
    if request.method == "POST":
        sent = checked(NewHaltRequestSerializer, request)
        line = find_line(sent["line"], caller(request))
        return _shown(request, actions.request_halt(line=line, by=caller(request), reason=sent["reason"]))
    rows = HaltRequest.objects.filter(line__in=lines_asked(caller(request), asked(request, "line")))
    if not oversees(caller(request)):
        rows = rows.filter(by=caller(request))
    if word := asked(request, "open"):
        if word not in ("yes", "no"):
            raise BadInput(_("'open' is yes or no."))
        rows = rows.filter(answer__isnull=word == "yes")
    pages = NewestFirst()
    page = pages.paginate_queryset(rows.select_related("line", "answer__by"), request) or []
    return pages.get_paginated_response(HaltRequestSerializer(page, many=True, context={"request": request}).data)


@extend_schema(request=DecliningSerializer, responses={201: HaltRequestSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def decline(request: Request, pk: int) -> Response:
    """Let the line go on, with a reason for whoever asked. To grant a request, halt the line."""
    row = find_halt_request(pk, caller(request))
    actions.decline_halt(asked=row, by=caller(request), reason=checked(DecliningSerializer, request)["reason"])
    return _shown(request, find_halt_request(pk, caller(request)))
