"""The paired block bootstrap: intervals of differences of metrics, by resampling groups of rows.

Rows of one day rise and fall together, and so do days that follow each other: an interval that
draws single rows is far too narrow (on the flights, a nominal 95 % covers 17 to 50 %). So runs of
whole groups (days, where rows carry a time) are drawn, in a circle: the circular block bootstrap of
Politis and Romano (1992), after Künsch (1989), with runs of about cbrt(groups). Both models of a
pair are measured on the same draws. A resample only weighs sums by group anew: one row of a small
matrix product, whatever the number of rows.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import polars as pl
from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped]

from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.core.pinball import OwnLoss
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import (
    RANKED,
    Array,
    Costs,
    from_sums,
    group_sums,
    measure_one,
    rank_bins,
    read_certainty,
    tabulate,
)

_RESAMPLES = 1000
_FEWEST_DAYS = 20  # fewer are no sample to draw from: then equal shares of the rows are drawn
_SHARES, _SHARE_ROWS = 50, 5
MOST_GROUPS = 500


def group_rows(times: pl.Series, seed: int) -> Array:
    """Group rows by day, or into equal shares of the time where there are too few days.

    Rows without a time are grouped at random: the order of a file says nothing, or too much.
    """
    days = times.dt.epoch("d").rank("dense")
    if times.null_count() == len(times):
        place, groups = np.random.default_rng(seed).permutation(len(times)), MOST_GROUPS
    elif days.n_unique() >= _FEWEST_DAYS:
        place = days.to_numpy().astype(np.int64) - 1
        return place * min(days.n_unique(), MOST_GROUPS) // days.n_unique()
    else:
        place, groups = times.rank("ordinal").to_numpy().astype(np.int64) - 1, _SHARES
    return place * max(min(groups, len(times) // _SHARE_ROWS), 1) // len(times)


def compare(
    metric: Metric,
    target: Array,
    one: Array,
    other: Array,
    groups: Array,
    *,
    confidence: float,
    threshold: float,
    seed: int,
    weights: Array | None = None,
    costs: Costs | None = None,
    own_loss: OwnLoss | None = None,
) -> Interval:
    """Bootstrap by how much `one` is better than `other` on the same rows."""
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    ours, theirs = (
        group_sums(metric, target, each, groups, threshold, weights, costs, own_loss)
        for each in (one, other)
    )
    gain = _bootstrap(ours, theirs, lambda sums: sign * from_sums(metric, sums), confidence, seed)
    # The bins that make resampling cheap cost some exactness: give it back.
    exact = sum(
        sign * side * measure_one(metric, target, each, threshold, weights, costs, own_loss)
        for side, each in ((1, one), (-1, other))
    )
    return gain if metric not in RANKED else gain.around(exact)


def compare_apart(
    metric: Metric,
    one: tuple[Array, Array, Array],
    other: tuple[Array, Array, Array],
    *,
    confidence: float,
    threshold: float,
    seed: int,
    costs: Costs | None = None,
    own_loss: OwnLoss | None = None,
) -> Interval:
    """Bootstrap by how much better predictions did on some rows than on others.

    Each side is target, predictions and groups of its own rows, and is resampled by itself.
    """
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    sums = [group_sums(metric, *side, threshold, None, costs, own_loss) for side in (one, other)]
    spread = [
        sign
        * (from_sums(metric, draw_groups(len(each), seed + place) @ each) - _whole(metric, each))
        for place, each in enumerate(sums)
    ]
    gain = sum(
        sign * side * measure_one(metric, *rows[:2], threshold, None, costs, own_loss)
        for side, rows in ((1, one), (-1, other))
    )
    return reach(gain, spread[0] - spread[1], min(len(each) for each in sums), confidence)


def measure_surely(
    metric: Metric,
    target: Array,
    predicted: Array,
    groups: Array,
    *,
    confidence: float,
    threshold: float,
    seed: int,
    weights: Array | None = None,
    costs: Costs | None = None,
    own_loss: OwnLoss | None = None,
) -> Interval:
    """Bootstrap a metric itself, with the interval that other such rows would give."""
    sums = group_sums(metric, target, predicted, groups, threshold, weights, costs, own_loss)
    strays = from_sums(metric, draw_groups(len(sums), seed) @ sums) - _whole(metric, sums)
    value = measure_one(metric, target, predicted, threshold, weights, costs, own_loss)
    return reach(value, strays, len(sums), confidence)


def compare_calibration(
    target: Array,
    one: Array,
    other: Array,
    groups: Array,
    *,
    confidence: float,
    seed: int,
    weights: Array | None = None,
) -> Interval:
    """Bootstrap by how much closer to the truth `one` is in its bins than `other`."""
    every = np.ones(len(target)) if weights is None else weights

    def gaps(predicted: Array) -> Array:
        observed, expected = read_certainty(target, predicted)
        table = tabulate(groups, rank_bins(expected), (expected - observed) * every)
        return np.column_stack([table, np.bincount(groups, weights=every)])

    def closeness(sums: Array) -> Array:
        return np.asarray(-np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1])

    return _bootstrap(gaps(one), gaps(other), closeness, confidence, seed)


def compare_means(
    ours: Array, theirs: Array, groups: Array, *, confidence: float, weights: Array | None = None
) -> Interval:
    """Compare two models' losses by row, by how their difference spreads over runs of groups.

    For many comparisons at once, whose confidence lies too far out for a bootstrap's resamples.
    """
    difference = theirs - ours
    value = float(np.average(difference, weights=weights))
    error = standard_error(difference, groups, weights)
    margin = error * _deviations(len(np.bincount(groups)), confidence)
    return Interval(value=value, low=value - margin, high=value + margin)


def compare_means_apart(
    one: tuple[Array, Array], other: tuple[Array, Array], *, confidence: float
) -> Interval:
    """Compare the mean loss of some rows with that of others; each side is losses and groups.

    For many comparisons at once, as `compare_means`.
    """
    value = float(other[0].mean() - one[0].mean())
    error = math.hypot(*(standard_error(losses, groups) for losses, groups in (one, other)))
    fewest = min(len(np.bincount(groups)) for _, groups in (one, other))
    margin = error * _deviations(fewest, confidence)
    return Interval(value=value, low=value - margin, high=value + margin)


@lru_cache(maxsize=4)
def draw_groups(count: int, seed: int) -> Array:
    """Draw how often each group counts in each resample; shape (resamples, groups).

    Groups are drawn in runs: what follows each other is alike (a storm outlasts midnight). They are
    kept: drawing takes longer than what is done with it, and slices have the same days.
    """
    runs = -(-count // _run_length(count))
    starts = np.random.default_rng(seed).multinomial(runs, np.full(count, 1 / count), _RESAMPLES)
    (drawn := _add_up_runs(starts.astype(np.float64))).setflags(write=False)
    return drawn


def standard_error(values: Array, groups: Array, weights: Array | None = None) -> float:
    """Say how far the mean of rows strays, by how their groups' sums spread over runs of them."""
    every = np.ones(len(values)) if weights is None else weights
    sizes, mean = np.bincount(groups, weights=every), float(np.average(values, weights=weights))
    strays = np.bincount(groups, weights=values * every) - mean * sizes
    runs = _add_up_runs(strays[None, :])[0]
    return math.sqrt((runs**2).sum() / _run_length(len(sizes))) / float(every.sum())


def _bootstrap(
    ours: Array, theirs: Array, score: Callable[[Array], Array], confidence: float, seed: int
) -> Interval:
    """Resample the difference of two scores; a resample holds the same groups for both."""
    weights = draw_groups(len(ours), seed)
    value = float((score(ours.sum(axis=0)[None, :]) - score(theirs.sum(axis=0)[None, :]))[0])
    strays = score(weights @ ours) - score(weights @ theirs) - value
    return reach(value, strays, len(ours), confidence)


def reach(value: float, strays: Array, count: int, confidence: float) -> Interval:
    """Turn how far resamples strayed into an interval, wider where groups are few."""
    low, high = spread(strays, count, confidence)
    return Interval(value=value, low=value + float(low), high=value + float(high))


def spread(strays: Array, count: int, confidence: float) -> Array:
    """Give how far below and above an interval reaches, of each column of resamples."""
    tail = (1 - confidence) / 2
    widening = _deviations(count, confidence) / -float(ndtri(tail))
    return np.asarray(np.quantile(strays, [tail, 1 - tail], axis=0) * widening)


def _whole(metric: Metric, sums: Array) -> float:
    return float(from_sums(metric, sums.sum(axis=0)[None, :])[0])


def _run_length(count: int) -> int:
    return max(1, round(math.cbrt(count)))


def _add_up_runs(values: Array) -> Array:
    """Add to each group's value those of the groups before it, as many as a run is long."""
    length = _run_length(values.shape[1])
    return sum(np.roll(values, step, axis=1) for step in range(1, length)) + values


def _deviations(count: int, confidence: float) -> float:
    """Say how many standard errors an interval reaches; further, the fewer runs there are."""
    length = _run_length(count)
    assert count > length, "the rows of one group have no spread to judge by"
    student = float(stdtrit(count / length - 1, (1 + confidence) / 2))
    return student * math.sqrt(count / (count - length))
