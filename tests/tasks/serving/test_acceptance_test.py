"""A service that answers wrongly in one way at a time does not pass its acceptance test."""

from typing import Any

import pytest
from doubling import REFERENCE, Answering

from tasks.core.errors import ProofFailed
from tasks.serving.acceptance_test import check_identity, compare_answers
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
