"""What an earlier inspection system sends, over HTTP. It stands here because an answer may decide a part at once."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from automation import actions
from inspection.api import checked
from inspection.problems import problem
from inspection.roles import May, caller, needs_to
from shadow.actions.earlier import Recorded
from shadow.earlier import MOST_ANSWERS, MOST_MARKS, Sent
from shadow.versions import find_version


class SentMarkSerializer(serializers.Serializer):
    photo = serializers.IntegerField(min_value=0, max_value=7, help_text="Position of the photo, from 0.")
    box = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1), min_length=4, max_length=4,
        help_text="x, y, width, height in shares of the photo.",
    )  # fmt: skip
    score = serializers.FloatField(min_value=0, max_value=1, default=1.0)


class SentSerializer(serializers.Serializer):
    """One answer: the part by `inspection`, or by `serial` and `line`; and one of `score`, `outcome` and `failure`."""

    inspection = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=2**63 - 1
    )
    serial = serializers.CharField(required=False, allow_blank=True, default="", max_length=120)
    line = serializers.CharField(required=False, allow_blank=True, default="", max_length=40)
    captured_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Which inspection, where the serial had several."
    )
    score = serializers.FloatField(
        required=False, allow_null=True, default=None, help_text="0 to 1, of a system declared to answer by scores."
    )
    outcome = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=20,
        help_text="ok or scratched, of one that only says so.",
    )
    failure = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=200, help_text="Why the system has no answer."
    )
    marks = serializers.ListField(child=SentMarkSerializer(), required=False, default=list, max_length=MOST_MARKS)
    at = serializers.DateTimeField(
        required=False, allow_null=True, default=None,
        help_text="When the system answered, by its own clock: told on its card, never evidence.",
    )  # fmt: skip


class NewAnswersSerializer(serializers.Serializer):
    results = serializers.ListField(child=SentSerializer(), min_length=1, max_length=MOST_ANSWERS)


class TakenSerializer(serializers.Serializer):
    row = serializers.IntegerField(help_text="Place in the batch, from 0.")
    inspection = serializers.IntegerField(source="part", allow_null=True)
    serial = serializers.CharField()
    status = serializers.CharField(source="fate.status", help_text="recorded, or known from before.")
    retrospective = serializers.BooleanField(source="fate.retrospective")
    late = serializers.BooleanField(
        source="fate.late", help_text="A verdict was there already: it never speaks for it."
    )


class RecordedSerializer(serializers.Serializer):
    recorded = serializers.IntegerField()
    known = serializers.IntegerField()
    results = TakenSerializer(many=True)


@extend_schema(
    request=NewAnswersSerializer,
    responses={
        201: RecordedSerializer, 200: RecordedSerializer,
        409: OpenApiResponse(description="Some were refused, each named in `errors`; the others are recorded."),
    },
)  # fmt: skip
@api_view(["POST"])
@permission_classes([needs_to(May.ANSWER)])
def answers(request: Request, model: str) -> Response:
    """Send up to 1,000 answers of an earlier inspection system: 201, or 200 where all are known; the same again is harmless.

    Each answer is taken on its own. Where some are refused (409) the others are recorded: another answer for a part that has
    one, a part that has not arrived, or a time that is over. An answer is live where the version was assigned to the line
    when the part arrived, and decides the part if it is in time.
    """
    sent = [Sent(**row) for row in checked(NewAnswersSerializer, request)["results"]]
    recorded = actions.take_answers(version=find_version(model), answers=sent, by=caller(request))
    if recorded.refused:
        return _refused(recorded)
    counts = {"recorded": recorded.count("recorded"), "known": recorded.count("known")}
    told = RecordedSerializer({**counts, "results": recorded.rows}).data
    return Response(told, status=201 if counts["recorded"] else 200)


def _refused(recorded: Recorded) -> Response:
    words = _("{n} of {all} answers were refused; the others are recorded.")
    errors = [{"field": f"results.{taken.row}", "message": taken.fate.reason} for taken in recorded.refused]
    detail = words.format(n=len(errors), all=len(recorded.rows))
    if len(recorded.rows) == 1:
        detail = errors[0]["message"]
    return problem(409, _("Not possible now"), detail, errors)
