"""Calibration by itself and beside the champion's, as it stands and without a base rate."""

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from scored import definition_of, make_rows

from tasks.core.checks import Check
from tasks.validation.calibration_checks import judge_calibrated, judge_calibration, suggest
from tasks.validation.champion_comparison import pair_predictions
from tasks.validation.moved_rate import MovedRate


def test_error_beyond_what_is_allowed_is_refused_with_a_hint() -> None:
    rows = make_rows()
    assert next(judge_calibrated(definition_of(), rows)).passed
    high = rows.with_columns(pl.Series("predicted", expit(logit(rows["predicted"]) + 1.5)))
    (check,) = judge_calibrated(definition_of(), high)
    assert not check.passed
    assert "to mend it, " in check.detail
    assert not check.warning


def test_only_what_came_about_since_is_taken_off() -> None:
    rows = make_rows()
    odds = logit(rows["predicted"].to_numpy())
    high = rows.with_columns(pl.Series("predicted", expit(odds + 1.5)))
    for learned, passed in ((0.0, True), (-1.5, False)):
        moved = MovedRate(before=0.5, came=rows_rate(rows), told=0.7, learned=learned, offset=-1.5)
        (check,) = judge_calibrated(definition_of(), high, moved)
        assert (check.passed, bool(check.warning)) == (passed, passed)
        pair = pair_predictions(definition_of(), high, rows["predicted"])
        beside = judge_calibration(definition_of(), pair, moved)
        assert (beside.passed, bool(beside.warning)) == (passed, passed)


def rows_rate(rows: pl.DataFrame) -> float:
    return float(np.mean(rows["perennial.target"].to_numpy()))


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_what_would_mend_it_fits_the_target(kind: str) -> None:
    said = suggest(definition_of(kind), Check(name="x", passed=False, detail="off")).detail
    assert ("recalibrate" in said) == (kind == "binary")
    assert ("newer rows" in said) == (kind == "regression")
