"""What the filters of the supervisor's pages carry from page to page."""

from collections.abc import Mapping

from django.http import HttpRequest
from django.utils.http import urlencode

from inspection.models import Line
from inspection.roles import caller
from shadow.models import ModelVersion


def asked_params(request: HttpRequest) -> dict[str, str]:
    """The query string, with the line that was chosen last where it names none. An empty `line` asks for all."""
    params = request.GET.dict()
    chosen = request.session.get("line", "")
    if "line" not in params and Line.objects.for_user(caller(request)).filter(slug=chosen).exists():
        params["line"] = chosen
    return params


def choices(request: HttpRequest) -> dict:
    """What the filters of these pages offer."""
    return {"lines": Line.objects.for_user(caller(request)), "versions": ModelVersion.objects.all()}


def query_of(params: Mapping[str, str], **changes: str) -> str:
    """A query string without its empty fields. An empty line stays: it asks for all lines."""
    return urlencode({name: value for name, value in {**params, **changes}.items() if value or name == "line"})
