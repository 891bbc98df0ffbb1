"""Automation over HTTP: where a line stands, changes, approvals, halt, rollback, what if, and advice."""

from typing import cast

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, OpenApiTypes, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from automation import actions, policies, reports
from automation.gates import Limits, LimitsRefused
from automation.models import Change, Policy
from inspection.actions.intake import find_line
from inspection.api import checked
from inspection.models import User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, needs_to
from inspection.sight import find_judged


class ChangeRequestSerializer(serializers.Serializer):
    level = serializers.CharField(required=False, allow_null=True, default=None)
    policy = serializers.DictField(required=False, default=dict)
    model = serializers.CharField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=500)


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class HaltSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)
    on = serializers.BooleanField(required=False, default=True)


class RollbackSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)
    to = serializers.IntegerField(required=False, allow_null=True, default=None)


class WhatIfPolicySerializer(serializers.Serializer):
    pass_below = serializers.FloatField(min_value=0, max_value=1)
    reject_from = serializers.FloatField(min_value=0, max_value=1)


class WhatIfSerializer(serializers.Serializer):
    policy = WhatIfPolicySerializer()


class ChangeSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")
    applied = serializers.SerializerMethodField()

    class Meta:
        model = Change
        fields = ["id", "kind", "proposed", "certificate", "quorum", "reason", "by", "at", "applied"]

    def get_applied(self, change: Change) -> bool:
        return Policy.objects.filter(change=change).exists()


def _person(request: Request) -> User:
    """Who asks; the permission classes let no stranger in."""
    return cast(User, request.user)


@extend_schema(responses=OpenApiTypes.OBJECT)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def line_automation(request: Request, slug: str) -> Response:
    """Where the line stands: level, policy, canary, the gates of the next step, and the certificate in force."""
    standing = reports.standing(find_line(slug, _person(request)))
    pending, halt = standing.pending, standing.halt
    return Response(
        {
            "line": slug,
            "level": standing.level,
            "next_level": standing.next_level,
            "halted": {"by": halt.by, "reason": halt.reason, "at": halt.at} if halt else None,
            "policy": reports.policy_json(standing.policy),
            "canary": standing.canary,
            "gates": [reports.gate_json(gate) for gate in standing.gates],
            "certificate": standing.certificate,
            "pending": ChangeSerializer(pending).data if pending else None,
        }
    )


@extend_schema(request=ChangeRequestSerializer, responses={201: ChangeSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.PROPOSE)])
def changes(request: Request, slug: str) -> Response:
    """Propose a level, policy fields or a live version. Unmet gates: 409 with their reasons."""
    line = find_line(slug, _person(request))
    change = actions.propose_change(line=line, by=_person(request), **checked(ChangeRequestSerializer, request))
    return Response(ChangeSerializer(change).data, status=201)


@extend_schema(request=ReasonSerializer, responses=ChangeSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def approve(request: Request, slug: str) -> Response:
    """Approve the change that awaits a second person."""
    line = find_line(slug, _person(request))
    change = policies.pending_change(line)
    if change is None:
        raise Conflict(f"No change of {line.name} awaits approval.")
    actions.approve_change(change=change, by=_person(request), **checked(ReasonSerializer, request))
    return Response(ChangeSerializer(change).data)


@extend_schema(request=HaltSerializer, responses=OpenApiTypes.OBJECT)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def halt(request: Request, slug: str) -> Response:
    """Halt the line, or resume it with `on: false`."""
    line = find_line(slug, _person(request))
    row = actions.set_halt(line=line, by=_person(request), **checked(HaltSerializer, request))
    return Response({"on": row.on, "reason": row.reason, "by": row.by, "at": row.at}, status=201)


@extend_schema(request=RollbackSerializer, responses={201: OpenApiTypes.OBJECT})
@api_view(["POST"])
@permission_classes([needs_to(May.PROPOSE)])
def rollback(request: Request, slug: str) -> Response:
    """Go back to an earlier policy; the level never rises by it."""
    line = find_line(slug, _person(request))
    policy = actions.roll_back(line=line, by=_person(request), **checked(RollbackSerializer, request))
    return Response(reports.policy_json(policy), status=201)


@extend_schema(request=WhatIfSerializer, responses=OpenApiTypes.OBJECT)
@api_view(["POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def what_if(request: Request, slug: str) -> Response:
    """A policy's thresholds against the blind evidence so far."""
    line = find_line(slug, _person(request))
    bars = checked(WhatIfSerializer, request)["policy"]
    if bars["pass_below"] > bars["reject_from"]:
        raise BadInput("pass_below is above reject_from: a part would be both.")
    policy = policies.in_force(line)
    version = reports.standing(line).version
    if version is None:
        raise Conflict("No version has been registered yet: there is no evidence to ask.")
    try:
        limits = Limits.from_json(policy.limits)
    except LimitsRefused as refusal:
        raise BadInput(str(refusal)) from None
    return Response(reports.what_if(line, version, bars["pass_below"], bars["reject_from"], limits))


@extend_schema(responses={200: OpenApiTypes.OBJECT, 204: OpenApiResponse(description="No advice")})
@api_view(["GET"])
@permission_classes([needs_to(May.JUDGE)])
def advice(request: Request, pk: int) -> Response:
    """The model's advice on a held part, where level and draw allow it and it was ready when the part was opened."""
    part = find_judged(_person(request), pk)
    prediction = actions.serve_advice(inspection=part, user=_person(request), where="advice")
    if prediction is None:
        return Response(status=204)
    photos = range(part.photos.count())
    return Response(
        {
            "score": prediction.score,
            "outcome": prediction.outcome,
            "heatmap": [reverse("advice_heat_map", args=[part.pk, position]) for position in photos],
            "marks": prediction.marks,
        }
    )
