"""Tells a collector of OpenTelemetry what a part goes through: one trace a part, from its intake to the webhook about it.

Without a collector (settings.TRACING) nothing here does anything or imports anything of OpenTelemetry. With one, each
process has a bounded queue and a thread of its own that sends: a collector that is away or hangs costs spans, not time.
No span holds a serial, a person, a verdict, a disposition or a score, and none an error's words, which may hold anything.
"""

import atexit
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext, Tracer

STOP_SECONDS = 2.0  # at most, for the last spans of a process that ends

_starting = threading.Lock()
_started: "tuple[TracerProvider, Tracer] | None" = None


@contextmanager
def step(name: str, parts: Iterable[int] | None = None, *, began: int | None = None, **told: str) -> Iterator[None]:
    """A span around what is done for these parts (their keys) together, and in the trace of each one of the same time.

    They are linked both ways: a batch has parts of many traces, and a span is of one. A part that came without a trace gets
    no span. `parts` may be a query: it is asked only where there is a collector. `began`: the moment since when, in
    nanoseconds of Unix time, where that is not now.
    """
    if not settings.TRACING:
        yield
        return
    from opentelemetry.trace import Link  # late: not without a collector

    began = began or time.time_ns()
    ways = {} if parts is None else _ways(parts)
    failure = None
    with span(name, start_time=began, links=[Link(way) for way in ways.values()], attributes=_named(told)) as together:
        try:
            yield
        except Exception as error:
            failure = error
            raise
        finally:
            for part, way in ways.items():
                _alone(name, way, together, began, failure, _named({"inspection": part} | told))


@contextmanager
def span(name: str, **told: Any) -> "Iterator[Span]":
    """A span around what is done, made as the SDK's `start_as_current_span` makes it; only where there is a collector.

    The log's lines name its trace meanwhile. What is raised in it is told by its kind.
    """
    # The SDK would tell an error with its words and its traceback.
    current = _tracer().start_as_current_span(name, record_exception=False, set_status_on_exception=False, **told)
    with current as made, structlog.contextvars.bound_contextvars(**ids()):
        try:
            yield made
        except Exception as error:
            _fail(made, error)
            raise


def here() -> str | None:
    """The W3C traceparent of what runs now, to be sent along or kept with a part; None outside of any trace."""
    if not settings.TRACING:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # late: as above

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def way_of(traceparent: str) -> "SpanContext":
    """The span that a W3C traceparent names; one that is invalid where it names none."""
    from opentelemetry.trace import get_current_span  # late: as above
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    return get_current_span(context).get_span_context()


def tell(**told: str | int) -> None:
    """Say more of the span that is current."""
    if settings.TRACING:
        from opentelemetry.trace import get_current_span  # late: as above

        get_current_span().set_attributes(_named(told))


def ids() -> dict[str, str]:
    """What a line of the log tells of the trace that is current; nothing outside of any."""
    if not settings.TRACING:
        return {}
    from opentelemetry.trace import format_trace_id, get_current_span  # late: as above

    context = get_current_span().get_span_context()
    return {"trace_id": format_trace_id(context.trace_id)} if context.is_valid else {}


def stop() -> None:
    """Send what is left, for STOP_SECONDS at most, and forget the exporter: the next span starts another."""
    global _started
    with _starting:
        started, _started = _started, None
    if started is not None:
        started[0].shutdown()


def _ways(parts: Iterable[int]) -> "dict[int, SpanContext]":
    """Where the traces of these parts began, but for those that go on right here, as at an intake."""
    from opentelemetry.trace import get_current_span  # late: as above

    from inspection.models import Inspection  # late: models need the settings, which need this module

    ours = get_current_span().get_span_context().trace_id
    rows = Inspection.objects.filter(pk__in=parts, traceparent__isnull=False).order_by("pk")
    ways = {part: way_of(told) for part, told in rows.values_list("pk", "traceparent") if told}
    return {part: way for part, way in ways.items() if way.is_valid and way.trace_id != ours}


def _alone(
    name: str, way: "SpanContext", together: "Span", began: int, failure: Exception | None, told: dict[str, Any]
) -> None:
    """One part's own span of what was done for many."""
    from opentelemetry.trace import Link, NonRecordingSpan, set_span_in_context  # late: as above

    trace = set_span_in_context(NonRecordingSpan(way))
    link = Link(together.get_span_context())
    made = _tracer().start_span(name, trace, links=[link], start_time=began, attributes=told)
    if failure is not None:
        _fail(made, failure)
    made.end()


def _fail(made: "Span", error: Exception) -> None:
    from opentelemetry.trace import Status, StatusCode  # late: as above

    made.set_status(Status(StatusCode.ERROR, type(error).__name__))


def _named(told: dict[str, Any]) -> dict[str, Any]:
    return {f"shadowline.{name}": value for name, value in told.items()}


def _tracer() -> "Tracer":
    """Made with a process's first span: no exporter is older than the fork that made the process."""
    global _started
    if _started is None:
        with _starting:
            _started = _started or _start()
    return _started[1]


def _start() -> "tuple[TracerProvider, Tracer]":
    """What sends spans, as the standard variables say (OTEL_EXPORTER_OTLP_.., OTEL_BSP_.., OTEL_TRACES_SAMPLER ..)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # late: as above
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Batches(BatchSpanProcessor):
        def shutdown(self) -> None:
            """The SDK's own waits for thirty seconds while a collector hangs."""
            self._batch_processor.shutdown(timeout_millis=int(STOP_SECONDS * 1000))

    ours = Resource({"service.name": "shadowline", "process.pid": os.getpid()})
    told = OTELResourceDetector().detect()  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
    provider = TracerProvider(resource=Resource.create().merge(ours).merge(told), shutdown_on_exit=False)
    provider.add_span_processor(Batches(OTLPSpanExporter()))
    return provider, provider.get_tracer("shadowline")


def _forget() -> None:
    """In a process just forked: the thread that sends has stayed behind, and its connection is the other process's."""
    global _starting, _started
    _starting, _started = threading.Lock(), None


atexit.register(stop)
os.register_at_fork(after_in_child=_forget)
