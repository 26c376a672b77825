"""Intervals against simulations whose truth is known."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from guesses import guess_airline, guess_lateness

from tasks.core.model_sections import METRICS, Metric
from tasks.evaluation.bootstrap import (
    compare,
    compare_calibration,
    compare_means,
    draw_groups,
    group_rows,
    measure_surely,
)
from tasks.evaluation.interval import Interval, describe_gain
from tasks.evaluation.metrics import Array, area_under_curve, measure

THRESHOLD = 0.3
START = datetime(2020, 1, 1, tzinfo=UTC)


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
    for metric in METRICS["binary"]:
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


def test_days_are_groups_and_stretches_stand_in_for_too_few_of_them() -> None:
    start = datetime(2013, 5, 1, tzinfo=UTC)
    hours = pl.Series([start + timedelta(hours=n) for n in range(24 * 30)])
    assert group_rows(hours, seed=1).tolist() == [n // 24 for n in range(24 * 30)]
    week = group_rows(hours[: 24 * 7], seed=1)
    assert week.tolist() == sorted(week.tolist())
    assert len(set(week)) == 33
    years = pl.Series([start + timedelta(days=n) for n in range(5_000)])
    assert len(set(group_rows(years, seed=1))) == 500


def test_without_a_time_the_order_of_the_file_does_not_matter() -> None:
    groups = group_rows(pl.Series([None] * 10_000, dtype=pl.Datetime("us", "UTC")), seed=1)
    assert set(np.bincount(groups)) == {20}
    first_half = np.bincount(groups[:5_000], minlength=500)
    assert first_half.min() > 0
    assert first_half.max() < 20


def days(count: int, each: int = 1) -> pl.Series:
    times = [START + timedelta(days=day) for day in range(count) for _ in range(each)]
    return pl.Series(times, dtype=pl.Datetime("us", "UTC"))


def test_twenty_days_are_enough_to_draw_days_and_nineteen_are_not() -> None:
    assert group_rows(days(20, 3), 1).tolist() == [day for day in range(20) for _ in range(3)]
    nineteen: Array = group_rows(days(19, 3), 1)
    assert nineteen.tolist() == [row * 11 // 57 for row in range(57)]
    assert group_rows(days(1, 1_000), 1).tolist() == [row * 50 // 1_000 for row in range(1_000)]
    assert group_rows(days(1, 4), 1).tolist() == [0, 0, 0, 0]


def test_five_hundred_groups_are_the_most() -> None:
    assert group_rows(days(500), 1).tolist() == list(range(500))
    assert group_rows(days(1_000), 1).tolist() == [day // 2 for day in range(1_000)]


def test_rows_without_a_time_are_grouped_by_the_seed() -> None:
    timeless = pl.Series([None] * 1_000, dtype=pl.Datetime("us", "UTC"))
    assert group_rows(timeless, 1).tolist() == group_rows(timeless, 1).tolist()
    assert group_rows(timeless, 1).tolist() != group_rows(timeless, 2).tolist()
    assert np.bincount(group_rows(timeless, 1)).tolist() == [5] * 200


def test_a_loss_is_said_to_be_worse() -> None:
    gain = Interval(value=0.1, low=-0.02, high=0.2)
    assert describe_gain(gain) == "better by 0.1000 (interval -0.0200 to +0.2000)"
    lost = Interval(value=-0.2424, low=-0.3, high=-0.2)
    assert describe_gain(lost) == "worse by 0.2424 (interval -0.3000 to -0.2000)"
