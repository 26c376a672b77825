"""The client sends rows and reads predictions as a bento's callers do."""

import time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from doubling import REFERENCE

from tasks.core.errors import ProofFailed
from tasks.serving import bento_client
from tasks.serving.acceptance_test import check_identity, compare_answers
from tasks.serving.bento_client import ARROW, JSON, Answer, Caller, read_predictions, write_rows


def test_connection_that_was_idle_is_not_used_again(
    service: Any, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows are computed, the server closes what nobody uses."""
    monkeypatch.setattr(bento_client, "_IDLE_SECONDS", 0.05)
    service.timeout = 0.1
    assert check_identity(caller, "m", "v1") == "lightgbm"
    for _ in range(2):
        time.sleep(0.2)
        assert compare_answers(caller, REFERENCE, JSON, 2) == 0


def test_a_server_that_is_gone_is_refused() -> None:
    with pytest.raises(ProofFailed, match="GET /model: no answer: "):
        Caller(9).ask("GET", "/model")


def test_rows_are_written_as_json_and_arrow() -> None:
    rows = pl.DataFrame({"x": [Decimal("1.50"), None]})
    assert write_rows(rows, JSON) == b'[{"x":1.5},{"x":null}]'
    assert pl.read_ipc_stream(write_rows(rows, ARROW)).equals(rows)


def test_predictions_are_read_from_json_and_arrow() -> None:
    said = Answer(status=200, kind=JSON, body=b'{"predictions": [[0.25, 0.75]]}')
    assert read_predictions(said).tolist() == [[0.25, 0.75]]
    body = write_rows(pl.DataFrame({"prediction": [0.5]}), ARROW)
    assert read_predictions(Answer(status=200, kind=ARROW, body=body)).tolist() == [0.5]
    body = write_rows(pl.DataFrame({"prediction": [[0.25, 0.75], [0.5, 0.5]]}), ARROW)
    several = read_predictions(Answer(status=200, kind=ARROW, body=body))
    assert several.tolist() == [[0.25, 0.75], [0.5, 0.5]]


def test_quantiles_are_read_beside_their_prediction() -> None:
    said = Answer(
        status=200, kind=JSON, body=b'{"predictions": [2.0], "quantiles": [[1.0, 2.0, 3.0]]}'
    )
    assert read_predictions(said).tolist() == [[2, 1, 2, 3]]
    body = write_rows(pl.DataFrame({"prediction": [2.0], "quantiles": [[1.0, 2.0, 3.0]]}), ARROW)
    assert read_predictions(Answer(status=200, kind=ARROW, body=body)).tolist() == [[2, 1, 2, 3]]
