"""Messages that were given up, over HTTP."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from inspection.api import asked, checked
from inspection.reasons import ReasonField
from inspection.refusals import Unknown
from inspection.roles import May, caller, needs_to
from monitoring.actions import drop_dead_letter, send_dead_letters_again
from monitoring.dead_letters import MODELS
from monitoring.dead_letters import dead_letters as find_dead_letters
from monitoring.models import Channel

KIND = OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(MODELS), description="What the message tells of.")


class DeadLetterSerializer(serializers.Serializer):
    """A message that was given up. `kind` and `id` name it."""

    kind = serializers.ChoiceField(choices=[(kind, kind) for kind in MODELS])
    id = serializers.IntegerField(source="pk")
    channel = serializers.CharField(source="channel.name")
    about = serializers.CharField(source="words", help_text="What it tells, in words.")
    events = serializers.IntegerField(help_text="How many events it holds.")
    attempts = serializers.IntegerField(help_text="How often it was tried.")
    error = serializers.CharField(help_text="Why the last try failed.")
    at = serializers.DateTimeField()


class DeadLettersSerializer(serializers.Serializer):
    results = DeadLetterSerializer(many=True)


class ChannelNameSerializer(serializers.Serializer):
    channel = serializers.CharField(
        max_length=80, required=False, allow_blank=True, default="", help_text="A channel's name; without one, of all."
    )


class SentAgainSerializer(serializers.Serializer):
    sent_again = serializers.IntegerField(help_text="How many messages are tried again.")


class DroppingSerializer(serializers.Serializer):
    reason = ReasonField(help_text="Why it need not arrive any more.")


def find_channel(name: str) -> int | None:
    """The key of the channel of that name; None without a name. Raises Unknown."""
    if not name:
        return None
    key = Channel.objects.filter(name=name).values_list("pk", flat=True).first()
    if key is None:
        raise Unknown(f"There is no channel {name!r}.")
    return key


@extend_schema(
    parameters=[OpenApiParameter("channel", str, description="A channel's name; without one, all channels.")],
    responses=DeadLettersSerializer,
)
@api_view(["GET"])
@permission_classes([needs_to(May.SET_UP)])
def dead_letters(request: Request) -> Response:
    """The messages that were given up and neither sent again nor dropped, the latest first; at most 500 of each kind."""
    found = find_dead_letters(channel=find_channel(asked(request, "channel")))
    return Response({"results": DeadLetterSerializer(found, many=True).data})


@extend_schema(operation_id="v1_dead_letters_send_all", request=ChannelNameSerializer, responses=SentAgainSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SET_UP)])
def send_all(request: Request) -> Response:
    """Try all of them again, of one channel or of every one. The receiver tells copies by the ids of the events."""
    channel = find_channel(checked(ChannelNameSerializer, request)["channel"])
    return Response({"sent_again": send_dead_letters_again(by=caller(request), channel=channel)})


@extend_schema(parameters=[KIND], request=None, responses=SentAgainSerializer)
@api_view(["POST"])
@permission_classes([needs_to(May.SET_UP)])
def send_one(request: Request, kind: str, pk: int) -> Response:
    """Try one of them again."""
    return Response({"sent_again": send_dead_letters_again(by=caller(request), kind=kind, pk=pk)})


@extend_schema(parameters=[KIND], request=DroppingSerializer, responses={204: None})
@api_view(["POST"])
@permission_classes([needs_to(May.SET_UP)])
def drop(request: Request, kind: str, pk: int) -> Response:
    """Say that one need not arrive any more, and why: it leaves the list, and the audit trail keeps what it told."""
    drop_dead_letter(by=caller(request), kind=kind, pk=pk, reason=checked(DroppingSerializer, request)["reason"])
    return Response(status=204)
