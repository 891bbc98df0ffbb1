"""One structured line for each thing that happens, and one id from a request to the task that it woke."""

import re
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

REQUEST_ID = re.compile(r"[\w.-]{1,64}")  # of a proxy: what else it may say is not written into our logs
ACCOUNT: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
]


def first_line_of_beat(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Beat writes the stack of its own loop into the message when a broker is away, every two seconds."""
    if event.get("logger") == "celery.beat":
        event["event"] = str(event["event"]).partition("\n")[0]
        event.pop("exc_info", None)
    return event


def formatter(*, json: bool, colors: bool) -> dict[str, Any]:
    """The entry of LOGGING's `formatters`: one JSON object a line with its traceback as text, or lines for people."""
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # Tracebacks without local variables, which may hold personal data.
    people = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
    machines = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*ACCOUNT, first_line_of_beat],
        "processors": [meta, *(machines if json else [people])],
    }


def request_id() -> str:
    """The id of the request, or of the request that woke the task, that this code runs for; empty: of none."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def give_request_id(*, headers: dict[str, Any], **kwargs: Any) -> None:
    """Before a message is sent: it names the request that it is sent for."""
    if told := request_id():
        headers["request_id"] = told


def begin_task(*, task_id: str, task: Any, **kwargs: Any) -> None:
    """As a task begins: what is logged in it names the task, and the request that sent it."""
    structlog.contextvars.clear_contextvars()
    told = {"request_id": getattr(task.request, "request_id", None)}
    structlog.contextvars.bind_contextvars(
        task=task.name, task_id=task_id[:12], **{name: value for name, value in told.items() if value}
    )


def end_task(**kwargs: Any) -> None:
    structlog.contextvars.clear_contextvars()
