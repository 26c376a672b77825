"""Prior shift: how much of a calibration error a base rate that moved explains by itself.

Where nothing moved but how often the event comes true, the odds of every row are off by one factor
(Elkan 2001; Saerens, Latinne and Decaestecker 2002, by labels in place of their estimate). So one
offset of all log odds is fitted, by maximum likelihood, and the calibration error that it leaves is
set against the one before. Binary targets only. Not responsible for what is done about it.
"""

import numpy as np
import polars as pl
from scipy.optimize import brentq  # type: ignore[import-untyped]
from scipy.special import expit, logit  # type: ignore[import-untyped]

from tasks.core.columns import LEARNED_OFFSET, TARGET
from tasks.core.definition import Definition, Frozen
from tasks.evaluation.calibration import calibration_error, calibration_excess, deviation
from tasks.evaluation.metrics import Array, read_certainty
from tasks.evaluation.row_values import read_weights
from tasks.training.recalibration import shift_odds

EXPLAINS = 0.5  # of a calibration error: from here on, it is called a base rate that moved
_FARTHEST = 20.0
_SURE = 1e-15


class PriorShift(Frozen):
    """A base rate that moved: `offset` of the log odds explains a `share` of the error.

    `error` and `left` are calibration errors before and after it; the share is of what chance does
    not explain.
    """

    rows: int
    predicted: float
    observed: float
    offset: float
    error: float
    left: float
    share: float


def find_shift(
    definition: Definition, target: Array, predicted: Array, weights: Array | None = None
) -> PriorShift | None:
    """Find the base rate that moved, where it is why a binary model's calibration is off."""
    if definition.target.kind != "binary" or not 0 < target.mean() < 1:
        return None
    excess = calibration_excess(target, predicted, 1.0, weights)
    if excess <= tolerate(definition, target, weights=weights):
        return None
    shift = measure_shift(target, predicted, weights)
    return shift if shift.share >= EXPLAINS else None


def measure_shift(target: Array, predicted: Array, weights: Array | None = None) -> PriorShift:
    """Measure what one offset of all log odds explains; both classes must be among the targets."""
    came = float(np.average(target, weights=weights))
    offset = find_offset(came, predicted, weights)
    shifted = shift_odds(predicted, offset)
    before, after = (
        calibration_excess(target, each, 1.0, weights) for each in (predicted, shifted)
    )
    return PriorShift(
        rows=len(target),
        predicted=float(np.average(predicted, weights=weights)),
        observed=came,
        offset=offset,
        error=calibration_error(target, predicted, 1.0, weights),
        left=calibration_error(target, shifted, 1.0, weights),
        share=1 - after / before if before else 0.0,
    )


def find_offset(rate: float, predicted: Array, weights: Array | None = None) -> float:
    """Find the offset of all log odds after which the mean prediction is this rate.

    Of the rate that came true, it is the one of maximum likelihood.

    >>> round(find_offset(0.75, np.full(4, 0.5)), 4)
    1.0986
    """
    odds = logit(np.clip(predicted, _SURE, 1 - _SURE))

    def miss(offset: float) -> float:
        return float(np.average(expit(odds + offset), weights=weights)) - rate

    if miss(-_FARTHEST) >= 0 or miss(_FARTHEST) <= 0:
        return -_FARTHEST if miss(0) > 0 else _FARTHEST
    return float(brentq(miss, -_FARTHEST, _FARTHEST, xtol=1e-12))


def measure_learned(
    definition: Definition, rows: pl.DataFrame, predicted: Array
) -> dict[str, float]:
    """Measure by how much a model is off where it learned, by the name of the holdout's column.

    Class weights, or a slip, move its odds there as well: no base rate has moved since.
    """
    target, weights = rows[TARGET].to_numpy(), read_weights(rows)
    if definition.target.kind != "binary" or not 0 < target.mean() < 1:
        return {}
    return {
        LEARNED_OFFSET: find_offset(float(np.average(target, weights=weights)), predicted, weights)
    }


def tolerate(
    definition: Definition,
    target: Array,
    predicted: Array | None = None,
    weights: Array | None = None,
) -> float:
    """Give the calibration error that is no matter: a share of the outcome's deviation.

    For several classes the outcome is whether the likeliest one, of `predicted`, was right.
    """
    outcome = target if predicted is None else read_certainty(target, predicted)[0]
    return definition.gate.calibration_margin * deviation(outcome, weights)


def describe_shift(shift: PriorShift) -> str:
    """Say it in words."""
    return (
        f"{shift.predicted:.1%} was predicted and {shift.observed:.1%} came true: a base rate that "
        f"moved, by {shift.offset:+.2f} in log odds, explains {min(shift.share, 1):.0%} of the "
        f"calibration error of {shift.error:.3f} (prior shift; Elkan 2001)"
    )
