"""Estimates before labels come: the model's word, put right by the holdout."""

import numpy as np
import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.evaluation.metrics import measure, row_losses
from tasks.monitoring.performance_estimation import (
    Estimator,
    calibrate_chances,
    estimate_metrics,
    fit_estimator,
)

DRAW = np.random.default_rng(1)


def define(kind: str) -> Definition:
    return Definition.model_validate(
        {
            "name": "made",
            "sources": {"s": "s.parquet"},
            "target": {"value": "y", "kind": kind},
        }
    )


def draw_binary(rows: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw outcomes, and the word of a model that is too sure of itself."""
    odds = DRAW.normal(-1, spread, rows)
    target = (DRAW.random(rows) < 1 / (1 + np.exp(-odds))).astype(float)
    return target, 1 / (1 + np.exp(-2 * odds - 0.5))


def test_estimate_follows_what_comes_true_when_rows_get_harder() -> None:
    definition = define("binary")
    estimator = fit_estimator(definition, *draw_binary(40_000, 1.2))
    for spread in (1.2, 0.6):
        target, predicted = draw_binary(40_000, spread)
        truth = measure("binary", target, predicted, 0.5)
        found = estimate_metrics(definition, estimator, predicted)
        assert found == pytest.approx(truth, abs=0.02)


def test_word_is_taken_as_the_holdout_showed_it() -> None:
    target, predicted = draw_binary(40_000, 1.0)
    estimator = fit_estimator(define("binary"), target, predicted)
    assert estimator.slope == pytest.approx(0.5, abs=0.03)
    assert calibrate_chances(estimator, predicted).mean() == pytest.approx(target.mean(), abs=1e-6)
    assert np.isfinite(calibrate_chances(Estimator(), np.array([0.0, 1.0]))).all()


def test_classes_are_estimated_from_their_probabilities() -> None:
    chances = DRAW.dirichlet([0.5, 1, 2], 30_000)
    target = (DRAW.random((30_000, 1)) > chances.cumsum(axis=1)).sum(axis=1).astype(float)
    definition = define("multiclass")
    estimator = fit_estimator(definition, target[:15_000], chances[:15_000])
    found = estimate_metrics(definition, estimator, chances[15_000:])
    truth = measure("multiclass", target[15_000:], chances[15_000:], 0.5)
    assert found == pytest.approx(truth, abs=0.02)


def test_values_take_the_error_of_near_predictions_and_no_share_explained() -> None:
    definition, predicted = define("regression"), DRAW.uniform(0, 10, 30_000)
    target = predicted + DRAW.normal(0, 0.1 + predicted)
    estimator = fit_estimator(definition, target, predicted)
    large = predicted > 7
    found = estimate_metrics(definition, estimator, predicted[large])
    truth = measure("regression", target[large], predicted[large], 0.5)
    assert found == pytest.approx({name: truth[name] for name in ("rmse", "mae")}, rel=0.05)


def test_no_rows_give_no_estimate() -> None:
    assert estimate_metrics(define("binary"), Estimator(), np.zeros(0)) == {}


def test_deviance_of_counts_is_estimated_like_their_error() -> None:
    definition = parse_definition(
        "name = 'm'\nsources.s = 's.parquet'\ntarget = { value = 'y', kind = 'regression' }\n"
        "training.params = { objective = 'poisson' }",
        "m.toml",
    )
    predicted = DRAW.uniform(1, 10, 30_000)
    target = DRAW.poisson(predicted).astype(float)
    estimator = fit_estimator(definition, target, predicted)
    found = estimate_metrics(definition, estimator, predicted[predicted > 7])
    assert found["poisson_deviance"] == pytest.approx(1.0, rel=0.1)


def test_pinball_loss_is_estimated_by_near_predictions() -> None:
    definition = parse_definition(
        "name = 'm'\nsources.s = 's.parquet'\n"
        "target = { value = 'y', kind = 'regression', quantiles = [0.1, 0.5, 0.9] }",
        "m.toml",
    )
    middle = DRAW.uniform(1, 10, 30_000)
    predicted = middle[:, None] + middle[:, None] * [-1.2816, 0, 1.2816]
    target = middle + DRAW.normal(0, middle)
    estimator, large = fit_estimator(definition, target, predicted), middle > 7
    found = estimate_metrics(definition, estimator, predicted[large])
    losses = row_losses(
        "pinball_loss", target[large], predicted[large], own_loss=definition.own_loss
    )
    assert found == pytest.approx({"pinball_loss": losses.mean()}, rel=0.05)
