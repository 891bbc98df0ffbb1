"""Edge scoring over HTTP: a station asks whether it may decide while the network is down, and fetches what it decides by."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, OpenApiTypes, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from automation import actions, edge_key
from automation.edge_bundles import content_of, end_of, find_bundle, ticket_json
from automation.edge_rules import HOURS, LEAST_HOURS, MOST, MOST_HOURS, MOST_OF_ALL
from automation.models import EdgeBundle
from inspection.actions.intake import find_line, find_station
from inspection.api import asked, checked
from inspection.models import Line, Station
from inspection.reasons import ReasonField
from inspection.refusals import BadInput
from inspection.roles import May, caller, must, needs_to


class TicketSerializer(serializers.Serializer):
    """That a bundle may be used until `ends_at`; `signature` is over the canonical JSON of the other fields."""

    bundle = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of the bundle's file.")
    line = serializers.CharField()
    station = serializers.CharField()
    issued_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    signature = serializers.CharField(help_text="Ed25519, 64 bytes in base64.")


class EdgeSerializer(serializers.Serializer):
    ticket = TicketSerializer(allow_null=True)
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why there is no ticket.")
    public_key = serializers.CharField(help_text="Ed25519, 32 bytes in base64.")


class NewBundleSerializer(serializers.Serializer):
    station = serializers.CharField(max_length=40)
    hours = serializers.IntegerField(
        required=False, default=HOURS, min_value=LEAST_HOURS, max_value=MOST_HOURS,
        help_text="That a ticket holds after the server last renewed it.",
    )  # fmt: skip
    most = serializers.IntegerField(
        required=False, default=MOST, min_value=1, max_value=MOST_OF_ALL, help_text="Parts that are decided by it."
    )


class EndSerializer(serializers.Serializer):
    reason = ReasonField()


class BundleSerializer(serializers.ModelSerializer):
    line = serializers.CharField(source="line.slug")
    station = serializers.CharField(source="station.slug")
    policy = serializers.IntegerField(source="policy.number")
    version = serializers.CharField(source="version.name")
    strata = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()),
        allow_null=True, help_text="Pairs of station and variant that are certified; null: all are.",
    )  # fmt: skip
    ended_at = serializers.SerializerMethodField(help_text="null: it has not ended.")
    ended_why = serializers.SerializerMethodField()

    class Meta:
        model = EdgeBundle
        fields = [
            "number", "line", "station", "policy", "version", "pass_below", "reject_from", "strata", "most", "hours",
            "sha256", "by", "at", "ended_at", "ended_why",
        ]  # fmt: skip

    def get_ended_at(self, bundle: EdgeBundle) -> str | None:
        ending = end_of(bundle)
        return ending.at.isoformat() if ending else None

    def get_ended_why(self, bundle: EdgeBundle) -> str:
        ending = end_of(bundle)
        return ending.why if ending else ""


def must_be_named(line: Line, slug: str) -> Station:
    """The line's station of that slug. Raises BadInput where none is named or known."""
    station = find_station(line, slug)
    if station is None:
        raise BadInput("Say which station: 'station' is its slug.")
    return station


@extend_schema(parameters=[OpenApiParameter("station", str, required=True)], responses=EdgeSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.SEND)])
def edge(request: Request, slug: str) -> Response:
    """The ticket by which the station may decide while the network is down, renewed; or the reasons why it may not."""
    line = find_line(slug, caller(request))
    found = actions.ticket_for(line=line, station=must_be_named(line, asked(request, "station")))
    ticket = ticket_json(found.bundle, found.ticket) if found.bundle and found.ticket else None
    answer = {"ticket": ticket, "reasons": found.reasons, "public_key": edge_key.public_key()}
    return Response(answer, headers={"Cache-Control": "no-store"})


@extend_schema(methods=["GET"], responses=BundleSerializer(many=True))
@extend_schema(methods=["POST"], request=NewBundleSerializer, responses={201: BundleSerializer})
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def bundles(request: Request, slug: str) -> Response:
    """The line's bundles, the newest first (GET); or make one for a station (POST). What forbids it: 409 with the reasons."""
    line = find_line(slug, caller(request))
    if request.method == "POST":
        must(caller(request), May.PROPOSE)
        sent = checked(NewBundleSerializer, request)
        station = must_be_named(line, sent.pop("station"))
        bundle = actions.export_bundle(line=line, station=station, by=caller(request), **sent)
        return Response(BundleSerializer(bundle).data, status=201)
    rows = EdgeBundle.objects.filter(line=line).select_related("line", "station", "policy", "version")
    return Response(BundleSerializer(rows.defer("version__card")[:100], many=True).data)


@extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY, 304: OpenApiResponse(description="As known")})
@api_view(["GET"])
@permission_classes([needs_to(May.SEND)])
def bundle_file(request: Request, slug: str, number: int) -> HttpResponse:
    """The file of a bundle; its ETag is its SHA-256."""
    bundle = find_bundle(find_line(slug, caller(request)), number)
    etag = f'"{bundle.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    name = f"bundle-{bundle.line.slug}-{bundle.number}.zip"
    headers = {"ETag": etag, "Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content_of(bundle), content_type="application/zip", headers=headers)


@extend_schema(request=EndSerializer, responses={201: BundleSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def end_bundle(request: Request, slug: str, number: int) -> Response:
    """End a bundle. Ended already: 409 with how."""
    bundle = find_bundle(find_line(slug, caller(request)), number)
    actions.end_bundle(bundle=bundle, by=caller(request), **checked(EndSerializer, request))
    return Response(BundleSerializer(bundle).data, status=201)
