"""What a request is told when the database or a disk fails under it: 503, and when to ask again.

A station puts a part aside that meets 500 again and again, and waits patiently at 503. Django asks for `handler500` outside
all middleware, so that a session that cannot be read is met here, too.
"""

import errno
import sqlite3
import sys

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import get_template
from django.utils.translation import gettext as _
from django.views.defaults import server_error

log = structlog.get_logger("shadowline.outage")
RETRY_AFTER = "2"  # seconds; a database that restarts is back by then, or says 503 again
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def is_outage(error: BaseException | None) -> bool:
    """Whether an error tells of a database or disk that fails for now: gone, locked, out of connections, full."""
    if isinstance(error, OperationalError | InterfaceError):
        # SQLite calls a table that is not there an OperationalError as well: that is no outage, and would never end.
        return getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    return isinstance(error, OSError) and error.errno in DISK


def unforeseen(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the error is being handled."""
    error = sys.exc_info()[1]
    if not is_outage(error):
        return server_error(request)
    log.error("outage", path=request.path, error=f"{type(error).__name__}: {error}"[:300])
    response = _told(request)
    response.headers["Retry-After"] = RETRY_AFTER
    response._has_been_logged = True  # type: ignore[attr-defined]  # one line says it; Django adds a traceback each time
    return response


def _told(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith("/api/"):
        return HttpResponse(get_template("503.html").render(), status=503)  # no request: its frame reads the database
    detail = _(
        "The database or a disk fails at the moment. Send the request again in a few seconds; with the same "
        "Idempotency-Key no part is stored twice."
    )
    told = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail, "errors": []}
    return JsonResponse(told, status=503, content_type="application/problem+json")
