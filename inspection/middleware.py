"""What every request of a person passes: whose page it is, their own language, a page that says why a rule refused."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _

from inspection.refusals import Refused


class SamePerson:
    """A page's scripts name the person whose page it is. When somebody else has signed in since, or nobody is, they get
    401: an answer given on one person's page is never filed as another's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        named = request.headers.get("X-Person")
        if named is None or named == str(request.user.pk):
            return self.get_response(request)
        told = {"type": "about:blank", "title": _("Not signed in"), "status": 401, "errors": []}
        told["detail"] = _("This page belongs to somebody who is not signed in here any more.")
        return JsonResponse(told, status=401, content_type="application/problem+json")


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
