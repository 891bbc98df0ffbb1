"""Where traces begin and how they go from process to process: a span for each request, and for each task that one sent."""

from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

from celery.states import FAILURE
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from config.middleware import QUIET_PATHS, Handler
from inspection import tracing

_task: ContextVar[ExitStack | None] = ContextVar("task", default=None)


def trace_requests(get_response: Handler) -> Handler:
    """A span for each request, within the trace that its sender names by `traceparent`, or of a trace of its own.

    It tells the route and not the path, whose words may be a serial or a secret; nothing of the query, and not who asks.
    """
    if not settings.TRACING:
        raise MiddlewareNotUsed
    from opentelemetry.trace import SpanKind, Status, StatusCode  # late: not without a collector
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(QUIET_PATHS):
            return get_response(request)
        sender = TraceContextTextMapPropagator().extract({"traceparent": request.headers.get("traceparent", "")})
        method = request.method or ""
        with tracing.span(method, context=sender, kind=SpanKind.SERVER) as span:
            response = get_response(request)
            span.set_attributes({"http.request.method": method, "http.response.status_code": response.status_code})
            if request.resolver_match:
                route = f"/{request.resolver_match.route}"
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
            if response.status_code >= 500:
                span.set_status(Status(StatusCode.ERROR))
            return response

    return middleware


def give_traceparent(*, headers: dict[str, Any], **kwargs: Any) -> None:
    """Before a message is sent: it names the span that it is sent for."""
    if told := tracing.here():
        headers["traceparent"] = told


def begin_task(*, task: Any, **kwargs: Any) -> None:
    """As a task begins that was sent within a trace: a span of its own trace, linked to its sender.

    Not within the sender's: a wake-up has no payload, and the task does whatever waits. What beat repeats by the clock has
    no span; the steps in it have one where there is something to do.
    """
    told = getattr(task.request, "traceparent", None)
    if not (settings.TRACING and told):
        return
    from opentelemetry.trace import Link, SpanKind  # late: as above

    stack = ExitStack()
    stack.enter_context(tracing.span(task.name, kind=SpanKind.CONSUMER, links=[Link(tracing.way_of(told))]))
    _task.set(stack)


def end_task(*, state: str | None = None, retval: object = None, **kwargs: Any) -> None:
    if (stack := _task.get()) is None:
        return
    _task.set(None)
    error = retval if state == FAILURE and isinstance(retval, Exception) else None
    stack.__exit__(type(error) if error else None, error, None)


def end_process(**kwargs: Any) -> None:
    """A worker's child ends without what Python does at an exit, so its last spans are sent here."""
    tracing.stop()
