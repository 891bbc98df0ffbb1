"""The agent as a process, on real sockets: TLS, webhook, health address, exit codes, changes, and installed by itself."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import venv
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inspection import actions, waiting
from inspection.models import ApiToken, Inspection
from station.spool import Spool
from station.telling import FOLLOWED, SIGNATURE, Asker, Filer, Follower, Poster, signature

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parent.parent.parent
PASS, REJECT, UNDECIDED, FAILED = range(4)


def until(condition, seconds=20.0):
    """What the condition gives once it gives something; the test fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def agent(rig, tmp_path):
    """Starts the agent as a process, and ends it with the test."""
    started = []

    def start(*more, server=None, **environment):
        command = [sys.executable, "-m", "station", "run", "--server", server or rig.settings.server]
        command += ["--line", "line-a", "--settle", "0.1", "--watch", str(rig.watch), "--min-free-gb", "0"]
        command += ["--spool", str(rig.settings.spool), "--out", str(tmp_path / "out"), *more]
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def sending(rig, photo, *more, server=None):
    """`send` as a process."""
    command = [sys.executable, "-m", "station", "send", str(photo), "--server", server or rig.settings.server]
    command += ["--line", "line-a", "--spool", str(rig.settings.spool), "--min-free-gb", "0", *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def send(rig, photo, *more, server=None):
    """The exit code of `send` and what it said."""
    process = sending(rig, photo, *more, server=server)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


@pytest.fixture
def photo(tmp_path, make_photo):
    (tmp_path / "SN1.jpg").write_bytes(make_photo())
    return tmp_path / "SN1.jpg"


@pytest.fixture
def receiver():
    """A webhook's other end, that refuses its first delivery."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((self.path, self.headers[SIGNATURE], body))
            self.send_response(503 if len(server.got) == 1 else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads, server.got = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# ---- answers come back


def test_an_agent_waits_for_the_answer_with_one_question(rig, agent, photo, ivy, judge, tmp_path, monkeypatch):
    questions, wait = [], waiting.wait_for_disposition
    monkeypatch.setattr(waiting, "MAX_SECONDS", 20)
    monkeypatch.setattr("inspection.api.wait_for_disposition", lambda *asked: questions.append(asked) or wait(*asked))
    agent()
    shutil.move(photo, rig.watch)
    part = until(lambda: Inspection.objects.first())
    until(lambda: questions)
    time.sleep(3)
    judge(part, ivy, "scratched")
    decided_at = time.monotonic()
    until((tmp_path / "out" / "SN1.json").exists)
    assert time.monotonic() - decided_at < 1.5
    assert json.loads((tmp_path / "out" / "SN1.json").read_text())["outcome"] == "reject"
    assert [seconds for _, seconds in questions] == [20.0]


def test_the_webhook_is_posted_signed_until_it_takes_it(rig, agent, photo, receiver, ivy, judge):
    address = f"http://127.0.0.1:{receiver.server_port}/parts?of=cam-1"
    agent("--webhook", address, STATION_WEBHOOK_SECRET="a secret")
    shutil.move(photo, rig.watch)
    judge(until(lambda: Inspection.objects.first()), ivy, "ok")
    until(lambda: len(receiver.got) == 2)
    time.sleep(1.5)
    assert len(receiver.got) == 2, "what was taken is not posted again"
    path, signed, body = receiver.got[1]
    at = float(signed.partition("t=")[2].partition(",")[0])
    assert path == "/parts?of=cam-1" and signed == signature("a secret", body, at)
    assert (json.loads(body)["serial"], json.loads(body)["outcome"]) == ("SN1", "pass")


def test_a_webhook_without_a_secret_does_not_start(agent):
    process = agent("--webhook", "http://127.0.0.1:9/", STATION_WEBHOOK_SECRET="")
    assert process.wait(20) == FAILED and "STATION_WEBHOOK_SECRET" in process.stderr.read()


def test_a_later_change_reaches_file_and_webhook(rig, photo, receiver, ivy, sam, judge, tmp_path, monkeypatch):
    monkeypatch.setattr("inspection.disposition_records.SETTLED", timedelta(0))
    monkeypatch.setenv("STATION_WEBHOOK_SECRET", "a secret")
    receiver.got.append("the one that it refuses")
    out, told = tmp_path / "out" / "SN1.json", []
    filer = Filer(rig.spool, tmp_path / "out")
    poster = Poster(rig.spool, f"http://127.0.0.1:{receiver.server_port}/")
    follower = Follower(rig.spool, rig.client, changed=lambda: told.append(1))
    follower.step()  # from here on
    shutil.move(photo, rig.watch)
    rig.taker().look()
    rig.send_all()
    verdict = judge(Inspection.objects.get(), ivy, "ok")
    Asker(rig.spool, rig.client, waits=False, decided=lambda: None).step()
    filer.step(), poster.step()
    follower.step()
    assert json.loads(out.read_text())["outcome"] == "pass" and not told, "a first disposition is no change"
    actions.correct_verdict(verdict=verdict, outcome="scratched", reason="seen in the audit", by=sam)
    follower.step()
    filer.step(), poster.step()
    first, second = (json.loads(body) for _, _, body in receiver.got[1:])
    assert (first["outcome"], second["outcome"], json.loads(out.read_text())["outcome"]) == ("pass", "reject", "reject")
    assert first["key"] == second["key"] and second["at"] > first["at"] and told == [1]
    rig.spool.note(FOLLOWED, "0", time.time())  # killed before the number was kept: told again, nothing comes of it
    follower.step()
    assert filer.step() is None and poster.step() is None
    poster.client.close()


def test_a_running_agent_tells_a_later_change(rig, agent, photo, ivy, sam, judge, tmp_path, monkeypatch):
    monkeypatch.setattr("inspection.disposition_records.SETTLED", timedelta(0))
    out = tmp_path / "out" / "SN1.json"
    agent()
    until(lambda: rig.spool.noted(FOLLOWED))
    shutil.move(photo, rig.watch)
    verdict = judge(until(lambda: Inspection.objects.first()), ivy, "ok")
    until(lambda: out.exists() and json.loads(out.read_text())["outcome"] == "pass")
    actions.correct_verdict(verdict=verdict, outcome="scratched", reason="seen in the audit", by=sam)
    until(lambda: json.loads(out.read_text())["outcome"] == "reject")


def test_a_change_of_a_part_that_was_forgotten_is_told_all_the_same(
    rig, photo, ivy, sam, judge, tmp_path, monkeypatch
):  # fmt: skip
    monkeypatch.setattr("inspection.disposition_records.SETTLED", timedelta(0))
    follower = Follower(rig.spool, rig.client, changed=lambda: None)
    follower.step()
    shutil.move(photo, rig.watch)
    rig.taker(lot="L1").look()
    rig.send_all()
    (row,) = rig.spool._rows("WHERE state = 'sent'")
    rig.spool.drop_photos(row)
    rig.spool.forget(row)
    verdict = judge(Inspection.objects.get(), ivy, "ok")
    actions.correct_verdict(verdict=verdict, outcome="scratched", reason="seen in the audit", by=sam)
    follower.step()
    Filer(rig.spool, tmp_path / "out").step()
    told = json.loads((tmp_path / "out" / "SN1.json").read_text())
    assert (told["outcome"], told["key"], told["lot"], told["inspection"]) == ("reject", row.key, "L1", row.inspection)
    assert rig.state()["sent_last_hour"] == 0


def test_what_changed_while_it_was_told_is_told_again(rig, photo):
    """A change that arrives between reading a row and noting that it was told must not count as told."""
    shutil.move(photo, rig.watch)
    rig.taker().look()
    rig.send_all()
    (row,) = rig.spool._rows("WHERE state = 'sent'")
    said = {"outcome": "pass", "by_machine": True, "reason": "", "at": "2026-01-01T00:00:00Z"}
    rig.spool.decide(row.key, said)
    told = rig.spool.next_to_file()
    rig.spool.decide_anew(row.key, said | {"outcome": "reject"})
    rig.spool.mark_filed(told, time.time())
    rig.spool.mark_posted(told, time.time())
    assert rig.spool.next_to_file().disposition["outcome"] == "reject"
    assert rig.spool.next_to_post(time.time()).disposition["outcome"] == "reject"


# ---- the health address


def asked(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return None


def free_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def test_the_health_address_says_200_or_503_with_the_state(rig, agent, photo):
    port = free_port()
    agent("--listen", f"127.0.0.1:{port}", STATION_TOKEN="wrong")
    assert until(lambda: asked(f"http://127.0.0.1:{port}/"))[0] == 200
    shutil.move(photo, rig.watch)
    until(lambda: "401" in str((asked(f"http://127.0.0.1:{port}/") or [0, {}])[1].get("trouble")))
    status, state = asked(f"http://127.0.0.1:{port}/")
    assert status == 503 and state["running"] and state["waiting"] == 1


def test_an_address_where_nobody_can_listen_is_said(agent):
    process = agent("--listen", "nowhere")
    assert process.wait(20) == FAILED and "nobody can listen there" in process.stderr.read()


# ---- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of our own, and a certificate of it for localhost: (ca, certificate, key) as files."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make certificates")
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Ours", "-days", "2")
    openssl("req", *new, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "request.pem", *signing, "-out", "cert.pem")
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"


@contextmanager
def encrypted(server, certificate, key):
    """An address at which the server is reached by TLS: what a site's proxy does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    behind = urlsplit(server)
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve(plain):
        inside = socket.create_connection((behind.hostname, behind.port))
        with (
            inside,
            suppress(OSError),
            context.wrap_socket(plain, server_side=True) as outer,
        ):  # unless it trusts us not
            back = threading.Thread(target=pump, args=(inside, outer), daemon=True)
            back.start()
            pump(outer, inside)
            back.join()

    def accept():
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(plain,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"https://localhost:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_a_certificate_of_ones_own_authority_is_trusted_by_its_file_alone(rig, photo, authority):
    ca, certificate, key = authority
    with encrypted(rig.settings.server, certificate, key) as address:
        code, said = send(rig, photo, "--serial", "SN1", "--wait", "0", server=address)
        assert code == FAILED and "CERTIFICATE_VERIFY_FAILED" in said
        assert not Inspection.objects.exists()
        code, said = send(rig, photo, "--serial", "SN2", "--wait", "0", "--ca-file", str(ca), server=address)
        assert code == UNDECIDED, said
        wrong = address.replace("localhost", "127.0.0.1")  # another name than the certificate's
        code, said = send(rig, photo, "--serial", "SN3", "--wait", "0", "--ca-file", str(ca), server=wrong)
        assert code == FAILED and "CERTIFICATE_VERIFY_FAILED" in said
    assert list(Inspection.objects.values_list("serial", flat=True)) == ["SN2"]


# ---- exit codes


@pytest.mark.parametrize(("verdict", "code"), [("ok", PASS), ("scratched", REJECT)])
def test_send_exits_with_what_came_of_the_part(rig, photo, ivy, judge, verdict, code):
    process = sending(rig, photo, "--serial", "SN1", "--wait", "30")
    judge(until(lambda: Inspection.objects.first()), ivy, verdict)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said


def test_send_exits_2_when_nobody_has_decided_yet(rig, photo):
    code, said = send(rig, photo, "--serial", "SN1", "--wait", "1")
    assert code == UNDECIDED and "a person decides" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--serial", ""], "1 to 120 characters"),
        (["--serial", "SN1", "--line", "nowhere"], "no line"),
        (["--serial", "SN1", "--station", "nowhere"], "no station"),
        (["--serial", "SN1", "--max-spool-gb", "0"], "spool"),
        (["--serial", "SN1", "--wait", "soon"], "--wait"),
        (["--serial", "SN1", "--server", "http://192.0.2.1"], "plain http"),
        (["--serial", "SN1", "--server", "http://127.0.0.1:9"], "an agent sends it later"),
        ([], "--serial"),
    ],
)
def test_send_exits_3_on_every_error_and_says_why(rig, photo, more, words):
    code, said = send(rig, photo, *more)
    assert code == FAILED and words in said, said


def test_send_exits_3_without_a_token_or_a_photo(rig, photo, tmp_path, monkeypatch):
    (tmp_path / "SN2.jpg").write_bytes(photo.read_bytes()[:-20])
    assert send(rig, tmp_path / "SN2.jpg", "--serial", "SN2")[0] == FAILED
    assert send(rig, tmp_path / "none.jpg", "--serial", "SN3")[0] == FAILED
    monkeypatch.delenv("STATION_TOKEN")
    code, said = send(rig, photo, "--serial", "SN1")
    assert code == FAILED and "STATION_TOKEN_FILE" in said
    assert not Inspection.objects.exists() and not list(rig.spool.parts.iterdir()), "nothing was kept"


# ---- a new token


def test_a_server_that_cannot_say_now_whether_it_has_a_part_gets_no_second_one(rig, photo, cam, monkeypatch):
    shutil.move(photo, rig.watch)
    rig.taker().look()
    monkeypatch.setattr(rig.spool, "mark_sent", lambda *args, **fields: None)  # killed before the receipt is kept
    rig.sender.send(rig.spool.next_waiting(time.time()))
    monkeypatch.undo()
    monkeypatch.setenv("STATION_TOKEN", ApiToken.issue(cam))
    ask, unwell = rig.client.ask, []

    def ask_while_unwell(method, path, *rest):
        answer = ask(method, path, *rest)
        if method == "GET" and not unwell:
            unwell.append(path)
            return type(answer)(503, {}, b"")
        return answer

    monkeypatch.setattr(rig.client, "ask", ask_while_unwell)
    assert rig.sender.step() > 0 and unwell
    rig.send_all()
    assert Inspection.objects.count() == 1 and rig.state()["waiting"] == 0


# ---- installed by itself


def test_installed_from_a_clean_copy_it_runs_without_the_product(tmp_path):
    copy, home = tmp_path / "station", tmp_path / "venv"
    shutil.copytree(ROOT / "station", copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "pip"), "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    installed = subprocess.run([*pip, str(copy)], cwd=tmp_path, capture_output=True, text=True)
    if installed.returncode and "setuptools" in installed.stderr:
        pytest.skip("no package index from which to take setuptools")
    assert installed.returncode == 0, installed.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for command in ([str(home / "bin" / "python"), "-m", "station"], [str(home / "bin" / "shadowline-station")]):
        told = subprocess.run([*command, "--help"], cwd=elsewhere, capture_output=True, text=True)
        assert told.returncode == 0 and "status" in told.stdout
    spool = tmp_path / "spool"
    Spool(spool).close()
    told = subprocess.run([*command, "status", "--json", "--spool", str(spool)], capture_output=True, text=True)
    assert told.returncode == 1 and json.loads(told.stdout)["trouble"] == ["No agent works on this spool."]
