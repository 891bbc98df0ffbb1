"""The check of dependencies: a known weakness fails it, a service that is away does not and is said."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tests import dependencies

WEAKNESS = {
    "id": "OSV-1", "modified": "2026-01-01T00:00:00Z", "summary": "It leaks.",
    "affected": [{
        "package": {"name": "lamp", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
    }],
}  # fmt: skip


@pytest.fixture
def lamp(tmp_path):
    """A folder with one installed package, lamp 1.0."""
    told = tmp_path / "lamp-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp\nVersion: 1.0\n")
    return str(tmp_path)


@pytest.fixture
def service():
    """A service of known weaknesses on this computer, which answers `service.told`."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(self.server.told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_known_weakness_is_named_with_the_version_that_mends_it(service, lamp):
    service.told = {"vulns": [WEAKNESS]}
    url = f"http://127.0.0.1:{service.server_address[1]}/"
    found, how_far = dependencies.audit("--path", lamp, "--vulnerability-service", "osv", "--osv-url", url)
    assert found == ["lamp 1.0: OSV-1, mended in 1.1"]
    assert how_far == "1 of 1 packages were held against the known weaknesses."


def test_a_service_that_knows_no_package_has_found_nothing_out(monkeypatch):
    """As the tool answers behind a proxy that says 404 to everything: no weakness, and exit code 0."""
    answer = SimpleNamespace(stdout=json.dumps({"dependencies": [{"name": "lamp", "skip_reason": "not found"}]}))
    monkeypatch.setattr(dependencies, "python", lambda *words: answer)
    assert dependencies.audit() == ([], "Known weaknesses were not asked: the service knows none of the 1 packages.")


def test_a_service_that_is_away_fails_nothing_and_is_said(lamp):
    found, how_far = dependencies.audit("--path", lamp, "-s", "osv", "--osv-url", "http://127.0.0.1:1/")
    assert found == []
    assert how_far.startswith("Known weaknesses were not asked")
