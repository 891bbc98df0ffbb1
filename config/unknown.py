"""An address that does not exist is told in the API's own shape where it is one of the API's, and on a page elsewhere."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found


def unknown(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`. A station cannot read a page, and its answer must not depend on a page's files."""
    if not request.path.startswith("/api/"):
        return page_not_found(request, exception)
    detail = _("There is no such address.")
    told = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": detail, "errors": []}
    return JsonResponse(told, status=404, content_type="application/problem+json")
