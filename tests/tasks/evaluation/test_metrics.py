"""Metrics against scikit-learn, and intervals against simulations whose truth is known."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from guesses import guess_airline, guess_lateness
from sklearn import metrics as sklearn

from tasks.core.deviances import Deviance
from tasks.core.model_sections import TargetKind
from tasks.evaluation.metrics import Array, measure, rank_bins, row_losses

DATA = Path(__file__).parents[3] / "data" / "nycflights13"
THRESHOLD = 0.3


TIED: dict[str, Callable[[Array], Array]] = {
    "many ties": lambda scores: scores,
    "no tie": lambda scores: scores + np.arange(len(scores)) * 1e-9,
    "one value": lambda scores: np.full(len(scores), 0.2),
    "sure": lambda scores: (scores > 0.6).astype(np.float64),
}


@pytest.mark.parametrize("spread", TIED.values(), ids=TIED)
def test_binary_metrics_are_those_of_scikit_learn(
    flights: pl.DataFrame, spread: Callable[[Array], Array]
) -> None:
    late, predicted = flights["late"].to_numpy(), spread(guess_lateness(flights))
    assert measure("binary", late.astype(np.float64), predicted, THRESHOLD) == pytest.approx(
        {
            "auc": sklearn.roc_auc_score(late, predicted),
            "log_loss": sklearn.log_loss(late, predicted),
            "brier": sklearn.brier_score_loss(late, predicted),
            "accuracy": sklearn.accuracy_score(late, predicted >= THRESHOLD),
            "average_precision": sklearn.average_precision_score(late, predicted),
            "precision": sklearn.precision_score(late, predicted >= THRESHOLD, zero_division=0),
            "recall": sklearn.recall_score(late, predicted >= THRESHOLD),
            "f1": sklearn.f1_score(late, predicted >= THRESHOLD),
        },
        rel=1e-12,
    )


def test_multiclass_metrics_are_those_of_scikit_learn(flights: pl.DataFrame) -> None:
    carriers, predicted = guess_airline(flights)
    chosen, labels = predicted.argmax(axis=1), range(predicted.shape[1])
    assert measure(
        "multiclass", carriers.astype(np.float64), predicted, THRESHOLD
    ) == pytest.approx(
        {
            "log_loss": sklearn.log_loss(carriers, predicted, labels=labels),
            "accuracy": sklearn.accuracy_score(carriers, chosen),
            "macro_f1": sklearn.f1_score(carriers, chosen, average="macro"),
        },
        rel=1e-12,
    )


@pytest.mark.parametrize("shift", [0, 1e8])
def test_regression_metrics_are_those_of_scikit_learn(flights: pl.DataFrame, shift: float) -> None:
    delay, predicted = (flights[name].to_numpy() + shift for name in ("arr_delay", "dep_delay"))
    assert measure("regression", delay, predicted, THRESHOLD) == pytest.approx(
        {
            "rmse": sklearn.root_mean_squared_error(delay, predicted),
            "mae": sklearn.mean_absolute_error(delay, predicted),
            "r2": sklearn.r2_score(delay, predicted),
        },
        rel=1e-12,
    )


ONE_ROW_A_CLASS = np.eye(3)
DEGENERATE: dict[str, tuple[TargetKind, Any, Any]] = {
    "one class": ("binary", np.ones(5), np.linspace(0, 1, 5)),
    "one row": ("binary", np.zeros(1), np.ones(1)),
    "wrong and sure": ("binary", np.array([0.0, 1.0]), np.array([1.0, 0.0])),
    "one class of three": ("multiclass", np.zeros(3), ONE_ROW_A_CLASS),
    "wrong and sure of three": ("multiclass", np.array([1.0, 2.0, 0.0]), ONE_ROW_A_CLASS),
    "constant target": ("regression", np.full(7, 0.1), np.linspace(0, 1, 7)),
    "constant and right": ("regression", np.full(7, 0.1), np.full(7, 0.1)),
    "one value": ("regression", np.array([3.0]), np.array([4.0])),
    "huge values": ("regression", np.array([1e100, -1e100]), np.array([0.0, 0.0])),
}


@pytest.mark.parametrize(("kind", "target", "predicted"), DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_inputs_give_numbers(kind: TargetKind, target: Array, predicted: Array) -> None:
    measured = measure(kind, target, predicted, THRESHOLD)
    json.dumps(measured, allow_nan=False)
    assert {type(value) for value in measured.values()} == {float}


def test_ties_share_a_bin() -> None:
    assert len(set(rank_bins(np.full(100, 0.3)))) == 1
    assert [int(count) for count in np.bincount(rank_bins(np.arange(100.0)))] == [10] * 10


def test_row_losses_average_to_their_metric(flights: pl.DataFrame) -> None:
    late, predicted = flights["late"].to_numpy().astype(np.float64), guess_lateness(flights)
    measured = measure("binary", late, predicted, THRESHOLD)
    for metric in ("log_loss", "brier", "accuracy"):
        losses = row_losses(metric, late, predicted, THRESHOLD)
        assert losses.mean() == pytest.approx(measured[metric], rel=1e-12)


def test_what_has_nothing_to_divide_by_is_0_as_with_zero_division_0() -> None:
    nobody, sure = np.zeros(4), np.array([0.1, 0.2, 0.3, 0.9])
    none_true = measure("binary", nobody, sure, 0.5)
    none_told = measure("binary", np.ones(4), sure / 10, 0.5)
    for found in (none_true, none_told):
        assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)
    assert (none_true["average_precision"], none_told["average_precision"]) == (0, 1)


DEVIATIONS: dict[str, tuple[Deviance, Callable[..., float]]] = {
    "counts": (Deviance("poisson_deviance", 1.0), sklearn.mean_poisson_deviance),
    "amounts": (Deviance("gamma_deviance", 2.0), sklearn.mean_gamma_deviance),
    "amounts and zeros": (
        Deviance("tweedie_deviance", 1.3),
        partial(sklearn.mean_tweedie_deviance, power=1.3),
    ),
}


@pytest.mark.parametrize(("deviance", "oracle"), DEVIATIONS.values(), ids=DEVIATIONS)
def test_deviances_are_those_of_scikit_learn_and_mean_the_rows_own(
    deviance: Deviance, oracle: Callable[..., float]
) -> None:
    random = np.random.default_rng(1)
    mean = random.gamma(2.0, 3.0, 5_000)
    target = random.poisson(mean).astype(np.float64) + (0 if deviance.takes_zero else 0.5)
    found = measure("regression", target, mean, THRESHOLD, own_loss=deviance)
    assert list(found) == [deviance.metric, "rmse", "mae", "r2"]
    assert found[deviance.metric] == pytest.approx(oracle(target, mean), rel=1e-12)
    losses = row_losses(deviance.metric, target, mean, own_loss=deviance)
    assert losses.mean() == pytest.approx(found[deviance.metric], rel=1e-12)
    assert losses.min() >= -1e-12
