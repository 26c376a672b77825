"""What the report says of calibration: before and after, what was not gained, and a base rate."""

from typing import Any

from tasks.evaluation.evaluate import Evaluation
from tasks.evaluation.prior_shift import PriorShift
from tasks.evaluation.recalibrate import Recalibrated
from tasks.reports.candidate_calibration import list_recalibrated, tell_calibration
from tasks.training.recalibration import Recalibration
from tasks.validation.candidate import Candidate

FOUND: dict[str, Any] = {
    "rows": 2_000,
    "error": 0.21,
    "margin": 0.008,
    "shift": 0.0,
    "losses": {"none": 0.61, "platt": 0.43},
    "method": "platt",
    "before": {"calibration_error": 0.2, "log_loss": 0.6},
    "after": {"calibration_error": 0.01, "log_loss": 0.42},
}


def candidate(**given: Any) -> Candidate:
    evaluation = Evaluation.model_construct(**given)
    return Candidate.model_construct(evaluation=evaluation)


def test_recalibration_is_told_with_what_it_changed() -> None:
    chosen = Recalibration(method="platt", slope=0.9, intercept=-1.0)
    made = candidate(recalibrated=Recalibrated(**FOUND, chosen=chosen))
    (said,) = tell_calibration(made)
    assert "recalibrated by platt" in said
    assert "calibration error goes from 0.2000 to 0.0100, log loss from 0.6000 to 0.4200" in said
    assert list(list_recalibrated(made)) == [
        ["Calibration error", "0.2000", "0.0100"],
        ["Log loss", "0.6000", "0.4200"],
    ]


def test_what_no_method_gains_on_is_told_too() -> None:
    made = candidate(recalibrated=Recalibrated(**FOUND | {"method": "none"}))
    (said,) = tell_calibration(made)
    assert "not mended" in said
    assert list(list_recalibrated(made)) == []


def test_base_rate_that_moved_is_named() -> None:
    rates = {"predicted": 0.2, "observed": 0.3, "offset": 0.5, "left": 0.01, "share": 0.9}
    (said,) = tell_calibration(candidate(prior_shift=PriorShift(rows=9, error=0.1, **rates)))
    assert said.startswith("20.0% was predicted and 30.0% came true: a base rate that moved")
    assert list(tell_calibration(candidate())) == []
