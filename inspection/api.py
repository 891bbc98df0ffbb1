"""The floor over HTTP: send parts, claim, judge, correct, read."""

from collections.abc import Sequence
from functools import cache

from django.conf import settings
from django.db.models import Q
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, OpenApiTypes, extend_schema
from rest_framework.decorators import api_view, parser_classes, permission_classes
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from inspection import actions
from inspection.actions.intake import find_line
from inspection.models import ApiToken, Inspection, Lease, Line, UrgentLot, User
from inspection.moves import State
from inspection.paging import NewestFirst, paged
from inspection.people import told_to
from inspection.refusals import BadInput, LengthNeeded
from inspection.roles import May, caller, judges_blind, may, must, needs_to
from inspection.serializers import (
    AuditEventSerializer,
    ClaimSerializer,
    CorrectionSerializer,
    DispositionSerializer,
    InspectionSerializer,
    LeaseReasonSerializer,
    LeaseSerializer,
    LeaseTokenSerializer,
    LeaseTokensSerializer,
    LeavingSerializer,
    MarkedDefectSerializer,
    NewClaimSerializer,
    NewCorrectionSerializer,
    NewInspectionSerializer,
    NewVerdictSerializer,
    RenewedSerializer,
    UrgentLotSerializer,
    VerdictAnswerSerializer,
    VerdictSerializer,
)
from inspection.sight import as_of, find_correctable, find_judged, find_readable, in_state, readable
from inspection.trail_files import FORMATS, events_for, trail_file
from inspection.waiting import wait_for_disposition


def checked(serializer_class, request: Request, *, limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE) -> dict:
    """The request's fields, or the errors that say which are wrong (400). Nothing over `limit` bytes is read.

    A body in chunks has no length that could be held against the limit beforehand, and none of it is read.
    """
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "") and not request.META.get("CONTENT_LENGTH"):
        raise LengthNeeded(_("The request does not say how long it is. Send it with Content-Length, not in chunks."))
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        words = _("The request is larger than %(limit)s bytes, and that is all that is taken here.")
        raise BadInput(words % {"limit": f"{limit:,}"})
    try:
        return _reader(serializer_class).run_validation(request.data)
    except RecursionError:
        raise BadInput(_("The request's JSON is nested too deep.")) from None


@cache
def _reader(serializer_class: type[Serializer]) -> Serializer:
    """One serializer for all requests: validation leaves nothing in it, and to copy its fields cost a verdict a third."""
    return serializer_class()


def asked(request: Request, name: str) -> str:
    """A word of the query, or nothing."""
    value = request.query_params.get(name, "")
    if "\0" in value:
        raise BadInput(_("'%(name)s' holds a character that no name has.") % {"name": name})
    return value


def shown(request: Request, parts: Sequence[Inspection]) -> list[dict]:
    """The parts as their reader may know them. A person who reads a machine's decision is no longer blind to it."""
    if may(caller(request), May.JUDGE) and not judges_blind(caller(request)):
        actions.note_decisions_shown(inspections=parts, user=caller(request), where="api")
    return list(InspectionSerializer(parts, many=True, context={"request": request}).data)


LIST_FILTERS = [OpenApiParameter(name, str) for name in ("serial", "line", "state", "cursor")]


@extend_schema(methods=["GET"], parameters=LIST_FILTERS, responses=InspectionSerializer(many=True))
@extend_schema(
    methods=["POST"], request=NewInspectionSerializer, responses={201: InspectionSerializer, 200: InspectionSerializer},
    parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
)  # fmt: skip
@paged
@api_view(["GET", "POST"])
@parser_classes([MultiPartParser])
@permission_classes([needs_to(May.READ_PARTS)])
def inspections(request: Request) -> Response:
    """Send a part with its photos (POST), or list parts newest first (GET)."""
    if request.method == "POST":
        must(caller(request), May.SEND)
        return _receive(request)
    parts = readable(caller(request)).select_related("line", "station", "variant")
    parts = parts.prefetch_related("photos", "dispositions", "verdicts")
    if serial := asked(request, "serial"):
        parts = parts.filter(serial=serial)
    if line := asked(request, "line"):
        parts = parts.filter(line=find_line(line, caller(request)))
    if state := asked(request, "state"):
        parts = parts.filter(_in_state(caller(request), state))
    pages = NewestFirst()
    page = pages.paginate_queryset(parts, request) or []
    return pages.get_paginated_response(shown(request, page))


def _in_state(user: User, state: str) -> Q:
    """Parts that read as in `state` to this user: to an inspector every open part reads as waiting."""
    if state not in list(State):
        given = {"state": repr(state), "known": ", ".join(State)}
        raise BadInput(_("There is no state %(state)s. The states are %(known)s.") % given)
    return in_state(user, State(state))


def _receive(request: Request) -> Response:
    limit = settings.PHOTO_MAX_BYTES * actions.MAX_PHOTOS + settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    fields = checked(NewInspectionSerializer, request, limit=limit)
    files, views = fields.pop("photos"), fields.pop("views")
    if len(views) > len(files):
        given = {"views": len(views), "photos": len(files)}
        raise BadInput(_("%(views)s views name %(photos)s photos. Send one view per photo, or none.") % given)
    if too_large := [file.name for file in files if file.size > settings.PHOTO_MAX_BYTES]:
        named = {"name": too_large[0], "limit": f"{settings.PHOTO_MAX_BYTES:,}"}
        raise BadInput(_("%(name)s is larger than %(limit)s bytes. Send a smaller photo.") % named)
    line = find_line(fields.pop("line"), caller(request))
    scope = f"token:{request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user:{caller(request).pk}"
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 200:
        raise BadInput(_("The idempotency key is longer than 200 characters."))
    inspection, new = actions.receive_inspection(
        line=line, by=caller(request), idempotency_key=key, idempotency_scope=scope if key else "",
        photos_sent=[actions.NewPhoto(file.read(), view) for file, view in zip(files, views + [""] * 8, strict=False)],
        **fields,
    )  # fmt: skip
    return Response(shown(request, [inspection])[0], status=201 if new else 200)


@extend_schema(parameters=[OpenApiParameter("wait", float)], responses=InspectionSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_PARTS)])
def inspection(request: Request, pk: int) -> Response:
    """One part; `?wait=SECONDS` (up to 20) waits for its disposition."""
    part = find_readable(caller(request), pk)
    headers = {}
    if "wait" in request.query_params:
        try:
            seconds = float(request.query_params["wait"])
        except ValueError:
            raise BadInput(_("'wait' is a number of seconds, up to 20.")) from None
        # An inspector does not wait: the time of a hidden disposition would tell that the machine decided.
        if not judges_blind(caller(request)) and not wait_for_disposition(part, seconds):
            headers["Retry-After"] = "1"
        part = find_readable(caller(request), pk)
    return Response(shown(request, [part])[0], headers=headers)


def _claim_answer(request: Request, lease: Lease | None) -> dict | None:
    return ClaimSerializer(lease, context={"request": request}).data if lease else None


@extend_schema(
    request=NewClaimSerializer, responses={200: ClaimSerializer, 204: OpenApiResponse(description="Nothing to do")}
)
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def claim(request: Request) -> Response:
    """Take the next part of a line, or with a serial that part; what the caller holds already is answered again."""
    fields = checked(NewClaimSerializer, request)
    line = find_line(fields.pop("line"), caller(request))
    lease = actions.claim(line=line, by=caller(request), **fields)
    return Response(_claim_answer(request, lease)) if lease else Response(status=204)


@extend_schema(responses=ClaimSerializer(many=True))
@api_view(["GET"])
@permission_classes([needs_to(May.JUDGE)])
def mine(request: Request) -> Response:
    """The parts that the caller holds."""
    leases = Lease.objects.held_by(caller(request))
    leases = leases.select_related("inspection__line", "inspection__station", "inspection__variant")
    return Response(ClaimSerializer(leases, many=True, context={"request": request}).data)


@extend_schema(request=LeaseTokensSerializer, responses=RenewedSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def renew_all(request: Request) -> Response:
    """Keep several held parts a while longer, and say which are gone."""
    tokens = checked(LeaseTokensSerializer, request)["leases"]
    leases = actions.renew_all(tokens=tokens, by=caller(request))
    kept = {lease.token for lease in leases}
    gone = [token for token in tokens if token not in kept]
    return Response({"leases": LeaseSerializer(leases, many=True).data, "gone": gone})


@extend_schema(request=LeavingSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def leave(request: Request) -> Response:
    """Put held parts back as the page closes; a lease that was renewed since its `expires_at` stays."""
    leases = [actions.HeldLease(**lease) for lease in checked(LeavingSerializer, request)["leases"]]
    actions.leave(leases=leases, by=caller(request))
    return Response(status=204)


@extend_schema(methods=["GET"], parameters=[OpenApiParameter("line", str)], responses=UrgentLotSerializer(many=True))
@extend_schema(methods=["POST"], request=UrgentLotSerializer, responses={201: UrgentLotSerializer})
@api_view(["GET", "POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def urgent_lots(request: Request) -> Response:
    """The lots that are judged before all others (GET), or one more (POST)."""
    if request.method == "POST":
        fields = checked(UrgentLotSerializer, request)
        line = find_line(fields["line"], caller(request))
        urgent = actions.mark_lot_urgent(line=line, lot=fields["lot"], by=caller(request))
        return Response({"line": line.slug, "lot": urgent.lot}, status=201)
    lots = UrgentLot.objects.filter(line__in=Line.objects.for_user(caller(request)))
    if line_asked := asked(request, "line"):
        lots = lots.filter(line=find_line(line_asked, caller(request)))
    return Response([{"line": slug, "lot": lot} for slug, lot in lots.values_list("line__slug", "lot")])


@extend_schema(request=UrgentLotSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def end_urgency(request: Request) -> Response:
    """Let a lot wait its turn again."""
    fields = checked(UrgentLotSerializer, request)
    line = find_line(fields["line"], caller(request))
    actions.end_urgency(line=line, lot=fields["lot"], by=caller(request))
    return Response(status=204)


@extend_schema(request=LeaseTokenSerializer, responses=LeaseSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def renew(request: Request, pk: int) -> Response:
    """Keep a held part a while longer."""
    part = find_judged(caller(request), pk)
    lease = actions.renew(inspection=part, by=caller(request), token=checked(LeaseTokenSerializer, request)["lease"])
    return Response(LeaseSerializer(lease).data)


@extend_schema(request=LeaseTokenSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def release(request: Request, pk: int) -> Response:
    """Put a held part back."""
    part = find_judged(caller(request), pk)
    actions.release(inspection=part, by=caller(request), token=checked(LeaseTokenSerializer, request)["lease"])
    return Response(status=204)


@extend_schema(request=LeaseReasonSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def skip(request: Request, pk: int) -> Response:
    """Pass a held part on to another person, with a reason."""
    fields = checked(LeaseReasonSerializer, request)
    part = find_judged(caller(request), pk)
    actions.skip(inspection=part, by=caller(request), token=fields["lease"], reason=fields["reason"])
    return Response(status=204)


@extend_schema(request=LeaseReasonSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def retake(request: Request, pk: int) -> Response:
    """Clean and look again: this inspection ends, the serial's next one is a person's."""
    fields = checked(LeaseReasonSerializer, request)
    part = find_judged(caller(request), pk)
    actions.send_to_retake(inspection=part, by=caller(request), lease=fields["lease"], reason=fields["reason"])
    return Response(status=204)


@extend_schema(request=NewVerdictSerializer, responses={201: VerdictAnswerSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def verdicts(request: Request, pk: int) -> Response:
    """Judge a held part; with `next` the answer carries the next claim."""
    fields = checked(NewVerdictSerializer, request)
    wants_next = fields.pop("next")
    fields["defects"] = [MarkedDefectSerializer().create(defect) for defect in fields["defects"]]
    judged = actions.judge(inspection=Inspection(pk=pk), by=caller(request), claim_next=wants_next, **fields)
    told = as_of(judged.verdict, judged.disposition, judged.part.state)
    answer: dict[str, dict | None] = {
        "verdict": VerdictSerializer(judged.verdict).data,
        "disposition": DispositionSerializer(told).data if told else None,
    }
    if wants_next:
        answer["next"] = _claim_answer(request, judged.next)
    return Response(answer, status=201)


@extend_schema(request=NewCorrectionSerializer, responses={201: CorrectionSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.JUDGE)])
def correction(request: Request, pk: int) -> Response:
    """Correct a verdict: one's own within the undo time, a supervisor's at any time."""
    verdict = find_correctable(caller(request), pk)
    row = actions.correct_verdict(verdict=verdict, by=caller(request), **checked(NewCorrectionSerializer, request))
    return Response(CorrectionSerializer(row).data, status=201)


TRAIL_FILTERS = [OpenApiParameter(name, str) for name in ("line", "action", "subject")]


@extend_schema(
    parameters=[
        *TRAIL_FILTERS,
        OpenApiParameter("format", str, enum=["json", *FORMATS]),
        OpenApiParameter("sealed", bool, description="A file as the trail is sealed, by pseudonyms: for admins, and noted."),
    ],
    responses={
        (200, "application/json"): AuditEventSerializer(many=True), (200, "text/csv"): OpenApiTypes.STR,
        (200, "application/x-ndjson"): OpenApiTypes.STR,
    },
)  # fmt: skip
@paged
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def audit_trail(request: Request) -> HttpResponseBase:
    """The audit trail, newest first: pages, or all of it as a file of CSV or JSON lines with the links of its chains."""
    filters = {name: asked(request, name) for name in ("line", "action", "subject")}
    if filters["line"] not in ("", "-"):
        filters["line"] = find_line(filters["line"], caller(request)).slug
    events = events_for(caller(request), **filters)
    format, sealed = asked(request, "format") or "json", asked(request, "sealed").lower() in ("1", "true")
    if format in FORMATS:
        return trail_file(events, caller(request), format=format, sealed=sealed, filters=filters)
    if format != "json":
        raise BadInput(f"'format' is {format!r}. Allowed: {', '.join(('json', *FORMATS))}.")
    pages = NewestFirst()
    page = told_to(caller(request), pages.paginate_queryset(events, request) or [])
    return pages.get_paginated_response(AuditEventSerializer(page, many=True).data)
