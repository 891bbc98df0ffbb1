"""The containments over HTTP: list, read with what surrounds the part, take on, close."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection import actions
from inspection.actions.containing import containments_on, find_containment
from inspection.api import asked, checked
from inspection.escapes import escape_of
from inspection.models import Containment, Inspection, User
from inspection.paging import NewestFirst, paged
from inspection.refusals import BadInput
from inspection.roles import May, caller, needs_to
from inspection.serializers import DispositionSerializer
from inspection.surroundings import surroundings_of
from inspection.views.queue import lines_asked


class ContainmentSerializer(serializers.ModelSerializer):
    serial = serializers.CharField(source="inspection.serial")
    lot = serializers.CharField(source="inspection.lot")
    line = serializers.CharField(source="inspection.line.slug")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    closed_by = serializers.CharField(source="closed_by.username", default=None, allow_null=True)

    class Meta:
        model = Containment
        fields = [
            "id", "inspection", "serial", "lot", "line", "reason", "opened_at", "opened_by", "owner", "cause", "closed_at",
            "closed_by",
        ]  # fmt: skip


class NeighbourSerializer(serializers.Serializer):
    """A part around the escaped one."""

    id = serializers.IntegerField(source="part.pk")
    serial = serializers.CharField(source="part.serial")
    lot = serializers.CharField(source="part.lot")
    station = serializers.CharField(source="part.station.slug", default=None, allow_null=True)
    received_at = serializers.DateTimeField(source="part.received_at")
    state = serializers.CharField(source="part.state")
    place = serializers.IntegerField(allow_null=True, help_text="-1: the part just before; null: only of the lot.")
    same_lot = serializers.BooleanField()
    passed = serializers.BooleanField()
    disposition = DispositionSerializer(allow_null=True)


class CountsSerializer(serializers.Serializer):
    parts = serializers.IntegerField()
    passed = serializers.IntegerField()
    rejected = serializers.IntegerField()
    open = serializers.IntegerField()


class SurroundingsSerializer(serializers.Serializer):
    """In the order in which the parts were received; of a large lot those nearest in time."""

    near = CountsSerializer()
    lot = CountsSerializer(allow_null=True)
    left_out = serializers.IntegerField(help_text="Parts of the lot that `parts` does not hold.")
    parts = NeighbourSerializer(many=True, source="rows")


class EscapeSerializer(serializers.Serializer):
    passed_at = serializers.DateTimeField()
    by_machine = serializers.BooleanField()
    found_at = serializers.DateTimeField()


class ContainmentWithSurroundingsSerializer(ContainmentSerializer):
    escape = EscapeSerializer(allow_null=True)
    surroundings = SurroundingsSerializer()

    class Meta(ContainmentSerializer.Meta):
        fields = [*ContainmentSerializer.Meta.fields, "escape", "surroundings"]


class NewOwnerSerializer(serializers.Serializer):
    owner = serializers.CharField(max_length=150, required=False, help_text="A user name; left out: the caller.")


class CauseSerializer(serializers.Serializer):
    cause = serializers.CharField(max_length=500)


@extend_schema(
    parameters=[OpenApiParameter(name, str) for name in ("open", "line", "cursor")],
    responses=ContainmentSerializer(many=True),
)
@paged
@api_view(["GET"])
@permission_classes([needs_to(May.SUPERVISE)])
def containments(request: Request) -> Response:
    """The containments, newest first; `?open=yes` or `?open=no` for those alone."""
    rows = containments_on(lines_asked(caller(request), asked(request, "line")))
    if word := asked(request, "open"):
        if word not in ("yes", "no"):
            raise BadInput(_("'open' is yes or no."))
        rows = rows.filter(closed_at__isnull=word == "yes")
    pages = NewestFirst()
    page = pages.paginate_queryset(rows, request) or []
    _note_shown([row.inspection for row in page], request)
    return pages.get_paginated_response(ContainmentSerializer(page, many=True).data)


def _note_shown(parts: list[Inspection], request: Request) -> None:
    actions.note_decisions_shown(inspections=parts, user=caller(request), where="api")


@extend_schema(responses=ContainmentWithSurroundingsSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.SUPERVISE)])
def containment(request: Request, pk: int) -> Response:
    """One containment, and the parts around it that may have to be blocked."""
    found = find_containment(pk, caller(request))
    around, escape = surroundings_of(found.inspection), escape_of(found)
    _note_shown([row.part for row in around.rows], request)
    told = {"escape": EscapeSerializer(escape).data if escape else None}
    told["surroundings"] = SurroundingsSerializer(around).data
    return Response(ContainmentSerializer(found).data | told)


@extend_schema(request=NewOwnerSerializer, responses=ContainmentSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def take(request: Request, pk: int) -> Response:
    """Name who owns a containment: the caller, or the user of that name."""
    found = find_containment(pk, caller(request))
    name = checked(NewOwnerSerializer, request).get("owner", caller(request).username)
    owner = User.objects.filter(username=name).first()
    if owner is None:
        raise BadInput(_("There is no user {name!r}.").format(name=name))
    taken = actions.take_containment(containment=found, owner=owner, by=caller(request))
    return Response(ContainmentSerializer(taken).data)


@extend_schema(request=CauseSerializer, responses=ContainmentSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def close(request: Request, pk: int) -> Response:
    """Close a containment with the cause that was found."""
    found = find_containment(pk, caller(request))
    cause = checked(CauseSerializer, request)["cause"]
    return Response(
        ContainmentSerializer(actions.close_containment(containment=found, cause=cause, by=caller(request))).data
    )
