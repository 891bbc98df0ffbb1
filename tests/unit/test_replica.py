"""What reads from the replica, and what never does."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse

from automation.models import Policy
from inspection import replica
from inspection.models import ApiToken, HaltRequest, Inspection, Line, User, Verdict
from inspection.replica import Router, from_replica, reading
from monitoring.models import Alarm, Window
from shadow.models import Prediction

AT = datetime(2026, 11, 27, 8, 30, 5, tzinfo=UTC)


@pytest.fixture
def near(monkeypatch):
    """A replica that is near enough."""
    monkeypatch.setattr(replica, "is_set", lambda: True)
    monkeypatch.setattr(replica, "as_of_replica", lambda: AT)


@pytest.mark.parametrize("model", [Inspection, Verdict, Prediction, Window])
def test_rows_of_reports_come_from_it_inside_a_report_alone(model):
    assert Router().db_for_read(model) == "default"
    with reading():
        assert Router().db_for_read(model) == "replica"
        assert Router().db_for_write(model) == "default"
    assert Router().db_for_read(model) == "default"


@pytest.mark.parametrize("model", [User, ApiToken, Line, HaltRequest, Alarm, Policy])
def test_what_says_who_may_and_what_holds_never_does(model):
    with reading():
        assert Router().db_for_read(model) == "default"


def where(request):
    return HttpResponse(Router().db_for_read(Window))


def test_an_answer_says_of_when_it_is(near, rf):
    answer = from_replica(where)(rf.get("/"))
    assert (answer.content, answer["X-As-Of"]) == (b"replica", "2026-11-27T08:30:05+00:00")


def test_without_a_replica_near_enough_the_primary_is_read(near, rf, monkeypatch):
    monkeypatch.setattr(replica, "as_of_replica", lambda: None)
    answer = from_replica(where)(rf.get("/"))
    assert (answer.content, answer.has_header("X-As-Of")) == (b"default", False)


def test_whoever_has_just_written_reads_the_primary(near, rf):
    asked = rf.get("/")
    asked.COOKIES["wrote"] = "1"
    assert from_replica(where)(asked).content == b"default"
    answers = [replica.note_writers(lambda request: HttpResponse())(ask("/")) for ask in (rf.get, rf.post)]
    assert ["wrote" in answer.cookies for answer in answers] == [False, True]


def test_what_is_read_while_it_is_sent_comes_from_it_too(near, rf):
    sent = from_replica(lambda request: StreamingHttpResponse(where(request).content for _ in range(2)))(rf.get("/"))
    assert list(sent) == [b"replica", b"replica"]
    assert Router().db_for_read(Window) == "default"


def test_one_that_fails_under_a_report_is_left(near, rf, monkeypatch):
    monkeypatch.setattr(replica, "_away", lambda error: None)

    def view(request):
        if Router().db_for_read(Window) == "replica":
            raise OperationalError("canceling statement due to conflict with recovery")
        return where(request)

    assert from_replica(view)(rf.get("/")).content == b"default"


def test_pages_that_decide_do_not_read_it(near, page, sam, line, monkeypatch):
    """Only what is marked asks for it: the queue and the automation of a line are not."""
    monkeypatch.setattr(replica, "as_of_replica", lambda: pytest.fail("asked for the replica"))
    for name in ("queue", "line_automation", "discrepancies", "audit_trail_page"):
        for kwargs in ({"line": line.slug}, {}):
            try:
                url = reverse(name, kwargs=kwargs)
            except Exception:  # noqa: S112 - some take the line in their path, others do not
                continue
            assert page(sam).get(url).status_code in (200, 302)
            break
