"""A client of a bento's server: rows sent over HTTP as JSON or Arrow, and predictions read back.

The client is http.client's, by hand: what httpx itself costs for each request would count as the
service's latency.
"""

import io
import json
import time
from http.client import HTTPConnection, HTTPException

import msgspec
import numpy as np
import polars as pl
from polars import selectors as cs

from tasks.core.definition import Frozen
from tasks.core.errors import ProofFailed, first_line
from tasks.evaluation.metrics import Array
from tasks.processes.bento_server import HOST

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
_TIMEOUT = 60
_IDLE_SECONDS = 1.0  # BentoML's server closes a connection that was idle for five


class Answer(Frozen):
    status: int
    kind: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.body[:160]!r}"


class Caller:
    """A connection to a server on loopback, kept alive while it is in use.

    One that was idle while something was computed is opened anew: the server may be closing it.
    """

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection(HOST, port, timeout=_TIMEOUT)
        self.used = 0.0

    def close(self) -> None:
        self.connection.close()

    def post(self, body: bytes, kind: str = JSON) -> Answer:
        return self.ask("POST", "/predict", body, kind)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = JSON) -> Answer:
        if time.monotonic() - self.used > _IDLE_SECONDS:
            self.connection.close()  # it opens by itself
        try:
            self.connection.request(method, path, body, {"Content-Type": kind, "Accept": kind})
            answer = self.connection.getresponse()
            said = answer.headers.get_content_type()
            answered = Answer(status=answer.status, kind=said, body=answer.read())
            self.used = time.monotonic()
            return answered
        except (OSError, HTTPException) as error:
            raise ProofFailed(f"{method} {path}: no answer: {first_line(error)}") from error


def write_rows(rows: pl.DataFrame, kind: str) -> bytes:
    if kind == JSON:
        numbers = cs.decimal().cast(pl.Float64)  # msgspec would write a decimal as text
        return msgspec.json.encode(rows.with_columns(numbers).to_dicts())
    stream = io.BytesIO()
    rows.write_ipc_stream(stream)
    return stream.getvalue()


def read_predictions(answer: Answer) -> Array:
    """Read what many rows were answered: predictions, after each its interval or quantiles."""
    if answer.kind == ARROW:
        told = pl.read_ipc_stream(io.BytesIO(answer.body))
        held = told.to_dict()
        predicted, beside = list(told["prediction"]), held.get("interval", held.get("quantiles"))
    else:
        said = json.loads(answer.body)
        predicted, beside = said["predictions"], said.get("intervals", said.get("quantiles"))
    found = np.asarray(predicted, dtype=np.float64)  # of classes, each row has several
    if beside is None:
        return found
    return np.column_stack([found, np.asarray(list(beside), dtype=np.float64)])
