"""A real collector of OpenTelemetry for tests: it takes spans as protocol buffers over HTTP."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # a traceparent as W3C's own text has it


class Collector:
    """What has come. `status` is what it answers, and while `goes_on` is not set it answers nothing."""

    def __init__(self):
        self.spans, self.processes, self.status, self.goes_on = [], set(), 200, threading.Event()
        self.goes_on.set()

    def take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {attribute.key: attribute.value for attribute in group.resource.attributes}
            self.processes.add((about["service.name"].string_value, about["process.pid"].int_value))
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str):
        return [span for span in self.spans if span.name == name]

    @contextmanager
    def serving(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.goes_on.wait(30)
                if self.path == "/v1/traces" and collector.status == 200:
                    collector.take(body)
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, *args):
                """Silence."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.goes_on.set()
            server.shutdown()
            server.server_close()
