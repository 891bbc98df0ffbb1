"""The forms beside a line's versions: switch the live one, name the standby, let candidates shadow."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from automation import actions
from automation.views import carry_out, outcome_of, password_of, seen_of
from inspection.models import Line
from inspection.roles import May, caller, needs
from shadow.models import ModelVersion
from shadow.versions import find_version


@sensitive_post_parameters("password")
@needs(May.PROPOSE)
def switch_version(request: HttpRequest, line: str) -> HttpResponse:
    """Let the version named be live; the one before becomes the standby."""

    def act(line: Line, version: ModelVersion, reason: str) -> str:
        change = actions.switch_version(
            line=line, version=version, by=caller(request), reason=reason, seen=seen_of(request),
            password=password_of(request),
        )  # fmt: skip
        return outcome_of(change)

    return _on_version(request, line, act)


@sensitive_post_parameters("password")
@needs(May.PROPOSE)
def set_standby(request: HttpRequest, line: str) -> HttpResponse:
    """Name the standby; with no version named, end it."""

    def set_to(line: Line, version: ModelVersion | None, reason: str) -> str:
        by, seen, password = caller(request), seen_of(request), password_of(request)
        actions.set_standby(line=line, version=version, by=by, reason=reason, seen=seen, password=password)
        words = _("{version} is the standby of {line}.") if version else _("{line} has no standby any more.")
        return words.format(version=version, line=line.name)

    if request.POST.get("model"):
        return _on_version(request, line, set_to)
    return carry_out(request, line, lambda found: set_to(found, None, request.POST.get("reason", "")))


@needs(May.PROPOSE)
def add_candidate(request: HttpRequest, line: str) -> HttpResponse:
    """Let the version named shadow the line."""

    def act(line: Line, version: ModelVersion, reason: str) -> str:
        actions.add_candidate(line=line, version=version, by=caller(request), reason=reason)
        return _("{version} shadows {line} from the next part on.").format(version=version, line=line.name)

    return _on_version(request, line, act)


@needs(May.PROPOSE)
def end_candidate(request: HttpRequest, line: str) -> HttpResponse:
    """Let the candidate named no longer score the line."""

    def act(line: Line, version: ModelVersion, reason: str) -> str:
        actions.end_candidate(line=line, version=version, by=caller(request), reason=reason)
        return _("{version} no longer shadows {line}.").format(version=version, line=line.name)

    return _on_version(request, line, act)


def _on_version(request: HttpRequest, slug: str, act: Callable[[Line, ModelVersion, str], str]) -> HttpResponse:
    def with_version(line: Line) -> str:
        return act(line, find_version(request.POST.get("model", "")), request.POST.get("reason", ""))

    return carry_out(request, slug, with_version)
