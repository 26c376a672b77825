"""Rows measured by a definition: one way for whole, slice and fold, and scikit-learn's numbers."""

import numpy as np
import polars as pl
import pytest
from scored import definition_of
from sklearn.metrics import log_loss, mean_absolute_error, root_mean_squared_error

from tasks.core.columns import TARGET, TIME, WEIGHT
from tasks.evaluation.row_metrics import loss_metric, measure_rows, measure_rows_surely

RNG = np.random.default_rng(4)
WEIGHTS = RNG.uniform(0.5, 2, 500)


def rows_of(target: np.ndarray) -> pl.DataFrame:  # type: ignore[type-arg]
    times = pl.Series([None] * len(target), dtype=pl.Datetime)
    return pl.DataFrame({TARGET: target, TIME: times, WEIGHT: WEIGHTS})


def test_weighted_metrics_are_scikit_learns_and_in_their_interval() -> None:
    target, predicted = RNG.normal(size=500), RNG.normal(size=500)
    definition, rows = definition_of("regression"), rows_of(target)
    found = measure_rows(definition, rows, predicted)
    for name, oracle in {"mae": mean_absolute_error, "rmse": root_mean_squared_error}.items():
        expected = oracle(target, predicted, sample_weight=WEIGHTS)
        assert found[name] == pytest.approx(expected, abs=1e-9)  # type: ignore[index]
    sure = measure_rows_surely(definition, "mae", rows, predicted)
    wide = measure_rows_surely(definition, "mae", rows, predicted, 0.999)
    assert sure.value == found["mae"]
    assert wide.low < sure.low < sure.value < sure.high < wide.high


def test_probabilities_are_judged_by_log_loss() -> None:
    target, predicted = RNG.integers(0, 2, 500).astype(float), RNG.uniform(0.1, 0.9, 500)
    definition = definition_of()
    assert loss_metric(definition) == "log_loss"
    sure = measure_rows_surely(definition, "log_loss", rows_of(target), predicted)
    expected = log_loss(target, predicted, sample_weight=WEIGHTS)
    assert sure.value == pytest.approx(expected, abs=1e-9)
