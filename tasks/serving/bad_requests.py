"""Bad requests that every bento must refuse, sent by the acceptance test."""

import json
from collections.abc import Iterator

import polars as pl

from tasks.core.errors import ProofFailed
from tasks.serving.bento_client import ARROW, JSON, Caller, write_rows


def make_bad_requests(rows: pl.DataFrame) -> Iterator[tuple[str, bytes, str]]:
    """Make requests that no service may answer with a prediction, or break on."""
    row = json.loads(write_rows(rows.head(1), JSON))[0]
    numbers = [name for name, dtype in rows.schema.items() if dtype.is_numeric()]
    yield "not JSON", b"{", JSON
    yield "no rows", b"[]", JSON
    yield "not a row", b"[1]", JSON
    yield "a column missing", json.dumps([dict(list(row.items())[1:])]).encode(), JSON
    yield "an unknown column", json.dumps([row | {"no such column": 1}]).encode(), JSON
    for name in numbers[:1]:
        yield "text for a number", json.dumps([row | {name: "1.5"}]).encode(), JSON
        yield "NaN for a number", json.dumps([row | {name: float("nan")}]).encode(), JSON
    yield "torn Arrow", write_rows(rows.head(1), ARROW)[:-100], ARROW
    yield "another content type", b"<rows/>", "application/xml"


def try_bad_requests(caller: Caller, rows: pl.DataFrame) -> dict[str, int]:
    """Send bad requests; each must be refused as the caller's mistake, in valid JSON."""
    statuses = {}
    for name, body, kind in make_bad_requests(rows):
        answer = caller.post(body, kind)
        if not 400 <= answer.status < 500:
            raise ProofFailed(f"/predict answers {name} with {answer}, not a 4xx")
        statuses[name] = answer.status
    return statuses
