"""Metrics of predictions, by sums over groups of rows, so that a bootstrap only weighs them anew.

By hand, because a bootstrap asks a thousand times: scikit-learn is the oracle in the tests.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.model_sections import HIGHER_IS_BETTER, METRICS, OF_QUANTILES, Metric, TargetKind
from tasks.core.pinball import OwnLoss, Pinball
from tasks.evaluation.pinball_losses import pinball_losses, share_gaps, share_parts
from tasks.evaluation.unit_deviance import POWERS, power_of, unit_deviance

Array = npt.NDArray[Any]
Costs = tuple[Array | float, Array | float]  # of a false alarm, and of a positive that is missed
RANKED: frozenset[Metric] = frozenset({"auc", "average_precision"})  # of ranks, not of a threshold
DECIDED: frozenset[Metric] = frozenset({"accuracy", "precision", "recall", "f1", "cost"})
_COUNTED = ("precision", "recall", "f1")  # of positives that are found, told and true
# What is a mean over rows, or the root of one: parts of the rows can be compared by it.
LOSSES: dict[TargetKind, Metric] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "rmse",
}
_SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 that came true costs 36, not all
_ROUNDING = 1e-12
_RANK_BINS, _CALIBRATION_BINS = 256, 10


def measure(
    kind: TargetKind,
    target: Array,
    predicted: Array,
    threshold: float | Array,
    weights: Array | None = None,
    costs: Costs | None = None,
    own_loss: OwnLoss | None = None,
) -> dict[Metric, float]:
    """Compute every metric that fits this kind of target, a regression's own loss first.

    `target` holds 0 and 1, places of classes or values, shape (rows,). `predicted` holds
    probabilities of 1, of each class (rows, classes), values, or quantiles (rows, levels).
    `weights` say how much each row counts, all alike without. No metric is ever NaN.
    """
    metrics: tuple[Metric, ...] = METRICS[kind] if costs is None else (*METRICS[kind], "cost")
    if isinstance(own_loss, Pinball):
        metrics = OF_QUANTILES
    elif own_loss:
        metrics = (own_loss.metric, *metrics)
    return {
        metric: measure_one(metric, target, predicted, threshold, weights, costs, own_loss)
        for metric in metrics
    }


def measure_one(
    metric: Metric,
    target: Array,
    predicted: Array,
    threshold: float | Array,
    weights: Array | None = None,
    costs: Costs | None = None,
    own_loss: OwnLoss | None = None,
) -> float:
    """Compute one metric, exactly; arguments as for `measure`."""
    if metric == "auc":
        return area_under_curve(target, predicted, weights)
    if metric == "average_precision":
        return average_precision(target, predicted, weights)
    whole = np.zeros(len(target), dtype=np.int64)
    sums = group_sums(metric, target, predicted, whole, threshold, weights, costs, own_loss)
    return float(from_sums(metric, sums)[0])


def error_of(metric: Metric, value: float) -> float:
    """Turn a metric's value into how much is wrong, so that shares of it mean the same for all."""
    if metric == "coverage_error":
        return 1.0  # it is a share of rows already: of an error of next to none, a share is nothing
    return 1 - value if metric in HIGHER_IS_BETTER else value


def area_under_curve(target: Array, predicted: Array, weights: Array | None = None) -> float:
    """Compute the exact area under the ROC curve, ties counted half; 0.5 for a single class."""
    return float(_area(_count_by_score(target, predicted, weights))[0])


def average_precision(target: Array, predicted: Array, weights: Array | None = None) -> float:
    """Compute the exact mean of precision over each step of recall; 0 without a positive."""
    return float(_mean_precision(_count_by_score(target, predicted, weights))[0])


def group_sums(
    metric: Metric,
    target: Array,
    predicted: Array,
    groups: Array,
    threshold: float | Array,
    weights: Array | None = None,
    costs: Costs | None = None,
    own_loss: OwnLoss | None = None,
) -> Array:
    """Sum up in each group what the metric is made of; shape (groups, parts)."""
    every = np.ones(len(target)) if weights is None else weights
    if metric in RANKED:
        # Where positives are rare, bins of equal size would hold them all in the last one.
        rare = metric == "average_precision" and target.any()
        place = rank_bins(predicted, _RANK_BINS, predicted[target > 0] if rare else None)
        return np.hstack([tabulate(groups, place, each * every) for each in (target, 1 - target)])
    if metric == "macro_f1":
        chosen, classes = predicted.argmax(axis=1), predicted.shape[1]
        true = target.astype(np.int64)
        hits = tabulate(groups, chosen, (chosen == true) * every, classes)
        guessed = tabulate(groups, chosen, every, classes)
        return np.hstack([hits, guessed, tabulate(groups, true, every, classes)])
    if metric in _COUNTED:
        told = predicted >= threshold
        counted = (target * told, told, target)
        return np.stack([np.bincount(groups, weights=each * every) for each in counted], axis=1)
    if metric == "coverage_error":
        return share_parts(own_loss, target, predicted, every, groups)
    losses = (
        row_losses(metric, target, predicted, threshold, own_loss)
        if metric != "cost"
        else row_costs(target, predicted, threshold, costs)
    )
    parts = [np.ones(len(target)), losses]
    if metric == "r2":
        centred = target - target.mean()  # squares of large values would swallow their differences
        parts += [centred, centred**2]
    return np.stack([np.bincount(groups, weights=part * every) for part in parts], axis=1)


def from_sums(metric: Metric, sums: Array) -> Array:
    """Turn sums, shape (resamples, parts), into the metric's value for each resample."""
    if metric in RANKED:
        return _area(sums) if metric == "auc" else _mean_precision(sums)
    if metric in _COUNTED:
        return _share_found(metric, *sums.T)
    if metric == "macro_f1":
        hits, guessed, true = np.split(sums, 3, axis=1)
        present = (guessed + true) > 0
        scores = np.divide(2 * hits, guessed + true, out=np.zeros(hits.shape), where=present)
        return np.asarray(scores.sum(axis=1) / present.sum(axis=1))
    if metric == "coverage_error":
        return np.asarray(share_gaps(sums).mean(axis=1))
    count, total = sums[:, 0], sums[:, 1]
    if metric == "rmse":
        return np.sqrt(total / count)
    if metric == "r2":
        spread = sums[:, 3] - sums[:, 2] ** 2 / count
        lost = np.where(total > 0, 1.0, 0.0)  # of a constant: all of it, or nothing when exact
        return 1 - np.divide(total, spread, out=lost, where=spread > _ROUNDING * sums[:, 3])
    return np.asarray(total / count)


def row_costs(
    target: Array, predicted: Array, threshold: float | Array, costs: Costs | None
) -> Array:
    """Compute what the answer to each row costs, per 1,000 rows."""
    assert costs is not None, "nobody said what a mistake costs"
    told = predicted >= threshold
    false_alarm, missed = costs
    return np.asarray(1000 * (false_alarm * (1 - target) * told + missed * target * ~told))


def row_losses(
    metric: Metric,
    target: Array,
    predicted: Array,
    threshold: float | Array = 0.5,
    own_loss: OwnLoss | None = None,
) -> Array:
    """Compute what each row adds to a metric that is a mean, or the root of one, over rows.

    `own_loss` says a tweedie deviance's power, or else it is LightGBM's own, or quantiles' levels.
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
    if metric == "pinball_loss":
        return pinball_losses(own_loss, target, predicted)
    if metric in POWERS:
        return unit_deviance(target, predicted, power_of(metric, own_loss))
    error = predicted - target
    return np.abs(error) if metric == "mae" else error**2


def read_certainty(target: Array, predicted: Array) -> tuple[Array, Array]:
    """Give what came true and what was predicted of it; for classes, of the likeliest one."""
    if predicted.ndim == 2:
        return np.asarray(predicted.argmax(axis=1) == target, np.float64), predicted.max(axis=1)
    return target, predicted


def rank_bins(predicted: Array, bins: int = _CALIBRATION_BINS, among: Array | None = None) -> Array:
    """Sort rows by rising prediction into bins of about equal size; ties share a bin.

    `among` are the predictions that the bins hold equally many of, where that is not all.
    """
    values = predicted if among is None else among
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, predicted, side="right")


def tabulate(groups: Array, places: Array, weights: Array, width: int = 0) -> Array:
    """Add up weights by group and place; shape (groups, places)."""
    width = width or int(places.max()) + 1
    size = (int(groups.max()) + 1) * width
    return np.bincount(groups * width + places, weights, minlength=size).reshape(-1, width)


def _count_by_score(target: Array, predicted: Array, weights: Array | None) -> Array:
    """Count positives, then negatives, by each value of a rising score; shape (1, 2 values)."""
    _, place = np.unique(predicted, return_inverse=True)
    every = np.ones(len(target)) if weights is None else weights
    counts = [np.bincount(place, each * every) for each in (target, 1 - target)]
    return np.concatenate(counts)[None, :]


def _share_found(metric: Metric, found: Array, told: Array, true: Array) -> Array:
    """Give precision, recall or F1 of counts; 0 where there is nothing to divide by."""
    of = {"precision": told, "recall": true}.get(metric, (told + true) / 2)
    return np.asarray(np.divide(found, of, out=np.zeros(len(found)), where=of > 0))


def _mean_precision(sums: Array) -> Array:
    """Average precision over positives, each at its own score, by counts by rising score."""
    positives, negatives = np.split(sums[:, ::-1], 2, axis=1)[::-1]
    found = np.cumsum(positives, axis=1)
    told = found + np.cumsum(negatives, axis=1)
    precision = np.divide(found, told, out=np.zeros(told.shape), where=told > 0)
    total, gained = found[:, -1], (positives * precision).sum(axis=1)
    return np.asarray(np.divide(gained, total, out=np.zeros(len(total)), where=total > 0))


def _area(sums: Array) -> Array:
    """Integrate the ROC curve from counts of positives and negatives by rising score."""
    positives, negatives = np.split(sums, 2, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0))
