"""What every request passes: the content security policy and one structured log line."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.logs import REQUEST_ID
from inspection import tracing

log = structlog.get_logger("shadowline.request")
Handler = Callable[[HttpRequest], HttpResponse]
QUIET_PATHS = ("/static/", "/healthz", "/readyz", "/metrics")


def content_security_policy(get_response: Handler) -> Handler:
    """Send SECURE_CSP (the setting's name and shape are those of Django 6, which brings its own middleware)."""
    header = "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in settings.SECURE_CSP.items())

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", header)
        return response

    return middleware


def request_log(get_response: Handler) -> Handler:
    """Log method, path, status and milliseconds; never the query or the body, which may hold personal data.

    The request's id is the proxy's X-Request-ID or one of our own; the answer names it, and so does whatever is logged,
    with the trace's where there is one.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        told = request.headers.get("X-Request-ID", "")
        request_id = told if REQUEST_ID.fullmatch(told) else uuid.uuid4().hex[:12]
        structlog.contextvars.bind_contextvars(request_id=request_id, **tracing.ids())
        started = time.perf_counter()
        response = get_response(request)
        if not request.path.startswith(QUIET_PATHS) and not settings.TESTING:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            log.info("request", method=request.method, path=request.path, status=response.status_code, ms=milliseconds)
        response.headers["X-Request-ID"] = request_id
        return response

    return middleware
