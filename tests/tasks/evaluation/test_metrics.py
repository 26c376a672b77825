"""Metrics against scikit-learn, and intervals against simulations whose truth is known."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sklearn

from tasks.core.definition import Metric, TargetKind
from tasks.evaluation.metrics import (
    Array,
    Interval,
    area_under_curve,
    compare,
    compare_calibration,
    compare_means,
    draw_groups,
    measure,
    measure_surely,
    rank_bins,
    row_losses,
)

DATA = Path(__file__).parents[3] / "data" / "nycflights13"
THRESHOLD = 0.3


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    table = pl.read_parquet(DATA / "flights-2013-*.parquet").filter(
        pl.col("arr_delay").is_not_null()
    )
    return table.gather_every(40).with_columns(late=pl.col("arr_delay") > 15)


def guess_lateness(flights: pl.DataFrame) -> Array:
    """Predict lateness from the hour alone: some twenty values, so nearly every row is tied."""
    return (flights["hour"].cast(pl.Float64) / 24).to_numpy()


def guess_airline(flights: pl.DataFrame) -> tuple[Array, Array]:
    """Predict one of 14 airlines, right now and then, some of them never."""
    carriers = flights["carrier"].rank("dense").to_numpy().astype(np.int64) - 1
    scores = np.random.default_rng(1).normal(size=(len(carriers), carriers.max() + 1))
    scores[np.arange(len(carriers)), carriers] += 2
    scores[:, 3] = -50
    return carriers, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


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


def simulate_days(seed: int, days: int, likeness: float) -> tuple[Array, Array, Array]:
    """Draw two models' errors, equally good, where one day favours the one, the next the other.

    `likeness` is how much a day is like the day before it.
    """
    random = np.random.default_rng(seed)
    favours = random.normal(size=days)
    for day in range(1, days):
        favours[day] = likeness * favours[day - 1] + math.sqrt(1 - likeness**2) * favours[day]
    groups = np.repeat(np.arange(days), 40)
    base = 10 + random.normal(size=len(groups))
    return base + favours[groups] / 2 + random.normal(size=len(groups)), base, groups


def share_covering(interval_of: Callable[[int], Interval], simulations: int = 300) -> float:
    """Tell how many intervals hold the true difference, which is none."""
    intervals = [interval_of(seed) for seed in range(simulations)]
    return sum(each.low <= 0 <= each.high for each in intervals) / simulations


@pytest.mark.parametrize("days", [20, 30, 60])
@pytest.mark.parametrize("likeness", [0.0, 0.3])
def test_95_percent_covers_what_it_says_where_days_rise_and_fall_together(
    days: int, likeness: float
) -> None:
    def bootstrap(seed: int) -> Interval:
        one, other, groups = simulate_days(seed, days, likeness)
        return compare_errors("mae", one, other, groups)

    def formula(seed: int) -> Interval:
        one, other, groups = simulate_days(seed, days, likeness)
        return compare_means(one, other, groups, confidence=0.95)

    assert 0.9 <= share_covering(bootstrap) <= 0.98
    assert 0.9 <= share_covering(formula) <= 0.98


def test_single_rows_instead_of_days_would_cover_far_too_little() -> None:
    def interval(seed: int) -> Interval:
        one, other, groups = simulate_days(seed, 30, 0.0)
        shuffled = np.random.default_rng(seed).permutation(len(groups))
        return compare_means(one, other, shuffled, confidence=0.95)

    assert share_covering(interval) < 0.7


def test_auc_interval_covers_too() -> None:
    """Two scores of equal worth over days of which some favour the one and some the other."""

    def interval(seed: int) -> Interval:
        random = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), 60)
        target = (random.random(len(groups)) < 0.3).astype(np.float64)
        one, other = (
            target * random.normal(1, 0.5, 30)[groups] + random.normal(size=len(groups))
            for _ in range(2)
        )
        return compare("auc", target, one, other, groups, confidence=0.95, threshold=0.5, seed=seed)

    assert 0.9 <= share_covering(interval, simulations=100) <= 0.98


def test_bins_change_the_auc_interval_by_little(flights: pl.DataFrame) -> None:
    late, one = flights["late"].to_numpy().astype(np.float64), flights["dep_delay"].to_numpy() * 1.0
    one = one + np.random.default_rng(1).normal(size=len(one)) * 50
    other = one + np.random.default_rng(2).normal(size=len(one)) * 20
    groups = flights["time_hour"].dt.ordinal_day().rank("dense").to_numpy().astype(np.int64) - 1
    binned = compare("auc", late, one, other, groups, confidence=0.95, threshold=0.5, seed=1)
    weights = draw_groups(int(groups.max()) + 1, 1)[:, groups]
    exact = weigh_auc(late, one, weights) - weigh_auc(late, other, weights)
    assert binned.value == area_under_curve(late, one) - area_under_curve(late, other)
    low, high = np.quantile(exact, [0.025, 0.975])
    assert binned.high - binned.low == pytest.approx(high - low, rel=0.05)
    assert (binned.low + binned.high) / 2 == pytest.approx(
        (low + high) / 2, abs=0.03 * (high - low)
    )


def weigh_auc(target: Array, predicted: Array, weights: Array) -> Array:
    """Compute one AUC a row of weights, without bins; scores must not be tied."""
    order = np.argsort(predicted)
    positive, negative = (weights[:, order] * (target[order] == label) for label in (1, 0))
    won = (positive * np.cumsum(negative, axis=1)).sum(axis=1)
    return np.asarray(won / positive.sum(axis=1) / negative.sum(axis=1))


def compare_errors(
    metric: Metric, one: Array, other: Array, groups: Array, seed: int = 1
) -> Interval:
    target = np.zeros(len(one))
    return compare(metric, target, one, other, groups, confidence=0.95, threshold=0.5, seed=seed)


def test_same_seed_gives_the_same_interval() -> None:
    errors = simulate_days(1, 30, 0.0)
    assert compare_errors("rmse", *errors) == compare_errors("rmse", *errors)
    assert compare_errors("rmse", *errors) != compare_errors("rmse", *errors, seed=2)


def test_a_model_against_itself_is_neither_better_nor_worse(flights: pl.DataFrame) -> None:
    late, predicted = flights["late"].to_numpy().astype(np.float64), guess_lateness(flights)
    carriers, shares = guess_airline(flights)
    groups = np.arange(len(late)) * 30 // len(late)
    none = Interval(value=0, low=0, high=0)
    options: Any = {"confidence": 0.95, "threshold": 0.5, "seed": 1}
    for metric in ("auc", "log_loss", "brier", "accuracy"):
        assert compare(metric, late, predicted, predicted, groups, **options) == none
    for metric in ("log_loss", "accuracy", "macro_f1"):
        assert compare(metric, carriers, shares, shares, groups, **options) == none
    assert compare_calibration(late, predicted, predicted, groups, confidence=0.95, seed=1) == none


def test_better_is_above_zero_whichever_way_the_metric_runs(flights: pl.DataFrame) -> None:
    delay, good = flights["arr_delay"].to_numpy() * 1.0, flights["dep_delay"].to_numpy() * 1.0
    bad, groups = good + 60.0 * np.sign(good), np.arange(len(good)) * 30 // len(good)
    for metric in ("rmse", "mae", "r2"):
        for one, other, sign in ((good, bad, 1), (bad, good, -1)):
            gain = compare(
                metric, delay, one, other, groups, confidence=0.95, threshold=0.5, seed=1
            )
            assert sign * gain.value > 0
            assert min(sign * gain.low, sign * gain.high) > 0


def test_calibration_is_compared_by_the_mean_gap_in_tenths() -> None:
    random = np.random.default_rng(1)
    truth = random.random(10_000)
    target = (random.random(10_000) < truth).astype(np.float64)
    groups = np.arange(10_000) // 200
    boast = np.clip(truth * 1.5 - 0.25, 0, 1)
    gain = compare_calibration(target, boast, truth, groups, confidence=0.95, seed=1)
    assert gain.value == pytest.approx(mean_gap(target, truth) - mean_gap(target, boast))
    assert gain.high < -0.05


def mean_gap(target: Array, predicted: Array) -> float:
    tenths = np.array_split(np.argsort(predicted, kind="stable"), 10)
    return float(
        sum(abs(np.sum(predicted[tenth] - target[tenth])) for tenth in tenths) / len(target)
    )


def test_row_losses_average_to_their_metric(flights: pl.DataFrame) -> None:
    late, predicted = flights["late"].to_numpy().astype(np.float64), guess_lateness(flights)
    measured = measure("binary", late, predicted, THRESHOLD)
    for metric in ("log_loss", "brier", "accuracy"):
        losses = row_losses(metric, late, predicted, THRESHOLD)
        assert losses.mean() == pytest.approx(measured[metric], rel=1e-12)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_sure_metric_is_the_metric_itself(flights: pl.DataFrame, metric: Metric) -> None:
    target = (flights["arr_delay"] > 15).to_numpy()[:5000] * 1.0
    predicted = np.random.default_rng(1).uniform(0.01, 0.99, len(target))
    groups = np.arange(len(target)) // 100
    found = measure_surely(
        metric, target, predicted, groups, confidence=0.95, threshold=THRESHOLD, seed=1
    )
    assert found.value == pytest.approx(measure("binary", target, predicted, THRESHOLD)[metric])
    assert found.low < found.value < found.high
