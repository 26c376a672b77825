"""A small HTTP service that doubles x, for tests of what asks a bento's server."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import polars as pl

from tasks.serving.bento_client import JSON
from tasks.serving.expected_answers import ExpectedAnswers

ROWS = pl.DataFrame({"x": [1.0, 2.0, 3.0]})
REFERENCE = ExpectedAnswers(rows=ROWS, expected=np.array([2.0, 4.0, 6.0]), left_out=0, tables={})
Answering = Callable[[str, Any], tuple[int, Any]]


class Service(BaseHTTPRequestHandler):
    """Doubles x, as its model was approved to, unless a test has it answer otherwise."""

    protocol_version, wbufsize = "HTTP/1.1", -1  # one packet an answer
    answer: Answering

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            asked = [float(row["x"]) for row in json.loads(body)]
        except (ValueError, TypeError, KeyError):
            asked = None
        self.say(*type(self).answer(self.path, asked))

    def do_GET(self) -> None:
        self.say(*type(self).answer(self.path, None))

    def say(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


def answer_rightly(path: str, asked: Any) -> tuple[int, Any]:
    if path == "/model":
        return 200, {"model": "m", "version": "v1", "predictor": "lightgbm"}
    return (200, {"predictions": [2 * x for x in asked]}) if asked else (400, {"error": "no"})


@contextmanager
def doubling_service() -> Iterator[type[Service]]:
    kind = type("Told", (Service,), {"answer": staticmethod(answer_rightly)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield kind
    server.shutdown()
    thread.join()
    server.server_close()
