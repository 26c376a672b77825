"""Calibration: how near predictions are to what came true, in bins of about equal size."""

import math

import numpy as np

from tasks.core.definition import Frozen
from tasks.core.deviances import Deviance
from tasks.core.model_sections import TargetKind
from tasks.evaluation.metrics import Array, rank_bins, read_certainty


class Bin(Frozen):
    """Rows of near predictions: how many, the mean prediction and what came true."""

    rows: int
    predicted: float
    observed: float


def calibrate(target: Array, predicted: Array) -> tuple[Bin, ...]:
    """Group rows by prediction into tenths and set what was predicted against what came true.

    For several classes, the prediction is the likeliest class's and it came true if it was right.
    """
    observed, expected = read_certainty(target, predicted)
    tenths = rank_bins(expected)
    groups = [tenths == tenth for tenth in np.unique(tenths)]
    return tuple(
        Bin(
            rows=int(group.sum()),
            predicted=float(expected[group].mean()),
            observed=float(observed[group].mean()),
        )
        for group in groups
    )


def calibration_error(target: Array, predicted: Array, unit: float) -> float:
    """Average the gap between predicted and observed over all rows."""
    bins = calibrate(target, predicted)
    gaps = sum(each.rows * abs(each.predicted - each.observed) for each in bins)
    return gaps / len(target) / unit


def calibration_excess(target: Array, predicted: Array, unit: float) -> float:
    """Average the gap that chance does not explain: of its square, a bin's variance is taken off.

    A bin of ten rows lies far from the truth though every probability is right.
    """
    observed, expected = read_certainty(target, predicted)
    tenths, misses = rank_bins(expected), expected - observed
    total = 0.0
    for tenth in np.unique(tenths):
        inside = misses[tenths == tenth]
        chance = float(inside.var(ddof=1)) / len(inside) if len(inside) > 1 else 0.0
        total += len(inside) * math.sqrt(max(float(inside.mean()) ** 2 - chance, 0.0))
    return total / len(target) / unit


def calibration_unit(kind: TargetKind, target: Array, deviance: Deviance | None = None) -> float:
    """Give what calibration is measured in: probabilities as they are, values in deviations.

    Counts and amounts, which have a deviance, are measured in means where those are smaller: of
    many zeros and a few large values, a standard deviation is many times what is predicted.
    """
    spread = float(target.std()) if kind == "regression" else 1.0
    return (min(spread, float(target.mean())) if deviance else spread) or 1.0
