"""Metrics of predictions, by sums over groups of rows, so that a bootstrap only weighs them anew.

By hand, because a bootstrap asks a thousand times: scikit-learn is the oracle in the tests.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy  # type: ignore[import-untyped]

from tasks.core.deviances import DEVIANCES, Deviance
from tasks.core.model_sections import METRICS, Metric, TargetKind

Array = npt.NDArray[Any]
HIGHER_IS_BETTER: frozenset[Metric] = frozenset({"auc", "accuracy", "macro_f1", "r2"})
_SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 that came true costs 36, not all
_ROUNDING = 1e-12
_OBJECTIVES = {each.metric: objective for objective, each in DEVIANCES.items()}
_RANK_BINS, _CALIBRATION_BINS = 256, 10


def measure(
    kind: TargetKind,
    target: Array,
    predicted: Array,
    threshold: float,
    deviance: Deviance | None = None,
) -> dict[Metric, float]:
    """Compute every metric that fits this kind of target, a regression's deviance first.

    `target` holds 0 and 1, places of classes or values, shape (rows,). `predicted` holds
    probabilities of 1, of each class (rows, classes), or values. No metric is ever NaN.
    """
    whole = np.zeros(len(target), dtype=np.int64)
    metrics = (deviance.metric, *METRICS[kind]) if deviance else METRICS[kind]

    def add_up(metric: Metric) -> Array:
        return group_sums(metric, target, predicted, whole, threshold, deviance)

    return {
        metric: area_under_curve(target, predicted)
        if metric == "auc"
        else float(from_sums(metric, add_up(metric))[0])
        for metric in metrics
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
    metric: Metric,
    target: Array,
    predicted: Array,
    groups: Array,
    threshold: float,
    deviance: Deviance | None = None,
) -> Array:
    """Sum up in each group what the metric is made of; shape (groups, parts)."""
    if metric == "auc":
        place = rank_bins(predicted, _RANK_BINS)
        return np.hstack([tabulate(groups, place, target), tabulate(groups, place, 1 - target)])
    if metric == "macro_f1":
        chosen, classes = predicted.argmax(axis=1), predicted.shape[1]
        true = target.astype(np.int64)
        every = np.ones(len(target))
        hits = tabulate(groups, chosen, chosen == true, classes)
        guessed = tabulate(groups, chosen, every, classes)
        return np.hstack([hits, guessed, tabulate(groups, true, every, classes)])
    parts = [np.ones(len(target)), row_losses(metric, target, predicted, threshold, deviance)]
    if metric == "r2":
        centred = target - target.mean()  # squares of large values would swallow their differences
        parts += [centred, centred**2]
    return np.stack([np.bincount(groups, weights=part) for part in parts], axis=1)


def from_sums(metric: Metric, sums: Array) -> Array:
    """Turn sums, shape (resamples, parts), into the metric's value for each resample."""
    if metric == "auc":
        return _area(sums)
    if metric == "macro_f1":
        hits, guessed, true = np.split(sums, 3, axis=1)
        present = (guessed + true) > 0
        scores = np.divide(2 * hits, guessed + true, out=np.zeros(hits.shape), where=present)
        return np.asarray(scores.sum(axis=1) / present.sum(axis=1))
    count, total = sums[:, 0], sums[:, 1]
    if metric == "rmse":
        return np.sqrt(total / count)
    if metric == "r2":
        spread = sums[:, 3] - sums[:, 2] ** 2 / count
        lost = np.where(total > 0, 1.0, 0.0)  # of a constant: all of it, or nothing when exact
        return 1 - np.divide(total, spread, out=lost, where=spread > _ROUNDING * sums[:, 3])
    return np.asarray(total / count)


def row_losses(
    metric: Metric,
    target: Array,
    predicted: Array,
    threshold: float = 0.5,
    deviance: Deviance | None = None,
) -> Array:
    """Compute what each row adds to a metric that is a mean, or the root of one, over rows.

    `deviance` says the power of a tweedie deviance; without it, that is LightGBM's own.
    """
    if metric == "log_loss":
        if predicted.ndim == 2:
            right = predicted[np.arange(len(target)), target.astype(np.int64)]
        else:
            right = np.where(target == 1, predicted, 1 - predicted)
        return -np.log(np.maximum(right, _SMALLEST))
    if metric == "accuracy":
        chosen = predicted.argmax(axis=1) if predicted.ndim == 2 else predicted >= threshold
        return np.asarray(chosen == target, dtype=np.float64)
    if metric in _OBJECTIVES:
        return unit_deviance(target, predicted, (deviance or DEVIANCES[_OBJECTIVES[metric]]).power)
    error = predicted - target
    return np.abs(error) if metric == "mae" else error**2


def unit_deviance(target: Array, predicted: Array, power: float) -> Array:
    """Compute each row's deviance, of a variance that goes by a power (1 to 2) of the mean.

    What is no prediction of such a model, 0 or less, is taken as next to nothing: its deviance is
    large, not infinite.
    """
    mean = np.maximum(predicted, _SMALLEST)
    if power == 1:
        return np.asarray(2 * (xlogy(target, target / mean) - target + mean))
    if power == 2:
        ratio = np.maximum(target, _SMALLEST) / mean
        return np.asarray(2 * (ratio - np.log(ratio) - 1))
    one, two = 1 - power, 2 - power
    own = np.maximum(target, 0) ** two / (one * two)
    return np.asarray(2 * (own - target * mean**one / one + mean**two / two))


def read_certainty(target: Array, predicted: Array) -> tuple[Array, Array]:
    """Give what came true and what was predicted of it; for classes, of the likeliest one."""
    if predicted.ndim == 2:
        return np.asarray(predicted.argmax(axis=1) == target, np.float64), predicted.max(axis=1)
    return target, predicted


def rank_bins(predicted: Array, bins: int = _CALIBRATION_BINS) -> Array:
    """Sort rows by rising prediction into bins of about equal size; ties share a bin."""
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, predicted, side="right")


def tabulate(groups: Array, places: Array, weights: Array, width: int = 0) -> Array:
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
