"""Traces reach a real collector: one a part, from its intake to the webhook about it, and never at a request's cost."""

import logging
import multiprocessing
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.utils import timezone

from automation.actions import score_and_settle
from config import environment
from config.middleware import request_log
from config.tracing import begin_task, end_task, trace_requests
from inspection import tracing
from inspection.models import Inspection
from monitoring.actions import write_channel
from monitoring.feeding import feed
from monitoring.models import Channel
from tests.collector import PARENT, Collector
from tests.long.test_webhooks import serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def collector(settings, monkeypatch):
    """A collector that this process sends its spans to. They have arrived after `tracing.stop()`."""
    found = Collector()
    with found.serving() as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        settings.TRACING = True
        yield found
        tracing.stop()


@pytest.fixture
def send_part(api, cam, line, make_photo):
    """Sends a part as a station does: `send_part("SN1")` gives its key."""
    client = api(cam)

    def send(serial, **headers):
        photo = SimpleUploadedFile("a.jpg", make_photo(seed=serial), "image/jpeg")
        fields = {"serial": serial, "line": line.slug, "photos": [photo]}
        answer = client.post("/api/v1/inspections/", fields, format="multipart", headers=headers)
        assert answer.status_code == 201, answer.content
        return answer.json()["id"]

    return send


@pytest.fixture
def tell_all(ada, settings):
    """A webhook, and a way to send it what became of all parts since."""
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    fields = {"kind": "webhook", "tells_alarms": False, "tells_dispositions": True}
    with serving() as (port, _got):
        channel = write_channel(channel=Channel(name="MES", target=f"http://127.0.0.1:{port}/", **fields), by=ada)
        yield lambda: feed(channel.pk, now=timezone.now() + timedelta(seconds=31))


def linked(span) -> set:
    return {(link.trace_id, link.span_id) for link in span.links}


def name_of(span):
    return span.trace_id, span.span_id


# ---- one trace a part


def test_a_part_has_one_trace_from_its_intake_to_the_webhook(collector, send_part, line, version, set_level, tell_all):
    set_level(line, "full", version, pass_below=0.99, reject_from=0.99)
    keys = [send_part("SN1"), send_part("SN2")]
    score_and_settle()
    tell_all()
    tracing.stop()
    intakes = collector.named("POST /api/v1/inspections/")
    assert len(intakes) == 2
    for key, intake in zip(keys, intakes, strict=True):
        own = [span for span in collector.spans if span.trace_id == intake.trace_id]
        assert [span.name for span in sorted(own, key=lambda span: span.start_time_unix_nano)] == [
            "POST /api/v1/inspections/", "check photos", "keep photos", "score", "settle", "webhook",
        ]  # fmt: skip
        assert {span.parent_span_id for span in own} == {b"", intake.span_id}
        told = {attribute.key: attribute.value for attribute in intake.attributes}
        assert told["shadowline.inspection"].int_value == key
        assert told["http.response.status_code"].int_value == 201


@pytest.mark.parametrize("step", ["score", "settle", "webhook"])
def test_what_is_done_for_many_parts_is_linked_with_each(
    step, collector, send_part, line, version, set_level, tell_all
):
    set_level(line, "full", version, pass_below=0.99, reject_from=0.99)
    send_part("SN1"), send_part("SN2")
    score_and_settle()
    tell_all()
    tracing.stop()
    intakes = collector.named("POST /api/v1/inspections/")
    [together] = [span for span in collector.named(step) if not span.parent_span_id]
    alone = [span for span in collector.named(step) if span.parent_span_id]
    assert linked(together) == {name_of(intake) for intake in intakes}
    assert [linked(span) for span in alone] == [{name_of(together)}] * 2
    assert {span.start_time_unix_nano for span in alone} == {together.start_time_unix_nano}


def test_a_verdict_is_a_trace_of_its_own_linked_with_the_parts(collector, send_part, api, ivy):
    key = send_part("SN1")
    hands = api(ivy)
    lease = hands.post("/api/v1/queue/claim/", {"line": "line-a"}).json()["lease"]["token"]
    hands.post(f"/api/v1/inspections/{key}/verdicts/", {"outcome": "ok", "lease": lease}, format="json")
    tracing.stop()
    [intake] = collector.named("POST /api/v1/inspections/")
    [request] = collector.named("POST /api/v1/inspections/<int:pk>/verdicts/")
    [judging] = [span for span in collector.named("verdict") if span.trace_id == request.trace_id]
    [marked] = [span for span in collector.named("verdict") if span.trace_id == intake.trace_id]
    assert request.trace_id != intake.trace_id
    assert (linked(judging), linked(marked)) == ({name_of(intake)}, {name_of(judging)})


def test_a_trace_that_the_sender_has_begun_goes_on(collector, send_part, db):
    key = send_part("SN1", traceparent=PARENT)
    tracing.stop()
    [intake] = collector.named("POST /api/v1/inspections/")
    assert f"00-{intake.trace_id.hex()}-{intake.parent_span_id.hex()}-01" == PARENT
    assert Inspection.objects.get(pk=key).traceparent == f"00-{intake.trace_id.hex()}-{intake.span_id.hex()}-01"


@pytest.mark.parametrize("told", ["nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT + "\t" + "x" * 500])
def test_a_traceparent_that_names_nothing_is_passed_over(told, collector, send_part):
    send_part("SN1", traceparent=told)
    tracing.stop()
    [intake] = collector.named("POST /api/v1/inspections/")
    assert not intake.parent_span_id


def test_a_part_that_is_not_sampled_leaves_no_span(collector, send_part, shadowed):
    send_part("SN1", traceparent=PARENT[:-1] + "0")
    score_and_settle()
    tracing.stop()
    trace_id = bytes.fromhex(PARENT.split("-")[1])
    assert not [span for span in collector.spans if span.trace_id == trace_id]


def test_parts_of_before_are_scored_without_a_trace(collector, make_part, shadowed):
    make_part()
    assert Inspection.objects.get().traceparent is None
    assert score_and_settle() == 1
    tracing.stop()
    assert not [span for span in collector.named("score") if span.parent_span_id]


def test_what_fails_says_by_which_error_and_not_in_its_words(collector, send_part, shadowed, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("of SN1")

    send_part("SN1")
    monkeypatch.setattr("automation.actions.settling._settle_together", refuse)
    score_and_settle()
    tracing.stop()
    assert [(span.status.code, span.status.message) for span in collector.named("settle")] == [(2, "ValueError")] * 2
    assert "of SN1" not in str(collector.spans)


# ---- what no span holds


def test_no_span_tells_who_judged_what_which_part_it_was_or_what_the_model_answered(
    collector, send_part, line, api, version, set_level, ivy, client, tell_all
):
    set_level(line, "partial", version, pass_below=0.0, reject_from=1.0)
    key = send_part("SERIAL77")
    score_and_settle()
    hands = api(ivy)
    lease = hands.post("/api/v1/queue/claim/", {"line": "line-a"}).json()["lease"]["token"]
    body = {"outcome": "scratched", "lease": lease, "comment": "by the lens"}
    assert hands.post(f"/api/v1/inspections/{key}/verdicts/", body, format="json").status_code == 201
    hands.get("/api/v1/inspections/?serial=SERIAL77")
    client.force_login(ivy)
    client.get("/parts/?serial=SERIAL77")
    assert tell_all() == 1
    tracing.stop()
    names = {attribute.key for span in collector.spans for attribute in span.attributes}
    assert names == {
        "http.request.method", "http.response.status_code", "http.route",
        "shadowline.inspection", "shadowline.line", "shadowline.version",
    }  # fmt: skip
    said = str(collector.spans)
    for secret in ("SERIAL77", "ivy", "scratched", "reject", "lens", lease):
        assert secret not in said
    assert not [span for span in collector.spans if span.events]


# ---- a collector that is no good


def test_a_collector_that_hangs_holds_up_neither_requests_nor_the_end(collector, send_part):
    collector.goes_on.clear()
    for _ in range(5000):  # more than the queue holds
        with tracing.step("a step"):
            pass
    began = time.monotonic()
    send_part("SN1")
    took = time.monotonic() - began
    tracing.stop()
    assert took < tracing.STOP_SECONDS
    assert time.monotonic() - began - took < tracing.STOP_SECONDS + 1


@pytest.mark.parametrize("status", [400, 500])
def test_a_collector_that_refuses_is_a_line_in_the_log(status, collector, send_part, caplog):
    collector.status = status
    send_part("SN1")
    tracing.stop()
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == [
        "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    ]


def test_without_a_collector_at_all_a_request_is_answered(settings, monkeypatch, send_part):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    settings.TRACING = True
    assert send_part("SN1")
    tracing.stop()


# ---- processes, tasks and lines of the log


def spans_of_a_child():
    with tracing.step("of the child"):
        pass
    tracing.stop()


def test_a_process_that_was_forked_sends_its_own_spans(collector):
    with tracing.step("of the parent"):
        pass
    child = multiprocessing.get_context("fork").Process(target=spans_of_a_child)
    child.start()
    child.join(20)
    assert child.exitcode == 0
    tracing.stop()
    assert sorted(span.name for span in collector.spans) == ["of the child", "of the parent"]
    assert collector.processes == {("shadowline", os.getpid()), ("shadowline", child.pid)}


def test_the_site_may_have_another_name(collector, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "plant-1")
    spans_of_a_child()
    assert collector.processes == {("plant-1", os.getpid())}


def test_lines_of_the_log_name_the_request_and_the_trace(collector, rf):
    noted = []

    def view(request):
        noted.append(structlog.contextvars.get_contextvars())
        return HttpResponse()

    answer = trace_requests(request_log(view))(rf.get("/parts/", headers={"traceparent": PARENT}))
    assert noted == [{"request_id": answer["X-Request-ID"], "trace_id": PARENT.split("-")[1]}]


def test_a_task_that_a_request_has_sent_is_a_trace_linked_with_it(collector, sent):
    with tracing.step("request"):
        bound = sent()
    ends = time.monotonic() + 5
    while tracing.stop() or len(collector.spans) < 2:  # the task's ends after what it noted
        assert time.monotonic() < ends
        time.sleep(0.02)
    [task], [request] = collector.named(bound["task"]), collector.named("request")
    assert bound["trace_id"] == task.trace_id.hex() != request.trace_id.hex()
    assert linked(task) == {name_of(request)}


def test_a_task_that_beat_has_sent_has_no_trace(collector, sent):
    assert "trace_id" not in sent()
    tracing.stop()
    assert not collector.spans


@pytest.mark.parametrize(("state", "told"), [("FAILURE", (2, "ValueError")), ("SUCCESS", (0, ""))])
def test_a_task_that_fails_is_told_as_failed(state, told, collector):
    begin_task(task=SimpleNamespace(name="a task", request=SimpleNamespace(traceparent=PARENT)))
    end_task(state=state, retval=ValueError("words") if state == "FAILURE" else None)
    tracing.stop()
    [task] = collector.named("a task")
    assert (task.status.code, task.status.message) == told


# ---- settings


def test_without_a_collector_nothing_of_opentelemetry_is_needed(tmp_path):
    """The client of Redis imports some of it by itself where it is installed; here nobody can."""
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import django; django.setup()\n"
        "from django.test import Client; from config import celery; from inspection import tracing\n"
        "assert Client().get('/nowhere/', headers={'host': 'localhost'}).status_code == 404\n"
        "with tracing.step('a step', [1]): tracing.tell(line='a')\n"
        "assert (tracing.here(), tracing.ids()) == (None, {})"
    )
    site = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    site |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(tmp_path), "DEBUG": "1", "LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=site, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("told", "traced"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_turn_it_on(told, traced, monkeypatch):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert environment.traces() is traced


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT cannot be read"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "Write it as http://collector.example:4318"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "grpc://collector:4317"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT cannot be read",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:s3cret@collector:4318"}, "OTEL_EXPORTER_OTLP_HEADERS"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL asks for something else than http/protobuf",
        ),
    ],
)
def test_what_cannot_be_sent_to_is_refused_at_the_start(told, words, monkeypatch):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=re.escape(words)) as refusal:
        environment.traces()
    assert "s3cret" not in str(refusal.value)


def test_without_the_extra_the_start_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setattr(environment, "find_spec", missing)
    with pytest.raises(ImproperlyConfigured, match=re.escape("pip install --editable '.[otel]'")):
        environment.traces()
