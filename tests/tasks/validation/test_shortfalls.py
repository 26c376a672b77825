"""What is worse beyond noise or beyond the margin is told, with both figures; nothing else is."""

import numpy as np
import polars as pl
import pytest
from scored import definition_of, make_rows
from sklearn.metrics import accuracy_score

from tasks.core.columns import TARGET
from tasks.validation.gate import judge
from tasks.validation.shortfalls import find_shortfalls


def yes_no(rows: pl.DataFrame, wrong: float, seed: int = 3) -> np.ndarray:
    """Give chances that are right of all rows but a share, so that accuracy alone is good."""
    flipped = np.random.default_rng(seed).random(len(rows)) < wrong
    return np.abs(rows[TARGET].to_numpy() - flipped) * 0.02 + 0.49


def test_a_metric_that_the_simple_model_is_surely_better_at_is_told_with_both_figures() -> None:
    rows = make_rows()
    rows = rows.with_columns(simple=pl.Series(yes_no(rows, 0.1)))
    found = {each.name: each for each in find_shortfalls(definition_of(), rows, None)}
    target = rows[TARGET]
    ours, theirs = (accuracy_score(target, rows[each] >= 0.5) for each in ("predicted", "simple"))
    told = found["accuracy"]
    assert (told.ours, told.theirs) == pytest.approx((ours, theirs), abs=1e-12)
    assert f"accuracy {ours:.4f} against {theirs:.4f} of the simple model: worse by" in told.said
    assert told.said.split(", which is ")[1].startswith("beyond noise, and beyond the margin of")
    assert told.margin == pytest.approx(0.01 * (1 - theirs))


@pytest.mark.parametrize(
    ("margin", "wrong", "said"),
    [
        (0.5, 0.20, "beyond noise, though within the margin"),
        (0.5, 0.26, None),
        (0.0, 0.26, "but may be noise"),
    ],
)
def test_noise_within_the_margin_is_not_told(margin: float, wrong: float, said: str | None) -> None:
    rows = make_rows()
    rows = rows.with_columns(simple=pl.Series(yes_no(rows, wrong, 5)))
    definition = definition_of(gate=f"margin = {margin}, second_metric = 'log_loss'")
    found = {each.name: each.said for each in find_shortfalls(definition, rows, None)}
    assert ("accuracy" in found) == (said is not None)
    assert said is None or said in found["accuracy"]


@pytest.mark.parametrize(
    ("sharpness", "margin", "said"),
    [
        (1.0, 0.1, None),
        (1.0, 0.02, "beyond the margin of 0.0093 ([gate] calibration_margin = 0.02), but may be"),
        (4.0, 0.02, "beyond noise, and beyond the margin"),
        (4.0, 0.9, "beyond noise, though within the margin"),
    ],
)
def test_calibration_that_is_off_is_told_though_the_gate_passes_it(
    sharpness: float, margin: float, said: str | None
) -> None:
    gate = f"calibration_at_most = 0.9, calibration_margin = {margin}"
    verdict = judge(definition_of(gate=gate), make_rows(sharpness), None)
    (checked,) = [each for each in verdict.checks if each.name == "calibrated"]
    assert checked.passed
    told = [each for each in verdict.shortfalls if each.name == "calibration_error"]
    assert len(told) == (said is not None)
    for each in told:
        assert (each.ours, each.theirs) == (checked.numbers["error"], checked.numbers["excess"])
        assert f"calibration is off by {each.ours:.4f} on average" in each.said
        assert str(said) in each.said


def test_an_equal_has_no_shortfall_and_no_key_in_the_verdict() -> None:
    rows = make_rows().with_columns(simple="predicted")
    verdict = judge(definition_of(gate="calibration_margin = 0.1"), rows, None)
    assert verdict.shortfalls == ()
    assert "shortfalls" not in verdict.model_dump()
