"""Calibration: how near predictions are to what came true, in bins of about equal size."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from tasks.core.definition import Definition, Frozen
from tasks.core.deviances import Deviance
from tasks.core.model_sections import TargetKind
from tasks.evaluation.metrics import Array, rank_bins, read_certainty


class Bin(Frozen):
    """Rows of near predictions: how many, the mean prediction and what came true.

    `weight` is what its rows count together, where they do not count alike; so do the means.
    """

    rows: int
    predicted: float
    observed: float
    weight: float | None = Field(default=None, exclude_if=lambda weight: weight is None)

    @property
    def counts(self) -> float:
        return self.rows if self.weight is None else self.weight


def calibrate(target: Array, predicted: Array, weights: Array | None = None) -> tuple[Bin, ...]:
    """Group rows by prediction into tenths and set what was predicted against what came true.

    For several classes, the prediction is the likeliest class's and it came true if it was right.
    """
    observed, expected = read_certainty(target, predicted)
    tenths = rank_bins(expected)
    groups = [tenths == tenth for tenth in np.unique(tenths)]
    return tuple(
        Bin(
            rows=int(group.sum()),
            predicted=float(np.average(expected[group], weights=_pick(weights, group))),
            observed=float(np.average(observed[group], weights=_pick(weights, group))),
            weight=None if weights is None else float(weights[group].sum()),
        )
        for group in groups
    )


def calibration_error(
    target: Array, predicted: Array, unit: float, weights: Array | None = None
) -> float:
    """Average the gap between predicted and observed over all rows."""
    return average_gap(calibrate(target, predicted, weights)) / unit


def average_gap(bins: Sequence[Bin]) -> float:
    """Average the gap between predicted and observed over the rows of all bins."""
    gaps = sum(each.counts * abs(each.predicted - each.observed) for each in bins)
    return gaps / sum(each.counts for each in bins)


def calibration_excess(
    target: Array, predicted: Array, unit: float, weights: Array | None = None
) -> float:
    """Average the gap that chance does not explain: of its square, a bin's variance is taken off.

    A bin of ten rows lies far from the truth though every probability is right.
    """
    observed, expected = read_certainty(target, predicted)
    tenths, misses = rank_bins(expected), expected - observed
    every = np.ones(len(target)) if weights is None else weights
    total = 0.0
    for tenth in np.unique(tenths):
        group = tenths == tenth
        inside, counts = misses[group], every[group]
        mean, rows = float(np.average(inside, weights=counts)), len(inside)
        strayed = float((counts**2 * (inside - mean) ** 2).sum()) / float(counts.sum()) ** 2
        chance = strayed * rows / (rows - 1) if rows > 1 else 0.0
        total += float(counts.sum()) * math.sqrt(max(mean**2 - chance, 0.0))
    return total / float(every.sum()) / unit


def calibration_unit(
    kind: TargetKind,
    target: Array,
    weights: Array | None = None,
    deviance: Deviance | None = None,
) -> float:
    """Give what calibration is measured in: probabilities as they are, values in deviations.

    Counts and amounts, which have a deviance, are measured in means where those are smaller: of
    many zeros and a few large values, a standard deviation is many times what is predicted.
    """
    spread = deviation(target, weights) if kind == "regression" else 1.0
    mean = float(np.average(target, weights=weights))
    return (min(spread, mean) if deviance else spread) or 1.0


def find_unit(definition: Definition, target: Array, weights: Array | None) -> float:
    """Give what the calibration of such a model is measured in."""
    return calibration_unit(definition.target.kind, target, weights, definition.deviance)


def measure_errors(
    definition: Definition, target: Array, predicted: Array, weights: Array | None
) -> tuple[float, float]:
    """Give the calibration error in its unit, and what is left of it when chance is taken off."""
    unit = find_unit(definition, target, weights)
    error = calibration_error(target, predicted, unit, weights)
    return error, calibration_excess(target, predicted, unit, weights)


def deviation(values: Array, weights: Array | None) -> float:
    """Compute the standard deviation of values that count by their weights."""
    mean = np.average(values, weights=weights)
    return math.sqrt(float(np.average((values - mean) ** 2, weights=weights)))


def _pick(weights: Array | None, group: Array) -> Array | None:
    return None if weights is None else weights[group]
