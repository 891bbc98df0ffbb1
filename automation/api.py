"""Automation over HTTP: where a line stands, changes, approvals, halt, rollback, what if, and advice."""

from typing import cast

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from automation import actions, policies, reports
from automation import what_if as asking
from automation.api_shapes import (
    LEVEL_NAMES,
    AdviceSerializer,
    CanarySerializer,
    GateSerializer,
    PolicySerializer,
    VersionOnLineSerializer,
    WhatIfAnswerSerializer,
)
from automation.blue_green import versions_json, versions_of
from automation.certificates import certificate_in_force
from automation.models import Change, Halt, Policy
from inspection.actions.intake import find_line
from inspection.api import checked
from inspection.models import User
from inspection.reasons import ReasonField
from inspection.refusals import Conflict
from inspection.roles import May, needs_to
from inspection.sight import find_judged
from shadow.versions import find_version

ESCAPED = 100  # of the parts that would have escaped, the newest


def password_field() -> serializers.CharField:
    """The caller's own password, entered again where the line asks for signatures; never given back."""
    return serializers.CharField(
        write_only=True, required=False, allow_blank=True, default="", trim_whitespace=False, max_length=4096,
        style={"input_type": "password"}, help_text="One's own password, where the line's policy asks for signatures.",
    )  # fmt: skip


def policy_field() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, allow_null=True, default=None,
        help_text="The number of the policy that was read, to be told (409) if another is in force by now.",
    )  # fmt: skip


class ChangeRequestSerializer(serializers.Serializer):
    level = serializers.CharField(required=False, allow_null=True, default=None)
    policy = serializers.DictField(required=False, default=dict)
    model = serializers.CharField(required=False, allow_null=True, default=None)
    reason = ReasonField()
    seen = policy_field()
    password = password_field()


class ApprovalSerializer(serializers.Serializer):
    change = serializers.IntegerField(
        required=False, allow_null=True, default=None,
        help_text="The id of the change that was read: 409 where another awaits approval by now.",
    )  # fmt: skip
    reason = ReasonField(required=False, allow_blank=True, default="")
    password = password_field()


class HaltSerializer(serializers.Serializer):
    reason = ReasonField()
    on = serializers.BooleanField(required=False, default=True)
    scope = serializers.ChoiceField(
        ["line", "factory"], required=False, default="line",
        help_text="The line, or the whole factory: for those who are bound to no lines.",
    )  # fmt: skip
    password = password_field()


class HaltHoldsSerializer(serializers.Serializer):
    """A halt that holds on the line: its own, or the factory's."""

    scope = serializers.CharField()
    by = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class HaltedSerializer(serializers.Serializer):
    on = serializers.BooleanField()
    scope = serializers.CharField()
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    holds = serializers.SerializerMethodField(help_text="What halts the line now; null: nothing does.")

    @extend_schema_field(HaltHoldsSerializer(allow_null=True))
    def get_holds(self, _: Halt) -> dict | None:
        halt = policies.halt_of(self.context["line"])
        return HaltHoldsSerializer(halt).data if halt else None


class RollbackSerializer(serializers.Serializer):
    reason = ReasonField()
    to = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="The policy's number; none: the one before."
    )
    policy = policy_field()


class StandbySerializer(serializers.Serializer):
    model = serializers.CharField(allow_null=True, help_text="The version to keep warm; null: none.")
    reason = ReasonField()
    policy = policy_field()
    password = password_field()


class WhatIfPolicySerializer(serializers.Serializer):
    pass_below = serializers.FloatField(min_value=0, max_value=1)
    reject_from = serializers.FloatField(min_value=0, max_value=1)
    audit_share = serializers.FloatField(required=False, allow_null=True, default=None)
    share = serializers.FloatField(required=False, allow_null=True, default=None)
    certified_only = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Stations and variants that are not certified go to people; null: so if any is certified.",
    )


class WhatIfSerializer(serializers.Serializer):
    policy = WhatIfPolicySerializer()
    model = serializers.CharField(required=False, allow_null=True, default=None)


class ChangeSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username")
    applied = serializers.SerializerMethodField()

    class Meta:
        model = Change
        fields = ["id", "kind", "proposed", "certificate", "quorum", "reason", "by", "at", "applied"]

    def get_applied(self, change: Change) -> bool:
        return Policy.objects.filter(change=change).exists()


class LineAutomationSerializer(serializers.Serializer):
    """Where a line stands on the ladder."""

    line = serializers.CharField()
    level = serializers.ChoiceField(LEVEL_NAMES)
    next_level = serializers.ChoiceField(LEVEL_NAMES, allow_null=True, help_text="One step up; null: there is none.")
    halted = HaltHoldsSerializer(allow_null=True)
    policy = PolicySerializer()
    canary = CanarySerializer()
    gates = GateSerializer(many=True, help_text="Of the next step up.")
    certificate = serializers.DictField(allow_null=True, help_text="As it was frozen; null: none is in force.")
    versions = VersionOnLineSerializer(many=True)
    pending = ChangeSerializer(allow_null=True, help_text="The change that awaits approval.")
    uncounted = serializers.IntegerField(help_text="Changes that the gates do not know of yet.")


def _person(request: Request) -> User:
    """Who asks; the permission classes let no stranger in."""
    return cast(User, request.user)


@extend_schema(responses=LineAutomationSerializer)
@api_view(["GET"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def line_automation(request: Request, slug: str) -> Response:
    """Where the line stands: level, policy, canary, the gates of the next step, and the certificate in force."""
    standing = reports.standing(find_line(slug, _person(request)))
    pending, halt, held = standing.pending, standing.halt, certificate_in_force(standing.policy)
    return Response(
        {
            "line": slug,
            "level": standing.level,
            "next_level": standing.next_level,
            "halted": HaltHoldsSerializer(halt).data if halt else None,
            "policy": reports.policy_json(standing.policy),
            "canary": standing.canary,
            "gates": [reports.gate_json(gate) for gate in standing.gates],
            "certificate": held.frozen if held else None,
            "versions": versions_json(versions_of(standing.line, standing)),
            "pending": ChangeSerializer(pending).data if pending else None,
            "uncounted": standing.uncounted,
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


@extend_schema(request=ApprovalSerializer, responses=ChangeSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def approve(request: Request, slug: str) -> Response:
    """Approve the change that awaits a second person. Name the one that you read: another may have taken its place."""
    line = find_line(slug, _person(request))
    sent = checked(ApprovalSerializer, request)
    read, change = sent.pop("change"), policies.pending_change(line)
    if change is None:
        raise Conflict(f"No change of {line.name} awaits approval.")
    if read not in (None, change.pk):
        raise Conflict(
            f"Change {read} no longer awaits approval; change {change.pk} of {line.name} does. Read it first."
        )
    actions.approve_change(change=change, by=_person(request), **sent)
    return Response(ChangeSerializer(change).data)


@extend_schema(request=HaltSerializer, responses={201: HaltedSerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.SUPERVISE)])
def halt(request: Request, slug: str) -> Response:
    """Halt the line or the whole factory, or resume it with `on: false`; the answer says what halts the line now. Halting
    grants what inspectors have asked for. To resume a line while the factory is halted: 409."""
    line = find_line(slug, _person(request))
    sent = checked(HaltSerializer, request)
    whole = sent.pop("scope") == "factory"
    row = actions.set_halt(line=None if whole else line, by=_person(request), **sent)
    return Response(HaltedSerializer(row, context={"line": line}).data, status=201)


@extend_schema(request=RollbackSerializer, responses={201: PolicySerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.PROPOSE)])
def rollback(request: Request, slug: str) -> Response:
    """Go back to an earlier policy; the level never rises by it. Another policy is in force than the one that was read, or
    what is in force was just rolled back to and `to` says nothing: 409 with what is in force."""
    line = find_line(slug, _person(request))
    sent = checked(RollbackSerializer, request)
    seen = sent.pop("policy")
    policy = actions.roll_back(line=line, by=_person(request), seen=seen, **sent)
    return Response(reports.policy_json(policy), status=201)


@extend_schema(request=StandbySerializer, responses={201: PolicySerializer})
@api_view(["POST"])
@permission_classes([needs_to(May.PROPOSE)])
def standby(request: Request, slug: str) -> Response:
    """Name the version that is kept warm beside the live one, so that one switch goes over to it; null ends it."""
    line = find_line(slug, _person(request))
    asked = checked(StandbySerializer, request)
    version = find_version(asked["model"]) if asked["model"] else None
    policy = actions.set_standby(
        line=line, version=version, by=_person(request), reason=asked["reason"], seen=asked["policy"],
        password=asked["password"],
    )  # fmt: skip
    return Response(reports.policy_json(policy), status=201)


@extend_schema(request=WhatIfSerializer, responses=WhatIfAnswerSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.READ_EVIDENCE)])
def what_if(request: Request, slug: str) -> Response:
    """A policy's thresholds against the blind evidence so far, and the recent flow under it. Thresholds that are not of
    the version's order: 400 with those that are."""
    line = find_line(slug, _person(request))
    sent = checked(WhatIfSerializer, request)
    policy = policies.in_force(line)
    version = find_version(sent["model"]) if sent["model"] else asking.version_for(policy)
    asked = asking.ask(policy, version, **sent["policy"])
    found = asking.what_if(line, asked, policy, by=_person(request), now=timezone.now(), most=ESCAPED)
    return Response(asking.as_json(found))


@extend_schema(responses={200: AdviceSerializer, 204: OpenApiResponse(description="No advice")})
@api_view(["GET"])
@permission_classes([needs_to(May.JUDGE)])
def advice(request: Request, pk: int) -> Response:
    """The model's advice on a held part, where level and draw allow it and it was ready when the part was opened."""
    part = find_judged(_person(request), pk)
    prediction = actions.serve_advice(inspection=part, user=_person(request), where="advice")
    if prediction is None:
        return Response(status=204)
    # An earlier inspection system gives no heat map.
    photos = range(0 if prediction.version.is_imported else part.photos.count())
    return Response(
        {
            "score": prediction.score,
            "outcome": prediction.outcome,
            "heatmap": [reverse("advice_heat_map", args=[part.pk, position]) for position in photos],
            "marks": prediction.marks,
        }
    )
