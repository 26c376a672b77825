"""Things that fail as they are told: an S3 server on loopback, and a disk with little room."""

import http.client
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

CODES = {
    403: "InvalidAccessKeyId",
    409: "ConditionalRequestConflict",
    500: "InternalError",
    503: "SlowDown",
}
_SLOW_SECONDS = 0.5


class FaultyS3:
    """Stands in front of a real server and forwards each request, unless `fault` names a mishap.

    An HTTP status is answered in the real server's place; `lose` lets the request through and
    drops the connection; `cut` drops it in the middle of the answer; `reset` resets it before the
    request goes through; `slow` keeps it waiting; `hang` never answers. Requests go through one at
    a time, for a real S3 decides on one `If-None-Match` at a time.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind.removeprefix("http://")
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        self.turn, self.stopped = threading.Lock(), threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.server = _Server(("127.0.0.1", 0), handler)
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


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was killed is no error
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyS3
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client is gone
            self.close_connection = True
            return
        with self.owner.turn:
            self.owner.requests.append((self.command, self.path))
            fault = self.owner.fault(self.command, self.path)
        if fault == "slow":
            self.owner.stopped.wait(_SLOW_SECONDS)
            fault = None
        if fault == "hang":
            self.owner.stopped.wait()
            self.close_connection = True
        elif fault == "reset":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        elif isinstance(fault, int):
            text = f"<Error><Code>{CODES[fault]}</Code><Message>told to fail</Message></Error>"
            self.answer(fault, {"Content-Type": "application/xml"}, text.encode())
        else:
            self.pass_on(body, fault)

    def pass_on(self, body: bytes, fault: str | None) -> None:
        with self.owner.turn:
            real = http.client.HTTPConnection(self.owner.behind, timeout=30)
            real.request(self.command, self.path, body, dict(self.headers))
            response = real.getresponse()
            answer = response.read()
            real.close()
        self.close_connection = fault is not None
        if fault == "cut":
            self.answer(response.status, dict(response.headers), answer, len(answer) // 2)
        elif fault is None:
            self.answer(response.status, dict(response.headers), answer)

    def answer(
        self, status: int, headers: dict[str, str], body: bytes, send: int | None = None
    ) -> None:
        lower = {name.lower(): value for name, value in headers.items()}
        length = lower.get("content-length", "0") if self.command == "HEAD" else str(len(body))
        kept = {name: value for name, value in lower.items() if name not in ("connection", "date")}
        self.send_response_only(status)
        for name, value in (kept | {"content-length": length}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:send])

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of a size such as `512k`, and skip the test where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
