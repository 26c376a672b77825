"""Calibration of predictions whose truth is known."""

import numpy as np
import pytest

from tasks.core.deviances import DEVIANCES
from tasks.evaluation.calibration import (
    calibrate,
    calibration_error,
    calibration_excess,
    calibration_unit,
)


def test_calibration_covers_all_rows_and_finds_a_shift() -> None:
    random = np.random.default_rng(1)
    truth = random.random(20_000)
    target = (random.random(20_000) < truth).astype(np.float64)
    bins = calibrate(target, truth)
    assert [each.rows for each in bins] == [2_000] * 10
    assert calibration_error(target, truth, 1.0) == pytest.approx(0, abs=0.015)
    assert calibration_error(target, truth + 0.1, 1.0) == pytest.approx(0.1, abs=0.015)
    constant = calibrate(target, np.full(20_000, 0.5))
    assert [(each.rows, each.observed) for each in constant] == [(20_000, target.mean())]


def test_what_small_bins_miss_by_chance_is_no_excess() -> None:
    random = np.random.default_rng(1)
    truth = random.random(200)
    target = (random.random(200) < truth).astype(np.float64)
    error, excess = (each(target, truth, 1.0) for each in (calibration_error, calibration_excess))
    assert excess < 0.04 < 0.06 < error
    assert calibration_excess(target, np.minimum(truth + 0.3, 1), 1.0) > 0.1


def test_calibration_of_values_is_in_standard_deviations() -> None:
    target = np.array([0.0, 10.0])
    assert calibration_unit("regression", target) == 5.0
    assert calibration_unit("regression", np.zeros(3)) == 1.0
    assert calibration_unit("binary", target) == 1.0


def test_calibration_of_counts_and_amounts_is_in_means_where_those_are_smaller() -> None:
    amounts = np.array([0.0] * 9 + [100.0])
    assert calibration_unit("regression", amounts, deviance=DEVIANCES["tweedie"]) == 10.0
    assert calibration_unit("regression", amounts + 1000, deviance=DEVIANCES["gamma"]) == 30.0
    assert calibration_unit("regression", np.zeros(3), deviance=DEVIANCES["poisson"]) == 1.0
