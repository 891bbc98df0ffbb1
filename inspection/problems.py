"""The API's errors: one shape, `{"type", "title", "status", "detail", "errors"}`, for every refusal."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation, TooManyFilesSent
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from inspection.refusals import BadInput, Refused


def problem(status: int, title: str, detail: str, errors: Any = None) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": errors or []}
    return Response(body, status=status, content_type="application/problem+json")


def _flat(detail: Any, field: str = "") -> list[dict[str, str]]:
    """DRF's nested error detail as a list of {field, message}."""
    if isinstance(detail, dict):
        return [row for key, value in detail.items() for row in _flat(value, f"{field}.{key}".strip("."))]
    if isinstance(detail, list):
        return [row for value in detail for row in _flat(value, field)]
    return [{"field": field, "message": str(detail)}]


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. Unforeseen errors return None: Django logs them and answers 500."""
    if isinstance(error, TooManyFilesSent):
        error = BadInput(
            _("At most {n} files are taken in one request.").format(n=settings.DATA_UPLOAD_MAX_NUMBER_FILES)
        )
    elif isinstance(error, SuspiciousOperation):  # more fields or bytes than Django takes
        error = BadInput(_("The request has more fields or bytes than are taken."))
    if isinstance(error, Refused):
        set_rollback()
        response = problem(error.status, str(error.title), str(error), error.reasons)
        if error.retry_after:
            response["Retry-After"] = str(error.retry_after)
        return response
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    title = HTTPStatus(error.status_code).phrase
    if isinstance(error, exceptions.ValidationError):
        rows = _flat(error.detail)
        detail = " ".join(f"{row['field']}: {row['message']}".removeprefix(": ") for row in rows)
        response = problem(error.status_code, title, detail, rows)
    else:
        response = problem(error.status_code, title, str(error.detail))
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    if seconds := getattr(error, "wait", None):
        response["Retry-After"] = str(int(seconds))
    return response
