"""Bands around the ROC curve and around precision by recall: their intervals, point by point.

Resamples are those of every interval (`bootstrap`): runs of whole days or entities, weighted as
rows are. Each resample's curve is read at the points of the curve itself (vertical averaging;
Fawcett 2006, section 8); between cuts false positives grow with true ones (Davis and Goadrich
2006), since a straight line between two precisions would promise too much. Not responsible for the
curves themselves (`curves`).
"""

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition
from tasks.evaluation.bootstrap import draw_groups, spread
from tasks.evaluation.curves import Curves, draw_curves, place_rows
from tasks.evaluation.metrics import Array, tabulate
from tasks.evaluation.row_metrics import group_by_loss
from tasks.evaluation.slice_metrics import FEWEST_ROWS, has_both_classes
from tasks.preparation.weights import read_weights

_DIGITS = 5  # more than a plot shows


def bound_curves(
    definition: Definition, losses: tuple[float, ...], rows: pl.DataFrame, predicted: Array
) -> Curves:
    """Draw all curves, and add `low` and `high` to the points of the two of a binary target."""
    target, weights = rows[TARGET].to_numpy(), read_weights(rows)
    curves = draw_curves(definition, losses, target, predicted, weights)
    if "roc" not in curves or len(rows) < FEWEST_ROWS or not has_both_classes(definition, rows):
        return curves
    groups = group_by_loss(definition, rows, predicted)
    by_group = count_by_group(target, predicted, groups, weights)
    drawn = draw_groups(len(by_group[0]), definition.training.seed)
    hits, misses = (drawn @ each for each in by_group)
    both = (hits[:, -1] > 0) & (misses[:, -1] > 0)  # without either there is no curve
    alarms = np.array(curves["roc"]["false_positive_rate"])
    recalls = np.array(curves["precision_recall"]["recall"])
    whole = [each.sum(axis=0)[None, :] for each in by_group]
    read = {
        "roc": (read_roc, alarms, "true_positive_rate"),
        "precision_recall": (read_precision, recalls, "precision"),
    }
    found = dict(curves)
    for name, (at, points, of) in read.items():
        strays = at(points, hits[both], misses[both]) - at(points, *whole)
        ends = curves[name][of] + spread(strays, len(drawn[0]), definition.gate.confidence)
        low, high = (tuple(each.round(_DIGITS).tolist()) for each in np.clip(ends, 0, 1))
        found[name] = {**curves[name], "low": low, "high": high}
    return found


def count_by_group(
    target: Array, predicted: Array, groups: Array, weights: Array | None
) -> tuple[Array, Array]:
    """Count each group's positives, and negatives, down to each cut; shape (groups, cuts)."""
    place, every = place_rows(predicted), np.ones(len(target)) if weights is None else weights
    hits, misses = (
        np.cumsum(tabulate(groups, place, each * every), axis=1) for each in (target, 1 - target)
    )
    return hits, misses


def read_roc(points: Array, hits: Array, misses: Array) -> Array:
    """Read the true positive rate of each resample at false positive rates."""
    return _read(points, misses / misses[:, -1:], hits / hits[:, -1:])


def read_precision(points: Array, hits: Array, misses: Array) -> Array:
    """Read the precision of each resample at recalls."""
    found = points * hits[:, -1:]
    told = found + _read(points, hits / hits[:, -1:], misses)
    return np.asarray(np.divide(found, told, out=np.zeros(told.shape), where=told > 0))


def _read(points: Array, across: Array, up: Array) -> Array:
    """Read curves that begin at the origin, one in each row, at points."""
    whole = (np.pad(each, ((0, 0), (1, 0))) for each in (across, up))
    return np.array([np.interp(points, x, y) for x, y in zip(*whole, strict=True)])
