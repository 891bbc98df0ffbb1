"""Reports, exports and dashboards read from a streaming replica of PostgreSQL, where REPLICA_URL names one.

A view says `@from_replica`; everything else, and whatever decides something, reads what is true now. Inside such a view
rows that reports count come from the replica; people, tokens, lines, levels, halts and alarms never do, and each write goes
where all writes go. A replica that is down or more than REPLICA_LAG seconds behind is not read, nor by a person who has
written in that time: they would miss their own work. The answer says of when it is: the header `X-As-Of`, and the frame.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, models
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

REPLICA = "replica"
LOOK = 1.0  # seconds between two looks at the replica by one process
AWAY = 10.0  # seconds after which a replica that did not answer is asked again
WROTE = "wrote"  # the cookie of a person who has just written
APPS = {"inspection", "shadow", "monitoring"}
# What says who may and what holds now, also in the frame around a report.
# And what a report looks up before it writes: who was told what, by whom figures were read.
NEVER = {
    "user", "apitoken", "secondfactor", "recoverycode", "line", "station", "haltrequest", "haltanswer", "alarm",
    "figuresread", "erasure", "modeloutputshown",
}  # fmt: skip
log = structlog.get_logger("shadowline.replica")
_reading: ContextVar[bool] = ContextVar("reading from the replica", default=False)
_look_lock = threading.Lock()
_seen: dict[str, Any] = {"until": 0.0, "as_of": None}


class Router:
    """Django's database router: the replica for the rows of reports inside `from_replica`, and nothing else."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        told = model._meta
        return REPLICA if _reading.get() and told.app_label in APPS and told.model_name not in NEVER else "default"

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool:
        return True  # they are the same rows

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default"


def is_set() -> bool:
    return REPLICA in settings.DATABASES


def from_replica(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view (innermost, behind the question who may) that reads from the replica where that is near enough."""

    @wraps(view)
    def read(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        as_of = None if WROTE in request.COOKIES or not is_set() else as_of_replica()
        if as_of is None:
            return view(request, *args, **kwargs)
        request.as_of = getattr(request, "_request", request).as_of = as_of
        try:
            with reading():
                response = view(request, *args, **kwargs)
        except (OperationalError, InterfaceError) as error:  # it went away, or cancelled what took it too long
            _away(error)
            request.as_of = getattr(request, "_request", request).as_of = None  # the page says of when it is
            return view(request, *args, **kwargs)
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = _each(cast(Iterable[Any], response.streaming_content))
        response["X-As-Of"] = as_of.isoformat(timespec="seconds")
        return response

    return read


@contextmanager
def reading() -> Iterator[None]:
    """Read the rows of reports from the replica."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def _each(chunks: Iterable[Any]) -> Iterator[Any]:
    """What is read while it is sent, which is after the view."""
    rest = iter(chunks)
    while True:
        with reading():
            try:
                chunk = next(rest)
            except StopIteration:
                return
        yield chunk


def as_of_replica() -> datetime | None:
    """Of when the replica is; None: it is down or too far behind. Asked once in LOOK seconds, by one thread."""
    with _look_lock:
        if time.monotonic() >= _seen["until"]:
            _seen["as_of"] = _look()
            _seen["until"] = time.monotonic() + (LOOK if _seen["as_of"] else AWAY)
        return _seen["as_of"]


def _look() -> datetime | None:
    now = timezone.now()
    try:
        as_of = _played_to(now)
    except (OperationalError, InterfaceError) as error:
        _away(error)
        return None
    if as_of is None or (now - as_of).total_seconds() > settings.REPLICA_LAG:
        log.warning("replica_behind", as_of=as_of.isoformat() if as_of else None)
        return None
    return as_of


def _away(error: Exception) -> None:
    connections[REPLICA].close()
    _seen.update(as_of=None, until=time.monotonic() + AWAY)
    log.warning("replica_away", error=str(error).strip()[:200])


def _played_to(now: datetime) -> datetime | None:
    """Of when the replica is: of `now` where it has all that was written until then, else of the last commit that it has.

    By the clock of commits alone a quiet night would look like a lag.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        [written] = cursor.fetchone()
    with connections[REPLICA].cursor() as cursor:
        cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn, pg_last_xact_replay_timestamp()", [written])
        has_all, last = cursor.fetchone()
    return now if has_all else last


def note_writers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: whoever has written reads their own work for as long as the replica may be behind."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if is_set() and request.method not in ("GET", "HEAD", "OPTIONS"):
            secure = bool(settings.SESSION_COOKIE_SECURE)
            age = settings.REPLICA_LAG + 1
            response.set_cookie(WROTE, "1", max_age=age, httponly=True, secure=secure, samesite="Lax")
        return response

    return answer
