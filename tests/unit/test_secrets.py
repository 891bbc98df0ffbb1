"""Secrets come from the environment or from files, and no error and no log repeats one."""

import io
import logging

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from config import logs
from config.environment import broker, database, mail_options, secret

SENTINEL = "sentinel-7c1f9e"


@pytest.fixture
def in_file(tmp_path, monkeypatch):
    def write(name, content):
        path = tmp_path / name.lower()
        path.write_bytes(content)
        monkeypatch.setenv(f"{name}_FILE", str(path))
        return path

    return write


def test_a_secret_comes_from_its_file_without_the_line_end(in_file, monkeypatch):
    assert secret("METRICS_TOKEN") == ""
    in_file("METRICS_TOKEN", b" from a file \n")
    assert secret("METRICS_TOKEN") == "from a file"
    monkeypatch.delenv("METRICS_TOKEN_FILE")
    monkeypatch.setenv("METRICS_TOKEN", "from here")
    assert secret("METRICS_TOKEN") == "from here"


def refused(call, *args) -> str:
    with pytest.raises(ImproperlyConfigured) as refusal:
        call(*args)
    return str(refusal.value)


def test_both_or_a_file_that_says_nothing_is_refused(in_file, monkeypatch, tmp_path):
    path = in_file("METRICS_TOKEN", b" \n")
    assert refused(secret, "METRICS_TOKEN") == f"METRICS_TOKEN_FILE names {path}, which is empty."
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(tmp_path / "none"))
    assert "none, which cannot be read: No such file or directory." in refused(secret, "METRICS_TOKEN")
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(tmp_path))
    assert "cannot be read: Is a directory." in refused(secret, "METRICS_TOKEN")
    in_file("METRICS_TOKEN", b"\xff\xfe")
    assert "cannot be read: it is no text." in refused(secret, "METRICS_TOKEN")
    monkeypatch.setenv("METRICS_TOKEN", SENTINEL)
    assert (
        refused(secret, "METRICS_TOKEN") == "METRICS_TOKEN and METRICS_TOKEN_FILE are both set. Leave one of them out."
    )


@pytest.mark.parametrize(
    ("reader", "url"),
    [
        (database, f"postgres://user:{SENTINEL}/x@host:5432/name"),
        (database, f"postgres://user:{SENTINEL}@host:port/name"),
        (database, SENTINEL),
        (database, f"oracel://user:{SENTINEL}@host/name"),
        (broker, f"redis://:{SENTINEL}/x@host:6379/0"),
        (broker, f"amqp://user:x@host:5672//;amqp://user:{SENTINEL}/x@host:5672//"),
        (broker, SENTINEL),
        (mail_options, f"smtp://user:{SENTINEL}/x@host:587"),
        (mail_options, f"{SENTINEL}:password@host"),
        (mail_options, f"imap://user:{SENTINEL}@host"),
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(reader, url):
    assert SENTINEL not in refused(reader, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://:a%2Fb@host:6379/0",
        "amqp://u:p@host//",
        "redis+socket:///tmp/x.sock",
        "amqp://a//;amqp://b//",
        "memory://",
    ],
)
def test_a_broker_that_can_be_read_is_left_as_it_is(url):
    assert broker(url) == url


@pytest.fixture
def logged():
    """Everything that is logged, as a site writes it."""
    made = logs.formatter(json=True, colors=False)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(made.pop("()")(**made))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_request_leaves_a_secret_in_the_log(logged, client, ada, settings, monkeypatch):
    """Wrong passwords and tokens, and a bug while they are in hand."""
    settings.TESTING = False  # requests are logged, as on a site
    settings.METRICS_TOKEN = SENTINEL
    client.raise_request_exception = False
    client.post(reverse("login"), {"username": "ada", "password": SENTINEL})
    client.get(f"/login/?next={SENTINEL}")
    bearer, token = {"Authorization": f"Bearer {SENTINEL}"}, {"Authorization": f"Token {SENTINEL}"}
    client.get("/metrics", headers=bearer)
    client.get("/api/v1/inspections/", headers=token)

    def bug(password, user=None):
        raise ValueError("a bug")

    client.force_login(ada)
    monkeypatch.setattr("inspection.forms.validate_password", bug)
    answer = client.post(reverse("setup_user_password", args=[ada.pk]), {"password": SENTINEL}, headers=token)
    assert answer.status_code == 500
    assert "a bug" in logged.getvalue()
    assert '"path": "/api/v1/inspections/"' in logged.getvalue()
    assert SENTINEL not in logged.getvalue()
