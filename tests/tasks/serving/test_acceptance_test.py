"""A service that answers wrongly in one way at a time does not pass its acceptance test."""

from typing import Any

import pytest
from doubling import REFERENCE, ROWS, Answering

from tasks.core.errors import ProofFailed
from tasks.core.model_sections import Serving
from tasks.serving.acceptance_test import (
    check_identity,
    compare_answers,
    make_bad_requests,
    measure_latency,
    try_bad_requests,
)
from tasks.serving.bento_client import JSON, Caller


def test_service_that_answers_rightly_passes(service: Any, caller: Caller) -> None:
    assert check_identity(caller, "m", "v1") == "lightgbm"
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
