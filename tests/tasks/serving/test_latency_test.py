"""Single predictions are timed, and wrong or late ones fail the acceptance test."""

from typing import Any

import pytest
from doubling import REFERENCE, Answering

from tasks.core.definition import Serving
from tasks.core.errors import ProofFailed
from tasks.serving.latency_test import measure_latency


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
