"""scikit-learn's own numbers of predictions, by the names of a version's: an oracle.

Every metric of a report is computed here a second time, from targets, predictions and weights, by
scikit-learn's functions; what it has no function for (costs, calibration) by its definition, row by
row. Imports nothing of the project.
"""

from typing import Any

import numpy as np
from sklearn import metrics

Array = np.ndarray
POWERS = {"poisson_deviance": 1.0, "gamma_deviance": 2.0}


def count_again(
    kind: str,
    target: Array,
    predicted: Array,
    threshold: float = 0.5,
    weights: Array | None = None,
    costs: tuple[Array | float, Array | float] | None = None,
    powers: dict[str, float] | None = None,
    levels: tuple[float, ...] = (),
) -> dict[str, float]:
    """Compute each metric of a kind of target; `powers` are of the deviances that are asked for.

    Of quantiles the numbers are their means over `levels`.
    """
    given: dict[str, Any] = {"sample_weight": weights}
    if levels:
        return _quantiles(target, predicted, levels, weights)
    if kind == "binary":
        return _binary(target, predicted, threshold, given, costs)
    if kind == "multiclass":
        said = predicted.argmax(axis=1)
        labels = np.arange(predicted.shape[1])
        return {
            "log_loss": metrics.log_loss(target, predicted, labels=labels, **given),
            "accuracy": metrics.accuracy_score(target, said, **given),
            "macro_f1": metrics.f1_score(target, said, average="macro", zero_division=0, **given),
        }
    deviances = {
        name: metrics.mean_tweedie_deviance(target, predicted, power=power, **given)
        for name, power in (powers or {}).items()
    }
    return {
        **deviances,
        "rmse": metrics.root_mean_squared_error(target, predicted, **given),
        "mae": metrics.mean_absolute_error(target, predicted, **given),
        "r2": metrics.r2_score(target, predicted, **given),
    }


def _quantiles(
    target: Array, predicted: Array, levels: tuple[float, ...], weights: Array | None
) -> dict[str, float]:
    losses, gaps = [], []
    for level, quantile in zip(levels, predicted.T, strict=True):
        loss = metrics.mean_pinball_loss(target, quantile, alpha=level, sample_weight=weights)
        below, up_to = (
            float(np.average(each, weights=weights))
            for each in (target < quantile, target <= quantile)
        )
        losses.append(loss)
        gaps.append(max(below - level, level - up_to, 0.0))
    return {"pinball_loss": float(np.mean(losses)), "coverage_error": float(np.mean(gaps))}


def _binary(
    target: Array,
    predicted: Array,
    threshold: float,
    given: dict[str, Any],
    costs: tuple[Array | float, Array | float] | None,
) -> dict[str, float]:
    said = (predicted >= threshold).astype(int)
    positive: dict[str, Any] = {"zero_division": 0, **given}
    found = {
        "auc": metrics.roc_auc_score(target, predicted, **given),
        "log_loss": metrics.log_loss(target, predicted, labels=[0, 1], **given),
        "brier": metrics.brier_score_loss(target, predicted, **given),
        "accuracy": metrics.accuracy_score(target, said, **given),
        "average_precision": metrics.average_precision_score(target, predicted, **given),
        "precision": metrics.precision_score(target, said, **positive),
        "recall": metrics.recall_score(target, said, **positive),
        "f1": metrics.f1_score(target, said, **positive),
    }
    if costs is not None:
        every = np.ones(len(target)) if given["sample_weight"] is None else given["sample_weight"]
        alarm, missed = costs
        wrong = {"alarm": (said == 1) & (target == 0), "missed": (said == 0) & (target == 1)}
        paid = (every * (wrong["alarm"] * alarm + wrong["missed"] * missed)).sum()
        found["cost"] = 1000 * paid / every.sum()
    return found


def calibrate_again(
    target: Array, predicted: Array, weights: Array | None = None, unit: float = 1.0
) -> float:
    """Average how far what came true lies from what was predicted, over tenths of the rows."""
    if predicted.ndim == 2:
        target, predicted = predicted.argmax(axis=1) == target, predicted.max(axis=1)
    every = np.ones(len(target)) if weights is None else weights
    edges = np.unique(np.quantile(predicted, np.linspace(0.1, 0.9, 9)))
    tenth, gap = np.searchsorted(edges, predicted, side="right"), 0.0
    for each in np.unique(tenth):
        inside = tenth == each
        gap += abs(float((every[inside] * (predicted[inside] - target[inside])).sum()))
    return gap / float(every.sum()) / unit
