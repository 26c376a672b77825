"""An S3 server on loopback that stumbles as it is told, in front of a real one."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

CODES = {
    403: "InvalidAccessKeyId",
    409: "ConditionalRequestConflict",
    500: "InternalError",
    503: "SlowDown",
}


class FaultyS3:
    """Forwards each request unless `fault`, told its number, method and path, names a mishap.

    An HTTP status is answered in place of the real server; `lose` lets the request through and
    drops the connection; `cut` drops it in the middle of the answer; `hang` never answers. Requests
    go through one at a time, for a real S3 decides on one `If-None-Match` at a time.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind.removeprefix("http://")
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[int, str, str], int | str | None] = lambda number, method, path: None
        self.turn, self.stopped = threading.Lock(), threading.Event()
        owner = self

        class Handler(_Handler):
            server_of = owner

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_of: FaultyS3
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server_of.turn:
            self.server_of.requests.append((self.command, self.path))
            number = len(self.server_of.requests)
        fault = self.server_of.fault(number, self.command, self.path)
        if fault == "hang":
            self.server_of.stopped.wait()
        if isinstance(fault, int):
            text = f"<Error><Code>{CODES[fault]}</Code><Message>told to fail</Message></Error>"
            return self.answer(fault, {"Content-Type": "application/xml"}, text.encode())
        with self.server_of.turn:
            status, headers, answer = self.ask(body)
        if fault in ("lose", "hang"):
            self.close_connection = True
        elif fault == "cut":
            self.answer(status, headers, answer, send=len(answer) // 2)
            self.close_connection = True
        else:
            self.answer(status, headers, answer)

    def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        real = http.client.HTTPConnection(self.server_of.behind, timeout=30)
        try:
            real.request(self.command, self.path, body, dict(self.headers))
            response = real.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            real.close()

    def answer(
        self, status: int, headers: dict[str, str], body: bytes, send: int | None = None
    ) -> None:
        self.send_response_only(status)
        length = headers.pop("content-length", None) or headers.pop("Content-Length", None)
        hidden = self.command == "HEAD"
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(length if hidden and length else len(body)))
        self.end_headers()
        if not hidden:
            self.wfile.write(body[:send])

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""
