"""What a line of the log tells: the id from a request to its task, a traceback, and nothing that a stranger writes there."""

import io
import json
import logging

import pytest
import structlog

from config import logs


@pytest.fixture(autouse=True)
def nothing_bound():
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def line_of(event, **record):
    """One line of JSON as a site writes it."""
    made = logs.formatter(json=True, colors=False)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(made.pop("()")(**made))
    logger = logging.Logger(record.pop("name", "shadowline"))
    logger.addHandler(handler)
    logger.error(event, **record)
    return json.loads(handler.stream.getvalue())


def test_an_answer_names_its_request(client, db):
    assert len(client.get("/healthz")["X-Request-ID"]) == 12
    assert client.get("/healthz", headers={"X-Request-ID": "proxy-7f3a"})["X-Request-ID"] == "proxy-7f3a"
    assert "\n" not in client.get("/healthz", headers={"X-Request-ID": "x\n{forged}"})["X-Request-ID"]


def test_a_task_logs_the_request_that_sent_it(sent):
    structlog.contextvars.bind_contextvars(request_id="abc")
    bound = sent()
    assert bound["request_id"] == "abc"
    assert bound["task"].startswith("logs-")


def test_a_task_of_beat_names_no_request(sent):
    assert "request_id" not in sent()


def test_a_traceback_is_text():
    try:
        raise ValueError("a bug")
    except ValueError:
        line = line_of("failed", exc_info=True)
    assert line["exception"].endswith("ValueError: a bug")


def test_beat_without_a_broker_is_one_short_line():
    line = line_of("Couldn't apply scheduled task sweep: away\n['File ...']", name="celery.beat", exc_info=False)
    assert line["event"] == "Couldn't apply scheduled task sweep: away"
