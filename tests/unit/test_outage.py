"""A database or disk that fails for now is 503 with a time to ask again; any other fault stays 500."""

import errno
import sqlite3

import pytest
from django.db import InterfaceError, OperationalError
from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny

from config import urls
from config.outage import is_outage


def _fail(request):
    raise FAULT[0]


FAULT: list[Exception] = [ValueError()]
urlpatterns = [
    path("api/v1/part/", api_view(["GET"])(permission_classes([AllowAny])(_fail))),
    path("page/", _fail),
]
handler500 = "config.outage.unforeseen"
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def ask(client, db):
    client.raise_request_exception = False

    def ask(fault, url="/api/v1/part/"):
        FAULT[0] = fault
        return client.get(url)

    return ask


GONE = OperationalError("the connection is closed")


def test_the_api_says_when_to_send_again(ask):
    answer = ask(GONE)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert answer.json()["status"] == 503
    assert answer["Content-Type"] == "application/problem+json"


def test_a_page_says_it_without_the_database(ask, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = ask(GONE, "/page/")
    assert answer.status_code == 503
    assert "cannot read or store" in answer.content.decode()


def test_a_disk_that_is_full_is_an_outage_and_a_missing_file_is_none(ask):
    assert ask(OSError(errno.ENOSPC, "No space left on device")).status_code == 503
    assert ask(FileNotFoundError(errno.ENOENT, "weights")).status_code == 500


def test_other_faults_stay_what_they_are(ask):
    assert ask(ValueError("a bug")).status_code == 500


def test_a_session_that_cannot_be_read_is_an_outage(ask, monkeypatch, client):
    client.cookies["sessionid"] = "x" * 32

    def gone(*_):
        raise GONE

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", gone)
    assert ask(ValueError(), "/page/").status_code == 503


@pytest.mark.parametrize(("code", "outage"), [(sqlite3.SQLITE_FULL, True), (sqlite3.SQLITE_ERROR, False)])
def test_sqlites_own_words(code, outage):
    error = OperationalError("database or disk is full")
    error.__cause__ = sqlite3.OperationalError()
    error.__cause__.sqlite_errorcode = code
    assert is_outage(error) is outage


def test_the_site_asks_this_module():
    assert urls.handler500 == "config.outage.unforeseen"


def test_a_connection_that_was_lost_is_an_outage():
    assert is_outage(InterfaceError("connection already closed"))
    assert not is_outage(None)
