"""What became of parts afterwards, over HTTP: a station follows how dispositions that it was told of have changed."""

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection import actions
from inspection.api import asked
from inspection.disposition_records import newest_settled
from inspection.models import Disposition, Line, User
from inspection.planning import unindexed
from inspection.refusals import BadInput, NotAllowed
from inspection.roles import May, caller, judges_blind, may, needs_to
from inspection.serializers import DispositionSerializer

MANY = 200  # in one answer


class DispositionChangeSerializer(serializers.Serializer):
    """A part's disposition that took the place of an earlier one, with the fields by which the part was sent."""

    inspection = serializers.IntegerField(source="inspection.pk")
    key = serializers.CharField(source="inspection.idempotency_key", allow_null=True)
    serial = serializers.CharField(source="inspection.serial")
    line = serializers.CharField(source="inspection.line.slug")
    station = serializers.CharField(source="inspection.station.slug", default="")
    lot = serializers.CharField(source="inspection.lot")
    variant = serializers.CharField(source="inspection.variant.name", default="")
    captured_at = serializers.DateTimeField(source="inspection.captured_at")
    disposition = DispositionSerializer(source="*")


class ChangesSerializer(serializers.Serializer):
    results = DispositionChangeSerializer(many=True)
    next = serializers.IntegerField(help_text="The 'after' of the next question.")


@extend_schema(parameters=[OpenApiParameter("after", int)], responses=ChangesSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.SEND)])
def changes(request: Request) -> Response:
    """The caller's own parts whose disposition changed after that number, oldest first; without one, where to begin."""
    user = caller(request)
    if judges_blind(user):
        raise NotAllowed(
            _("Who judges parts cannot follow how their dispositions change. Ask with a station's account.")
        )
    upto = newest_settled(timezone.now())
    if not (after := asked(request, "after")):
        return Response({"results": [], "next": upto})
    if not after.isdecimal() or int(after) > BigIntegerField.MAX_BIGINT:
        raise BadInput(_("'after' is the number that the last answer gave as 'next'."))
    found = list(changed_for(user, after=int(after), upto=upto)[:MANY])
    if may(user, May.JUDGE):
        actions.note_decisions_shown(inspections=[row.inspection for row in found], user=user, where="api")
    following = found[-1].pk if len(found) == MANY else upto
    return Response({"results": DispositionChangeSerializer(found, many=True).data, "next": following})


def changed_for(user: User, *, after: int, upto: int) -> QuerySet[Disposition]:
    """The dispositions in (after, upto] that took the place of an earlier one, of parts that this user has sent."""
    earlier = Disposition.objects.filter(inspection=OuterRef("inspection"), pk__lt=OuterRef("pk"))
    # By the range of keys: SQLite else begins with all the parts that this user has ever sent.
    rows = Disposition.objects.alias(
        sender=unindexed("inspection__received_by"), on_line=unindexed("inspection__line")
    )  # fmt: skip
    rows = rows.filter(Exists(earlier), pk__gt=after, pk__lte=upto, sender=user.pk)
    rows = rows.filter(on_line__in=Line.objects.for_user(user).values("pk"))
    rows = rows.select_related("inspection__line", "inspection__station", "inspection__variant")
    return rows.prefetch_related("inspection__dispositions").order_by("pk")
