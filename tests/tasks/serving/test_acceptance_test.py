"""A service that answers wrongly in one way at a time does not pass its acceptance_test."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.definition import Serving
from tasks.core.errors import ProofFailed
from tasks.serving import acceptance_test
from tasks.serving.acceptance_test import (
    JSON,
    Caller,
    check_identity,
    compare_answers,
    measure_latency,
    try_bad_requests,
)
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


@pytest.fixture
def service() -> Iterator[type[Service]]:
    kind = type("Told", (Service,), {"answer": staticmethod(answer_rightly)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield kind
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def caller(service: Any) -> Iterator[Caller]:
    opened = Caller(service.port)
    yield opened
    opened.close()


def test_service_that_answers_rightly_passes(service: Any, caller: Caller) -> None:
    assert check_identity(caller, "m", "v1") == "lightgbm"
    assert compare_answers(caller, REFERENCE, JSON, 2) == 0
    p50, p99 = measure_latency(service.port, REFERENCE, Serving())
    assert 0 < p50 <= p99


def test_connection_that_was_idle_is_not_used_again(
    service: Any, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows are computed, the server closes what nobody uses."""
    monkeypatch.setattr(acceptance_test, "_IDLE_SECONDS", 0.05)
    service.timeout = 0.1
    assert check_identity(caller, "m", "v1") == "lightgbm"
    for _ in range(2):
        time.sleep(0.2)
        assert compare_answers(caller, REFERENCE, JSON, 2) == 0


def test_another_version_is_refused(service: Any, caller: Caller) -> None:
    with pytest.raises(ProofFailed, match=r"^m:v2: /model says 200 b"):
        check_identity(caller, "m", "v2")
    service.answer = staticmethod(lambda path, asked: (500, {}))
    with pytest.raises(ProofFailed, match=r"/model says 500"):
        check_identity(caller, "m", "v1")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda path, asked: (503, {}), "refuses holdout rows as application/json: 503"),
        (lambda path, asked: (200, {"predictions": [*asked, 0.0]}), "another shape: .5,. for .3,."),
        (
            lambda path, asked: (200, {"predictions": [2 * x + (x > 2) for x in asked]}),
            "differs from training in 1 of 3 holdout rows sent 2 at once as application/json, by 1",
        ),
    ],
)
def test_wrong_answers_to_many_rows_are_refused(
    service: Any, caller: Caller, answer: Answering, said: str
) -> None:
    service.answer = staticmethod(answer)
    with pytest.raises(ProofFailed, match=said):
        compare_answers(caller, REFERENCE, JSON, 2)


def test_a_bad_request_that_is_answered_is_refused(service: Any, caller: Caller) -> None:
    service.answer = staticmethod(lambda path, asked: (200, {"predictions": []}))
    with pytest.raises(ProofFailed, match=r"/predict answers not JSON with 200 .*, not a 4xx"):
        try_bad_requests(caller, ROWS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda path, asked: (429, {}), "/predict fails under a short load: 429"),
        (lambda path, asked: (200, {"predictions": [0.0]}), "answers a row sent alone otherwise"),
    ],
)
def test_wrong_answers_to_single_rows_are_refused(
    service: Any, answer: Answering, said: str
) -> None:
    service.answer = staticmethod(answer)
    with pytest.raises(ProofFailed, match=said):
        measure_latency(service.port, REFERENCE, Serving())


def test_a_service_that_is_too_slow_is_refused(service: Any) -> None:
    limits = Serving(latency_budget_ms=0.000_001)
    with pytest.raises(ProofFailed, match=r"too late: p99 is \d+.\d ms, the budget 1e-06 ms"):
        measure_latency(service.port, REFERENCE, limits)


def test_a_server_that_is_gone_is_refused() -> None:
    with pytest.raises(ProofFailed, match="GET /model: no answer: "):
        Caller(9).ask("GET", "/model")
