"""Shares of rows below predicted quantiles: whether as many lie there as each level promises.

Responsible for how sure that is, of all rows and of slices. Not responsible for how far off is too
far (the gate and the monitor say that).
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.pinball import Pinball
from tasks.evaluation.bootstrap import compare_means
from tasks.evaluation.calibration import Bin, average_gap, calibrate, find_unit
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array
from tasks.evaluation.pinball_losses import pinball_by_level
from tasks.evaluation.row_groups import group_widely
from tasks.evaluation.slices import list_levels
from tasks.preparation.weights import read_weights


class QuantileShare(Frozen):
    """The rows of a slice (all of them where it has no name) below one quantile.

    `gain` is by how much more that is than the level promises, with its confidence interval. Of
    rows that are equal to their quantile, so many count as bring the share to the level.
    """

    slice: str = ""
    level: str = ""
    quantile: float
    rows: int
    share: float
    gain: Interval
    loss: float

    @property
    def detail(self) -> str:
        gain = self.gain
        return (
            f"{self.share:.1%} of {self.rows:,} rows lie below the {self.quantile:g} quantile "
            f"({self.quantile + gain.low:.1%} to {self.quantile + gain.high:.1%}); pinball loss "
            f"{self.loss:.4g}"
        )

    def is_off(self, margin: float) -> bool:
        """Tell whether the share is surely off its level, by more than a margin."""
        return self.gain.low > margin or self.gain.high < -margin


def measure_shares(
    definition: Definition, rows: pl.DataFrame, predicted: Array, prefix: str
) -> Iterator[QuantileShare]:
    """Measure rows with `TARGET` and `TIME`: all of them, then each slice with rows enough.

    `predicted` has a row's quantiles, shape (rows, levels); columns of slices begin with `prefix`.
    The intervals of slices are sure of all of them, and of all levels, at once.
    """
    gate, pinball = definition.gate, definition.pinball
    if pinball is None:
        return
    yield from _measure(definition, pinball, rows, predicted, gate.confidence)
    slices = list_levels(rows, prefix, gate.slice_rows)
    confidence = 1 - (1 - gate.confidence) / max(len(slices) * len(pinball.levels), 1)
    for column, level in slices:
        inside = (rows[column] == level).fill_null(False)
        some, theirs = rows.filter(inside), predicted[inside.to_numpy()]
        for found in _measure(definition, pinball, some, theirs, confidence):
            named = {"slice": column.removeprefix(prefix), "level": level}
            yield found.model_copy(update=named)


def calibrate_model(
    definition: Definition, target: Array, predicted: Array, weights: Array | None = None
) -> tuple[tuple[Bin, ...], float]:
    """Set what a model says against what came true, and give the calibration error, in its unit.

    Of quantiles that is the mean distance of their levels from the shares of rows below them.
    """
    if definition.pinball:
        bins = list_bins(definition.pinball, target, predicted, weights)
        return bins, average_gap(bins)
    bins = calibrate(target, predicted, weights)
    return bins, average_gap(bins) / find_unit(definition, target, weights)


def list_bins(
    pinball: Pinball, target: Array, predicted: Array, weights: Array | None
) -> tuple[Bin, ...]:
    """Set what each level promises against the share of rows below its quantile."""
    total = None if weights is None else float(weights.sum())
    bins = []
    for quantile, level in _pair(pinball, predicted):
        below = _count_below(target, quantile, level, weights)
        share = float(np.average(below, weights=weights))
        bins.append(Bin(rows=len(target), predicted=level, observed=share, weight=total))
    return tuple(bins)


def _measure(
    definition: Definition, pinball: Pinball, rows: pl.DataFrame, predicted: Array, sure: float
) -> Iterator[QuantileShare]:
    target, weights = rows[TARGET].to_numpy(), read_weights(rows)
    losses = pinball_by_level(pinball, target, predicted)
    for place, (quantile, level) in enumerate(_pair(pinball, predicted)):
        below, wanted = _count_below(target, quantile, level, weights), np.full(len(rows), level)
        groups = group_widely(rows, (wanted, below), definition.training.seed)
        gain = compare_means(wanted, below, groups, confidence=sure, weights=weights)
        yield QuantileShare(
            quantile=level,
            rows=len(rows),
            share=float(np.average(below, weights=weights)),
            gain=gain,
            loss=float(np.average(losses[:, place], weights=weights)),
        )


def _count_below(target: Array, quantile: Array, level: float, weights: Array | None) -> Array:
    """Count each row that lies below its quantile, and of those on it the part that is needed."""
    below, equal = (target < quantile).astype(np.float64), target == quantile
    if not equal.any():
        return below
    share, more = (float(np.average(each, weights=weights)) for each in (below, equal))
    return np.asarray(below + equal * min(max((level - share) / more, 0.0), 1.0))


def _pair(pinball: Pinball, predicted: Array) -> list[tuple[Array, float]]:
    return list(zip(predicted.T, pinball.levels, strict=True))
