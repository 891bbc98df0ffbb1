"""A webhook is posted to as it is addressed, signed, and never into the factory's own network; against real servers."""

import hashlib
import hmac
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
import trustme

from monitoring import webhooks
from monitoring.webhooks import SIGNATURE, Undelivered, find_target, is_public, post, signature

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OWN = ["127.0.0.1"]


@contextmanager
def serving(*, status=200, headers=(), context=None):
    """A real server that remembers what it was sent: `(port, requests)`."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args):
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, got
    finally:
        server.shutdown()
        server.server_close()


def send(url, body=b'{"a": 1}', *, allowed=OWN):
    post(url, body, secret="s3cret", at=AT, allowed=allowed)


def test_a_message_arrives_signed_and_the_receiver_can_tell():
    with serving() as (port, got):
        send(f"http://127.0.0.1:{port}/hook?team=a")
    [(path, headers, body)] = got
    assert (path, headers["Host"], headers["Content-Type"]) == (
        "/hook?team=a", f"127.0.0.1:{port}", "application/json",
    )  # fmt: skip
    seconds, digest = (part.partition("=")[2] for part in headers[SIGNATURE].split(","))
    assert int(seconds) == int(AT.timestamp())
    assert digest == hmac.new(b"s3cret", seconds.encode() + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("status", "words"), [(500, "was 500"), (404, "was 404"), (302, "redirect")])
def test_anything_but_a_2xx_is_no_arrival_and_no_redirect_is_followed(status, words):
    with serving() as (elsewhere, never):
        there = ("Location", f"http://127.0.0.1:{elsewhere}/")
        with serving(status=status, headers=[there]) as (port, got), pytest.raises(Undelivered, match=words):
            send(f"http://127.0.0.1:{port}/")
    assert (len(got), never) == (1, [])


def test_nobody_listens():
    with serving() as (port, _):
        pass
    with pytest.raises(Undelivered, match="does not answer"):
        send(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://localhost/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://0.0.0.0/", "https://2130706433/",
        "https://0x7f.1/", "https://[64:ff9b::a00:1]/", "https://0177.0.0.1/", "https://127.1/", "https://[::10.0.0.1]/",
        "https://[64:ff9b:1::a00:1]/", "https://[fec0::1]/", "https://[::ffff:0:10.0.0.1]/", "https://[::]/",
        "https://\N{CIRCLED DIGIT ONE}27.0.0.1/", "https://[2002:a9fe:a9fe::]/",
    ],
)  # fmt: skip
def test_what_leads_inside_is_refused(url):
    with pytest.raises(Undelivered, match=r"inside the network|no host"):
        find_target(url, allowed=[])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://93.184.216.34/", "Only https"),
        ("ftp://93.184.216.34/", "begins with https"),
        ("https:///path", "begins with https"),
        ("https://93.184.216.34:99999/", "not the address"),
        ("https://sam:secret@93.184.216.34/", "no user name"),
        ("https://no.such.host.invalid/", "no host no.such"),
    ],
)
def test_what_is_no_webhook_is_refused(url, words):
    with pytest.raises(Undelivered, match=words):
        find_target(url, allowed=[])


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8"])
def test_what_the_setting_names_may_be_posted_to(entry):
    assert find_target("http://127.0.0.1:99/x", allowed=["other", entry]).addresses == ("127.0.0.1",)
    with pytest.raises(Undelivered):
        find_target("http://127.0.0.1:99/x", allowed=["10.0.0.0/8", "::1"])


def named(monkeypatch, *answers):
    """A name service that gives hooks.example these addresses, one answer after the other; the rest is real."""
    left, real = list(answers), socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        if host != "hooks.example":
            return real(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_name_with_one_inner_address_is_refused(monkeypatch):
    named(monkeypatch, ["93.184.216.34", "192.168.0.1"])
    with pytest.raises(Undelivered, match=r"inside the network \(192.168.0.1\)"):
        find_target("https://hooks.example/", allowed=[])


def test_a_name_that_changes_after_it_was_looked_at_does_not_lead_inside(monkeypatch):
    """The connection goes to the address that was checked; the name is not asked again."""
    asked = []
    named(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    monkeypatch.setattr(webhooks, "_post_to", lambda address, *rest: asked.append(address) or 200)
    send("https://hooks.example/", allowed=[])
    assert asked == ["93.184.216.34"]


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """A certificate authority that this process trusts, instead of the system's."""
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return authority


@pytest.mark.parametrize(("certified", "arrives"), [("hooks.example", True), ("other.example", False)])
def test_tls_asks_for_the_certificate_of_the_name_while_the_address_is_pinned(
    monkeypatch, authority, certified, arrives
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certified).configure_cert(context)
    named(monkeypatch, ["127.0.0.1"])
    with serving(context=context) as (port, got):
        url = f"https://hooks.example:{port}/"
        if arrives:
            send(url, allowed=["hooks.example"])
        else:
            with pytest.raises(Undelivered, match="does not answer"):
                send(url, allowed=["hooks.example"])
    assert [headers["Host"] for _, headers, _ in got] == [f"hooks.example:{port}"] * arrives


def test_addresses_that_carry_another_are_as_public_as_that():
    public = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
    inner = ["127.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "224.0.0.1", "::", "100.64.0.1"]
    inner += ["::127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "::ffff:0:127.0.0.1", "2606:2800:220:1:0:5efe:7f00:1"]
    inner += ["2606:2800:220:1:200:5efe:a00:1", "2001:0:7f00:1::1"]
    assert [is_public(ip_address(address)) for address in public + inner] == [True] * 4 + [False] * 14


def test_another_secret_body_or_time_is_another_signature():
    first = signature("a", b"x", AT)
    later = AT.replace(second=8)
    assert len({first, signature("b", b"x", AT), signature("a", b"y", AT), signature("a", b"x", later)}) == 4
