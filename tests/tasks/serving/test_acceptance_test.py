"""A service that answers wrongly in one way at a time does not pass its acceptance test."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from any_model import make_folder
from doubling import REFERENCE, ROWS, Answering
from pages import serving_app
from tables import ROWS as ROWS_IN_TIME

from bentos.app import PredictionApp
from bentos.metrics import Metrics
from bentos.model import load_folder
from bentos.prediction_log_writer import PredictionLog
from tasks.core.errors import ProofFailed
from tasks.core.model_sections import Serving
from tasks.registry.versions import get_version
from tasks.serving.acceptance_test import (
    check_identity,
    compare_answers,
    compare_ways,
    make_bad_requests,
    measure_latency,
    try_bad_requests,
)
from tasks.serving.bento_client import JSON, Caller
from tasks.serving.expected_answers import compute_reference
from tasks.storage.store import open_store


def test_service_that_answers_rightly_passes(service: Any, caller: Caller) -> None:
    assert check_identity(caller, "m", "v1") == "lightgbm"
    assert compare_answers(caller, REFERENCE, JSON, 2) == 0


COUNTS = 'value = "k"\nkind = "regression"'
NUMBER = {"target": 'value = "x * k"\nkind = "regression"', "features": 'c = "c"\nx = "x"'}
EARLY = "threads = 1\nrounds = 10\nearly_stopping = 5"
KINDS = {
    "yes or no": {},
    "classes": {"target": 'value = "c"\nkind = "multiclass"', "features": 'x = "x"\nk = "k"'},
    "number": NUMBER,
    "interval": NUMBER | {"serving": "interval = 0.8"},
    "quantiles": NUMBER | {"target": f"{NUMBER['target']}\nquantiles = [0.2, 0.5, 0.7]"},
    "count": {
        "target": COUNTS,
        "features": 'x = "x"',
        "training": f'{EARLY}\nparams = {{ objective = "poisson" }}',
    },
}


@pytest.mark.parametrize("predictor", ["lightgbm", "compiled"])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_each_kind_are_those_of_training(
    kind: str, predictor: str, tmp_path: Path
) -> None:
    sections = {"training": EARLY, **KINDS[kind]}
    sections["serving"] = f'predictor = "{predictor}"\n{sections.get("serving", "")}'
    folder = make_folder(tmp_path, ROWS_IN_TIME, **sections)
    store = open_store(str(tmp_path / "root"))
    reference = compute_reference(store, get_version(store, "made", folder.name), tmp_path / "read")
    metrics = Metrics()
    app = PredictionApp(load_folder(folder), metrics, PredictionLog(None, metrics))
    with serving_app(app) as port, closing(Caller(port)) as caller:
        assert check_identity(caller, "made", folder.name) == predictor
        assert compare_ways(port, reference, Serving()) == 0
        assert len(try_bad_requests(caller, reference.rows)) > 7


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


def test_a_number_is_sent_as_text_and_as_nan_where_there_is_one() -> None:
    sent = {name: body for name, body, _ in make_bad_requests(ROWS)}
    assert sent["text for a number"] == b'[{"x": "1.5"}]'
    assert sent["NaN for a number"] == b'[{"x": NaN}]'
    words = {name for name, _, _ in make_bad_requests(ROWS.cast(str))}
    assert set(sent) - words == {"text for a number", "NaN for a number"}


def test_a_bad_request_that_is_answered_is_refused(service: Any, caller: Caller) -> None:
    service.answer = staticmethod(lambda path, asked: (200, {"predictions": []}))
    with pytest.raises(ProofFailed, match=r"/predict answers not JSON with 200 .*, not a 4xx"):
        try_bad_requests(caller, ROWS)


def test_the_median_is_not_longer_than_the_p99(service: Any) -> None:
    p50, p99 = measure_latency(service.port, REFERENCE, Serving())
    assert 0 < p50 <= p99


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
