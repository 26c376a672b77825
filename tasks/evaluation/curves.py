"""Points of the plots of an evaluation: learning, ROC, precision and recall, residuals."""

import numpy as np

from tasks.core.definition import Definition
from tasks.core.pinball import take_middle
from tasks.evaluation.metrics import Array, rank_bins

_CURVE_POINTS, _RESIDUAL_BINS = 100, 20
_RESIDUAL_SHARES = (10, 25, 50, 75, 90)
Curves = dict[str, dict[str, tuple[float, ...]]]


def draw_curves(
    definition: Definition,
    losses: tuple[float, ...],
    target: Array,
    predicted: Array,
    weights: Array | None = None,
) -> Curves:
    """Give the points of the plots that fit the target, few enough to be kept as JSON."""
    kind = definition.target.kind
    curves: Curves = {}
    if losses:
        rounds = _spread(len(losses))
        curves["learning"] = _points(round=rounds + 1, loss=np.array(losses)[rounds])
    if kind == "binary":
        hits, flagged = count_hits(target, predicted, weights)
        misses, positives = flagged - hits, hits[-1]
        recall, false_alarms = hits / positives, misses / misses[-1]
        curves["roc"] = _points(false_positive_rate=false_alarms, true_positive_rate=recall)
        curves["precision_recall"] = _points(recall=recall, precision=hits / flagged)
    if kind == "regression":
        predicted = take_middle(definition.pinball, predicted)
        tenths = rank_bins(predicted, _RESIDUAL_BINS)
        groups = [tenths == tenth for tenth in np.unique(tenths)]
        errors = [target[group] - predicted[group] for group in groups]
        curves["residuals"] = _points(
            predicted=np.array([predicted[group].mean() for group in groups]),
            **{
                f"q{share}": np.array([np.quantile(each, share / 100) for each in errors])
                for share in _RESIDUAL_SHARES
            },
        )
    return curves


def count_hits(
    target: Array, predicted: Array, weights: Array | None = None
) -> tuple[Array, Array]:
    """Count positives, and rows, from the highest prediction down to some of the lower ones."""
    order, at = _cut(predicted)
    if weights is not None:
        return np.cumsum((target * weights)[order])[at], np.cumsum(weights[order])[at]
    return np.cumsum(target[order])[at], at + 1


def place_rows(predicted: Array) -> Array:
    """Give the first of those places on the way down at which each row is counted."""
    order, at = _cut(predicted)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.searchsorted(at, np.arange(len(order)))
    return place


def _cut(predicted: Array) -> tuple[Array, Array]:
    """Order rows from the highest prediction down, and give the places where they are counted."""
    order = np.argsort(-predicted, kind="stable")
    ends = np.flatnonzero(np.diff(predicted[order], append=-np.inf))  # ties come in together
    return order, np.unique(ends[np.searchsorted(ends, _spread(len(order)))])


def _spread(count: int) -> Array:
    """Give places from the first to the last, as many as a curve has points."""
    return np.unique(np.linspace(0, count - 1, _CURVE_POINTS).astype(np.int64))


def _points(**series: Array) -> dict[str, tuple[float, ...]]:
    return {name: tuple(values.astype(float).tolist()) for name, values in series.items()}
