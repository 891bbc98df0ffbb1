"""What every request of a person passes: whose page it is, their own language, a page that says why a rule refused."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _

from inspection.refusals import Refused
from inspection.roles import asks_second_factor
from inspection.second_factor import PROVEN


def _problem(status: int, title: str, detail: str) -> JsonResponse:
    told = {"type": "about:blank", "title": title, "status": status, "errors": [], "detail": detail}
    return JsonResponse(told, status=status, content_type="application/problem+json")


class SamePerson:
    """A page's scripts name the person whose page it is. When somebody else has signed in since, or nobody is, they get
    401: an answer given on one person's page is never filed as another's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        named = request.headers.get("X-Person")
        if named is None or named == str(request.user.pk):
            return self.get_response(request)
        return _problem(401, _("Not signed in"), _("This page belongs to somebody who is not signed in here any more."))


class PersonsLanguage:
    """A signed-in person's choice goes before the cookie and what the browser asks for, which Django has looked at."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = getattr(request.user, "language", "")
        if language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = language
        return self.get_response(request)


class SecondFactorAsked:
    """Whose role has to sign in with a second factor, and who has not in this session, reaches their account alone.

    Signing in by token asks for none: a token is a factor of its own, which an admin issues.
    """

    OPEN = {"account", "second_factor", "begin_second_factor", "own_password", "login", "login_code", "logout"}
    OPEN_TO_ALL = {"set_language", "script_words", "healthz", "readyz", "metrics"}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        name = request.resolver_match.url_name if request.resolver_match else None
        if not settings.TOTP_REQUIRED_FOR or name in self.OPEN | self.OPEN_TO_ALL:
            return None
        if not request.user.is_authenticated or request.session.get(PROVEN) or not asks_second_factor(request.user):
            return None
        if request.path.startswith("/api/"):
            return _problem(
                403, _("Not allowed"), _("Your role signs in with a second factor. Set it up on your account's page.")
            )
        return redirect("account")


class RefusalPages:
    """Turns a refused rule into a page that says why; the API has its own handler."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Refused):
            return None
        response = render(request, "refused.html", {"refusal": error}, status=error.status)
        if error.retry_after:
            response["Retry-After"] = str(error.retry_after)
        return response
