"""Pinball losses and coverage errors, against scikit-learn and rows counted by hand."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import mean_pinball_loss  # type: ignore[import-untyped]

from tasks.core.pinball import Pinball
from tasks.evaluation.bootstrap import compare, group_rows
from tasks.evaluation.metrics import error_of, measure, measure_one, row_losses
from tasks.evaluation.pinball_losses import pinball_by_level

LEVELS = Pinball((0.1, 0.5, 0.9))
_DRAW = np.random.default_rng(5)
TARGET = _DRAW.normal(size=1_000)
PREDICTED = np.sort(_DRAW.normal(size=(1_000, 3)), axis=1)
WEIGHTS = _DRAW.uniform(0, 3, 1_000)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_loss_is_scikit_learns_at_each_level_and_on_average(weights: np.ndarray | None) -> None:
    found = measure("regression", TARGET, PREDICTED, 0.5, weights, own_loss=LEVELS)
    wanted = [
        mean_pinball_loss(TARGET, each, alpha=level, sample_weight=weights)
        for level, each in zip(LEVELS.levels, PREDICTED.T, strict=True)
    ]
    assert list(found) == ["pinball_loss", "coverage_error"]
    assert found["pinball_loss"] == pytest.approx(np.mean(wanted), rel=1e-12)
    levels = np.average(pinball_by_level(LEVELS, TARGET, PREDICTED), axis=0, weights=weights)
    assert levels == pytest.approx(wanted, rel=1e-12)
    shares = np.average(TARGET[:, None] < PREDICTED, axis=0, weights=weights)
    wanted_gap = np.abs(shares - LEVELS.levels).mean()
    assert found["coverage_error"] == pytest.approx(wanted_gap, rel=1e-12)


def test_order_never_costs_anything() -> None:
    crossed = PREDICTED[:, ::-1]
    ordered, before = (row_losses("pinball_loss", TARGET, each, own_loss=LEVELS)
                       for each in (PREDICTED, crossed))  # fmt: skip
    assert (ordered <= before + 1e-12).all()


def test_level_within_the_rows_on_a_quantile_is_met() -> None:
    """Of ten counts, seven are 0: each level up to .7 lies on them."""
    counts, zeros = np.array([0.0] * 7 + [1, 2, 3]), np.zeros((10, 3))
    assert measure_one("coverage_error", counts, zeros, 0.5, own_loss=LEVELS) == pytest.approx(
        (0 + 0 + 0.2) / 3
    )


def test_single_number_stands_for_each_quantile() -> None:
    wanted = np.mean([mean_pinball_loss(TARGET, PREDICTED[:, 1], alpha=a) for a in LEVELS.levels])
    losses = row_losses("pinball_loss", TARGET, PREDICTED[:, 1], own_loss=LEVELS)
    assert losses.mean() == pytest.approx(wanted, rel=1e-12)


def test_margin_of_a_coverage_error_is_in_shares_of_rows() -> None:
    assert error_of("coverage_error", 0.001) == 1.0


def test_bootstrap_compares_models_of_quantiles() -> None:
    truth = TARGET[:, None] + np.array([-1.28, 0, 1.28])
    groups = group_rows(pl.Series([None] * 1_000, dtype=pl.Datetime("us")), 1)
    told = {"confidence": 0.95, "threshold": 0.5, "seed": 1}
    for metric in ("pinball_loss", "coverage_error"):
        gain = compare(metric, TARGET, truth, PREDICTED, groups, own_loss=LEVELS, **told)
        ours, theirs = (
            measure_one(metric, TARGET, each, 0.5, own_loss=LEVELS) for each in (truth, PREDICTED)
        )
        assert gain.value == pytest.approx(theirs - ours, rel=1e-9)
        assert gain.low < gain.value < gain.high
