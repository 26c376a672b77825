"""Metrics from sums over groups of rows, so that a bootstrap only weighs groups anew.

Rows of one day rise and fall together; an interval that draws single rows is too narrow. Here
whole groups are drawn (days, where rows carry a time), and a resample costs one row of a small
matrix product, whatever the number of rows. Refuses to know models, files and gates.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.definition import METRICS, Frozen, Kind, Metric

Array = npt.NDArray[Any]
HIGHER_IS_BETTER: frozenset[Metric] = frozenset({"auc", "accuracy", "macro_f1", "r2"})
_SMALLEST = 1e-15
_SCORE_BINS = 512
_RESAMPLES = 1000


class Interval(Frozen):
    """A difference and its confidence interval; above 0 means that the first is better."""

    value: float
    low: float
    high: float


def measure(kind: Kind, target: Array, predicted: Array, threshold: float) -> dict[Metric, float]:
    """Compute every metric that fits this kind of target.

    `target` holds 0 and 1, places of classes or values, shape (rows,). `predicted` holds
    probabilities of 1, of each class (rows, classes), or values. No metric is ever NaN.
    """
    one_group = np.zeros(len(target), dtype=np.int64)
    return {
        metric: area_under_curve(target, predicted)
        if metric == "auc"
        else float(from_sums(metric, group_sums(metric, target, predicted, one_group, threshold))[0])
        for metric in METRICS[kind]
    }


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
        edges = np.unique(np.quantile(predicted, np.linspace(0, 1, _SCORE_BINS + 1)[1:-1]))
        bins = len(edges) + 1
        flat = groups * bins + np.searchsorted(edges, predicted, side="right")
        size = (groups.max() + 1) * bins
        count = np.bincount(flat, minlength=size)
        positives = np.bincount(flat, weights=target, minlength=size)
        return np.hstack([positives.reshape(-1, bins), (count - positives).reshape(-1, bins)])
    if metric == "macro_f1":
        classes, chosen = predicted.shape[1], predicted.argmax(axis=1)
        size = (groups.max() + 1) * classes
        hits, told, true = (
            np.bincount(groups[rows] * classes + labels[rows], minlength=size).reshape(-1, classes)
            for labels, rows in (
                (chosen, chosen == target),
                (chosen, slice(None)),
                (target.astype(np.int64), slice(None)),
            )
        )
        return np.hstack([hits, told, true])
    parts = [np.ones(len(target)), row_losses(metric, target, predicted, threshold)]
    if metric == "r2":
        parts += [target, target**2]
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
        return 1 - np.divide(total, spread, out=np.ones(len(spread)), where=spread > 0)
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

    def gain(weights: Array) -> Array:
        return sign * (from_sums(metric, weights @ ours) - from_sums(metric, weights @ theirs))

    drawn = gain(draw_groups(groups, seed))
    whole = float(gain(np.ones((1, len(ours))))[0])
    value = whole
    if metric == "auc":  # the bins that make resampling cheap cost some exactness: give it back
        value = area_under_curve(target, one) - area_under_curve(target, other)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) - whole + value
    return Interval(value=value, low=float(low), high=float(high))


def compare_means(ours: Array, theirs: Array, groups: Array, *, deviations: float) -> Interval:
    """Compare two rows of losses by the spread of their difference's mean over groups."""
    difference, count = theirs - ours, len(ours)
    sums, sizes = np.bincount(groups, weights=difference), np.bincount(groups)
    value = float(difference.mean())
    used = sizes > 0
    strays = (sums - value * sizes)[used]
    error = float(np.sqrt(np.sum(strays**2) * used.sum() / max(used.sum() - 1, 1)) / count)
    return Interval(value=value, low=value - deviations * error, high=value + deviations * error)


def draw_groups(groups: Array, seed: int) -> Array:
    """Draw how often each group counts in each resample; shape (resamples, groups)."""
    size = int(groups.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), _RESAMPLES)
    return drawn.astype(np.float64)


def _area(sums: Array) -> Array:
    """Integrate the ROC curve from counts of positives and negatives by rising score."""
    positives, negatives = np.split(sums, 2, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0)
