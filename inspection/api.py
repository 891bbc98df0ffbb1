"""The floor over HTTP: send parts, claim, judge, correct, read."""

from django.conf import settings
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, parser_classes, permission_classes
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from inspection import actions
from inspection.actions.intake import find_line
from inspection.models import ApiToken, AuditEvent, Inspection, Lease, Line, User, Verdict
from inspection.paging import NewestFirst
from inspection.refusals import BadInput, Conflict, Unknown
from inspection.roles import May, Role, may, must, needs_to, oversees, roles_of
from inspection.serializers import (
    AuditEventSerializer,
    ClaimSerializer,
    CorrectionSerializer,
    DispositionSerializer,
    InspectionSerializer,
    LeaseReasonSerializer,
    LeaseSerializer,
    LeaseTokenSerializer,
    LineNameSerializer,
    MarkedDefectSerializer,
    NewCorrectionSerializer,
    NewInspectionSerializer,
    NewVerdictSerializer,
    VerdictAnswerSerializer,
    VerdictSerializer,
)
from inspection.waiting import wait_for_disposition


def checked(serializer_class, request: Request) -> dict:
    """The request's fields, or the errors that say which are wrong (400)."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def readable(user: User) -> QuerySet[Inspection]:
    """The inspections that a user may read: a station its own, an inspector those held or judged, others all."""
    parts = Inspection.objects.filter(line__in=Line.objects.for_user(user))
    if oversees(user):
        return parts
    if Role.STATION in roles_of(user):
        return parts.filter(received_by=user)
    held = Lease.objects.filter(user=user).values("inspection")
    judged = Verdict.objects.filter(inspector=user).values("inspection")
    return parts.filter(Q(pk__in=held) | Q(pk__in=judged))


def find_readable(user: User, pk: int) -> Inspection:
    inspection = readable(user).select_related("line", "station", "variant").filter(pk=pk).first()
    if inspection is None:
        raise Unknown(f"There is no inspection {pk} that you may read.")
    return inspection


def find_judged(user: User, pk: int) -> Inspection:
    """An inspection of a line that the user works on; whether they hold it is the lease's question."""
    inspection = Inspection.objects.select_related("line").filter(pk=pk).first()
    if inspection is None or not Line.objects.for_user(user).filter(pk=inspection.line_id).exists():
        raise Unknown(f"There is no inspection {pk} on your lines.")
    return inspection


LIST_FILTERS = [OpenApiParameter(name, str) for name in ("serial", "line", "state", "cursor")]


@extend_schema(methods=["GET"], parameters=LIST_FILTERS, responses=InspectionSerializer(many=True))
@extend_schema(
    methods=["POST"], request=NewInspectionSerializer, responses={201: InspectionSerializer, 200: InspectionSerializer},
    parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
)  # fmt: skip
@api_view(["GET", "POST"])
@parser_classes([MultiPartParser, JSONParser])
@permission_classes([needs_to(May.READ_PARTS)])
def inspections(request: Request) -> Response:
    """Send a part with its photos (POST), or list parts newest first (GET)."""
    if request.method == "POST":
        must(request.user, May.SEND)
        return _receive(request)
    parts = readable(request.user).select_related("line", "station", "variant").prefetch_related("photos")
    for name, field in {"serial": "serial", "line": "line__slug", "state": "state"}.items():
        if value := request.query_params.get(name):
            parts = parts.filter(**{field: value})
    pages = NewestFirst()
    page = pages.paginate_queryset(parts, request)
    return pages.get_paginated_response(InspectionSerializer(page, many=True, context={"request": request}).data)


def _receive(request: Request) -> Response:
    limit = settings.PHOTO_MAX_BYTES * actions.MAX_PHOTOS + settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise BadInput(f"The request is larger than {limit:,} bytes. Send at most 8 photos of {settings.PHOTO_MAX_BYTES:,}.")
    fields = checked(NewInspectionSerializer, request)
    files, views = fields.pop("photos"), fields.pop("views")
    if len(views) > len(files):
        raise BadInput(f"{len(views)} views name {len(files)} photos. Send one view per photo, or none.")
    if too_large := [file.name for file in files if file.size > settings.PHOTO_MAX_BYTES]:
        raise BadInput(f"{too_large[0]} is larger than {settings.PHOTO_MAX_BYTES:,} bytes. Send a smaller photo.")
    line = find_line(fields.pop("line"), request.user)
    scope = f"token:{request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user:{request.user.pk}"
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 200:
        raise BadInput("The idempotency key is longer than 200 characters.")
    inspection, new = actions.receive_inspection(
        line=line, by=request.user, idempotency_key=key, idempotency_scope=scope if key else "",
        photos_sent=[actions.NewPhoto(file.read(), view) for file, view in zip(files, views + [""] * 8, strict=False)],
        **fields,
    )  # fmt: skip
    return Response(InspectionSerializer(inspection, context={"request": request}).data, status=201 if new else 200)


@extend_schema(parameters=[OpenApiParameter("wait", float)], responses=InspectionSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_PARTS)])
def inspection(request: Request, pk: int) -> Response:
    """One part; `?wait=SECONDS` (up to 20) waits for its disposition."""
    part = find_readable(request.user, pk)
    headers = {}
    if "wait" in request.query_params:
        try:
            seconds = float(request.query_params["wait"])
        except ValueError:
            raise BadInput("'wait' is a number of seconds, up to 20.") from None
        # An inspector does not wait: the time of a hidden disposition would tell that the machine decided.
        if (oversees(request.user) or may(request.user, May.SEND)) and not wait_for_disposition(part, seconds):
            headers["Retry-After"] = "1"
        part = find_readable(request.user, pk)
    return Response(InspectionSerializer(part, context={"request": request}).data, headers=headers)


def _claim_answer(lease: Lease | None) -> dict | None:
    return ClaimSerializer(lease).data if lease else None


@extend_schema(request=LineNameSerializer, responses={200: ClaimSerializer, 204: OpenApiResponse(description="Nothing to do")})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def claim(request: Request) -> Response:
    """Take the next part of a line."""
    line = find_line(checked(LineNameSerializer, request)["line"], request.user)
    lease = actions.claim(line=line, by=request.user)
    return Response(_claim_answer(lease)) if lease else Response(status=204)


@extend_schema(responses=ClaimSerializer(many=True))
@api_view(["GET"])
@permission_classes([needs_to(May.JUDGE)])
def mine(request: Request) -> Response:
    """The parts that the caller holds."""
    leases = Lease.objects.held_by(request.user).select_related("inspection__line")
    return Response(ClaimSerializer(leases, many=True).data)


@extend_schema(request=LeaseTokenSerializer, responses=LeaseSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def renew(request: Request, pk: int) -> Response:
    """Keep a held part a while longer."""
    part = find_judged(request.user, pk)
    lease = actions.renew(inspection=part, by=request.user, token=checked(LeaseTokenSerializer, request)["lease"])
    return Response(LeaseSerializer(lease).data)


@extend_schema(request=LeaseTokenSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def release(request: Request, pk: int) -> Response:
    """Put a held part back."""
    part = find_judged(request.user, pk)
    actions.release(inspection=part, by=request.user, token=checked(LeaseTokenSerializer, request)["lease"])
    return Response(status=204)


@extend_schema(request=LeaseReasonSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def skip(request: Request, pk: int) -> Response:
    """Pass a held part on to another person, with a reason."""
    fields = checked(LeaseReasonSerializer, request)
    actions.skip(inspection=find_judged(request.user, pk), by=request.user, token=fields["lease"], reason=fields["reason"])
    return Response(status=204)


@extend_schema(request=LeaseReasonSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def retake(request: Request, pk: int) -> Response:
    """Clean and look again: this inspection ends, the serial's next one is a person's."""
    fields = checked(LeaseReasonSerializer, request)
    part = find_judged(request.user, pk)
    actions.send_to_retake(inspection=part, by=request.user, lease=fields["lease"], reason=fields["reason"])
    return Response(status=204)


@extend_schema(request=NewVerdictSerializer, responses={201: VerdictAnswerSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def verdicts(request: Request, pk: int) -> Response:
    """Judge a held part; with `next` the answer carries the next claim."""
    fields = checked(NewVerdictSerializer, request)
    part = find_judged(request.user, pk)
    wants_next = fields.pop("next")
    marks = [MarkedDefectSerializer().create(defect) for defect in fields.pop("defects")]
    verdict = actions.record_verdict(inspection=part, by=request.user, defects=marks, **fields)
    # Their own verdict decides what they read back; a machine's disposition under audit stays out of sight.
    own = verdict.dispositions.last()
    answer = {"verdict": VerdictSerializer(verdict).data, "disposition": DispositionSerializer(own).data if own else None}
    if wants_next:
        answer["next"] = _next(part.line, request.user)
    return Response(answer, status=201)


def _next(line: Line, user: User) -> dict | None:
    try:
        return _claim_answer(actions.claim(line=line, by=user))
    except Conflict:  # eight held already: the verdict stands, and there is no next
        return None


@extend_schema(request=NewCorrectionSerializer, responses={201: CorrectionSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def correction(request: Request, pk: int) -> Response:
    """Correct a verdict: one's own within the undo time, a supervisor's at any time."""
    verdict = Verdict.objects.select_related("inspection__line").filter(pk=pk).first()
    if verdict is None or not (oversees(request.user) or verdict.inspector_id == request.user.pk):
        raise Unknown(f"There is no verdict {pk} that you may correct.")
    row = actions.correct_verdict(verdict=verdict, by=request.user, **checked(NewCorrectionSerializer, request))
    return Response(CorrectionSerializer(row).data, status=201)


@extend_schema(parameters=[OpenApiParameter("line", str)], responses=AuditEventSerializer(many=True))
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def audit_trail(request: Request) -> Response:
    """The audit trail, newest first."""
    lines = [*Line.objects.for_user(request.user).values_list("slug", flat=True), ""]
    events = AuditEvent.objects.filter(line__in=lines)
    if line := request.query_params.get("line"):
        events = events.filter(line=find_line(line, request.user).slug)
    pages = NewestFirst()
    page = pages.paginate_queryset(events, request)
    return pages.get_paginated_response(AuditEventSerializer(page, many=True).data)
