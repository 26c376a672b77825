"""Metrics from sums over groups of rows, so that a bootstrap only weighs groups anew.

Rows of one day rise and fall together, and so do days that follow each other: an interval that
draws single rows is far too narrow (on the flights, a nominal 95 % covers 17 to 50 %). Here runs
of whole groups are drawn (days, where rows carry a time), and a resample costs one row of a small
matrix product, whatever the number of rows. Refuses to know models, files and gates.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped]

from tasks.core.definition import METRICS, Frozen, Metric, TargetKind

Array = npt.NDArray[Any]
HIGHER_IS_BETTER: frozenset[Metric] = frozenset({"auc", "accuracy", "macro_f1", "r2"})
_SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 that came true costs 36, not all
_ROUNDING = 1e-12
_RANK_BINS, _CALIBRATION_BINS = 256, 10
_RESAMPLES = 1000


class Interval(Frozen):
    """A difference and its confidence interval; above 0 means that the first is better."""

    value: float
    low: float
    high: float


def measure(
    kind: TargetKind, target: Array, predicted: Array, threshold: float
) -> dict[Metric, float]:
    """Compute every metric that fits this kind of target.

    `target` holds 0 and 1, places of classes or values, shape (rows,). `predicted` holds
    probabilities of 1, of each class (rows, classes), or values. No metric is ever NaN.
    """
    whole = np.zeros(len(target), dtype=np.int64)
    return {
        metric: area_under_curve(target, predicted)
        if metric == "auc"
        else float(from_sums(metric, group_sums(metric, target, predicted, whole, threshold))[0])
        for metric in METRICS[kind]
    }


def error_of(metric: Metric, value: float) -> float:
    """Turn a metric's value into how much is wrong, so that shares of it mean the same for all."""
    return 1 - value if metric in HIGHER_IS_BETTER else value


def area_under_curve(target: Array, predicted: Array) -> float:
    """Compute the exact area under the ROC curve, ties counted half; 0.5 for a single class."""
    _, place, count = np.unique(predicted, return_inverse=True, return_counts=True)
    positives = np.bincount(place, weights=target, minlength=len(count))
    return float(_area(np.concatenate([positives, count - positives])[None, :])[0])


def group_sums(
    metric: Metric, target: Array, predicted: Array, groups: Array, threshold: float
) -> Array:
    """Sum up in each group what the metric is made of; shape (groups, parts)."""
    if metric == "auc":
        place = rank_bins(predicted, _RANK_BINS)
        return np.hstack([_tabulate(groups, place, target), _tabulate(groups, place, 1 - target)])
    if metric == "macro_f1":
        chosen, classes = predicted.argmax(axis=1), predicted.shape[1]
        true = target.astype(np.int64)
        every = np.ones(len(target))
        hits = _tabulate(groups, chosen, chosen == true, classes)
        told = _tabulate(groups, chosen, every, classes)
        return np.hstack([hits, told, _tabulate(groups, true, every, classes)])
    parts = [np.ones(len(target)), row_losses(metric, target, predicted, threshold)]
    if metric == "r2":
        centred = target - target.mean()  # squares of large values would swallow their differences
        parts += [centred, centred**2]
    return np.stack([np.bincount(groups, weights=part) for part in parts], axis=1)


def from_sums(metric: Metric, sums: Array) -> Array:
    """Turn sums, shape (resamples, parts), into the metric's value for each resample."""
    if metric == "auc":
        return _area(sums)
    if metric == "macro_f1":
        hits, told, true = np.split(sums, 3, axis=1)
        present = (told + true) > 0
        scores = np.divide(2 * hits, told + true, out=np.zeros(hits.shape), where=present)
        return np.asarray(scores.sum(axis=1) / present.sum(axis=1))
    count, total = sums[:, 0], sums[:, 1]
    if metric == "rmse":
        return np.sqrt(total / count)
    if metric == "r2":
        spread = sums[:, 3] - sums[:, 2] ** 2 / count
        lost = np.where(total > 0, 1.0, 0.0)  # of a constant: all of it, or nothing when exact
        return 1 - np.divide(total, spread, out=lost, where=spread > _ROUNDING * sums[:, 3])
    return np.asarray(total / count)


def row_losses(metric: Metric, target: Array, predicted: Array, threshold: float = 0.5) -> Array:
    """Compute what each row adds to a metric that is a mean, or the root of one, over rows."""
    if metric == "log_loss":
        if predicted.ndim == 2:
            right = predicted[np.arange(len(target)), target.astype(np.int64)]
        else:
            right = np.where(target == 1, predicted, 1 - predicted)
        return -np.log(np.maximum(right, _SMALLEST))
    if metric == "accuracy":
        chosen = predicted.argmax(axis=1) if predicted.ndim == 2 else predicted >= threshold
        return np.asarray(chosen == target, dtype=np.float64)
    error = predicted - target
    return np.abs(error) if metric == "mae" else error**2


def read_certainty(target: Array, predicted: Array) -> tuple[Array, Array]:
    """Give what came true and what was predicted of it; for classes, of the likeliest one."""
    if predicted.ndim == 2:
        return np.asarray(predicted.argmax(axis=1) == target, np.float64), predicted.max(axis=1)
    return target, predicted


def rank_bins(predicted: Array, bins: int = _CALIBRATION_BINS) -> Array:
    """Sort rows by rising prediction into bins of about equal size; ties share a bin."""
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, predicted, side="right")


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
) -> Interval:
    """Bootstrap by how much `one` is better than `other` on the same rows."""
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    ours, theirs = (group_sums(metric, target, each, groups, threshold) for each in (one, other))
    gain = _bootstrap(ours, theirs, lambda sums: sign * from_sums(metric, sums), confidence, seed)
    if metric != "auc":
        return gain
    # The bins that make resampling cheap cost some exactness: give it back.
    exact = area_under_curve(target, one) - area_under_curve(target, other)
    return Interval(
        value=exact, low=gain.low - gain.value + exact, high=gain.high - gain.value + exact
    )


def compare_apart(
    metric: Metric,
    one: tuple[Array, Array, Array],
    other: tuple[Array, Array, Array],
    *,
    confidence: float,
    threshold: float,
    seed: int,
) -> Interval:
    """Bootstrap by how much better predictions did on some rows than on others.

    Each side is target, predictions and groups of its own rows, and is resampled by itself.
    """
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    sums = [group_sums(metric, *side, threshold) for side in (one, other)]
    values = [sign * float(from_sums(metric, each.sum(axis=0)[None, :])[0]) for each in sums]
    spread = [
        sign * from_sums(metric, draw_groups(len(each), seed + place) @ each)
        for place, each in enumerate(sums)
    ]
    gain = values[0] - values[1]
    fewest = min(len(each) for each in sums)
    low, high = _reach(spread[0] - spread[1] - gain, fewest, confidence)
    if metric == "auc":  # exact, where the bins that make resampling cheap are not
        gain = area_under_curve(*one[:2]) - area_under_curve(*other[:2])
    return Interval(value=gain, low=gain + low, high=gain + high)


def measure_surely(
    metric: Metric,
    target: Array,
    predicted: Array,
    groups: Array,
    *,
    confidence: float,
    threshold: float,
    seed: int,
) -> Interval:
    """Bootstrap a metric itself, with the interval that other such rows would give."""
    sums = group_sums(metric, target, predicted, groups, threshold)
    value = float(from_sums(metric, sums.sum(axis=0)[None, :])[0])
    strays = from_sums(metric, draw_groups(len(sums), seed) @ sums) - value
    low, high = _reach(strays, len(sums), confidence)
    if metric == "auc":
        value = area_under_curve(target, predicted)
    return Interval(value=value, low=value + low, high=value + high)


def compare_means_apart(
    one: tuple[Array, Array], other: tuple[Array, Array], *, confidence: float
) -> Interval:
    """Compare the mean loss of some rows with that of others; each side is losses and groups.

    For many comparisons at once, as `compare_means`.
    """
    value = float(other[0].mean() - one[0].mean())
    error = math.hypot(*(_standard_error(losses, groups) for losses, groups in (one, other)))
    fewest = min(len(np.bincount(groups)) for _, groups in (one, other))
    margin = error * _deviations(fewest, confidence)
    return Interval(value=value, low=value - margin, high=value + margin)


def compare_calibration(
    target: Array, one: Array, other: Array, groups: Array, *, confidence: float, seed: int
) -> Interval:
    """Bootstrap by how much closer to the truth `one` is in its bins than `other`."""

    def gaps(predicted: Array) -> Array:
        came_true, told = read_certainty(target, predicted)
        table = _tabulate(groups, rank_bins(told), told - came_true)
        return np.column_stack([table, np.bincount(groups)])

    def closeness(sums: Array) -> Array:
        return np.asarray(-np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1])

    return _bootstrap(gaps(one), gaps(other), closeness, confidence, seed)


def compare_means(ours: Array, theirs: Array, groups: Array, *, confidence: float) -> Interval:
    """Compare two models' losses by row, by how their difference spreads over runs of groups.

    For many comparisons at once, whose confidence lies too far out for a bootstrap's resamples.
    """
    difference = theirs - ours
    value = float(difference.mean())
    error = _standard_error(difference, groups)
    margin = error * _deviations(len(np.bincount(groups)), confidence)
    return Interval(value=value, low=value - margin, high=value + margin)


def _standard_error(values: Array, groups: Array) -> float:
    """Say how far the mean of rows strays, by how their groups' sums spread over runs of them."""
    sizes = np.bincount(groups)
    strays = np.bincount(groups, weights=values) - float(values.mean()) * sizes
    runs = _add_up_runs(strays[None, :])[0]
    return math.sqrt((runs**2).sum() / _run_length(len(sizes))) / len(values)


def draw_groups(count: int, seed: int) -> Array:
    """Draw how often each group counts in each resample; shape (resamples, groups).

    Groups are drawn in runs: what follows each other is alike (a storm outlasts midnight).
    """
    runs = -(-count // _run_length(count))
    starts = np.random.default_rng(seed).multinomial(runs, np.full(count, 1 / count), _RESAMPLES)
    return _add_up_runs(starts.astype(np.float64))


def _bootstrap(
    ours: Array, theirs: Array, score: Callable[[Array], Array], confidence: float, seed: int
) -> Interval:
    """Resample the difference of two scores; a resample holds the same groups for both."""
    weights = draw_groups(len(ours), seed)
    value = float((score(ours.sum(axis=0)[None, :]) - score(theirs.sum(axis=0)[None, :]))[0])
    strays = score(weights @ ours) - score(weights @ theirs) - value
    low, high = _reach(strays, len(ours), confidence)
    return Interval(value=value, low=value + low, high=value + high)


def _reach(strays: Array, count: int, confidence: float) -> tuple[float, float]:
    """Turn how far resamples strayed into an interval's ends, wider where groups are few."""
    tail = (1 - confidence) / 2
    widening = _deviations(count, confidence) / -float(ndtri(tail))
    low, high = np.quantile(strays, [tail, 1 - tail]) * widening
    return float(low), float(high)


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


def _tabulate(groups: Array, places: Array, weights: Array, width: int = 0) -> Array:
    """Add up weights by group and place; shape (groups, places)."""
    width = width or int(places.max()) + 1
    size = (int(groups.max()) + 1) * width
    return np.bincount(groups * width + places, weights, minlength=size).reshape(-1, width)


def _area(sums: Array) -> Array:
    """Integrate the ROC curve from counts of positives and negatives by rising score."""
    positives, negatives = np.split(sums, 2, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0))
