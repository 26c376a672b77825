"""The methods of recalibration, each fitted by maximum likelihood or least squares.

Responsible for fitting one to targets and predictions, whose rows may count by weights. Not
responsible for which is chosen (`recalibrate`), nor for applying it (`training.recalibration`).
"""

import numpy as np
from scipy.optimize import isotonic_regression, minimize_scalar  # type: ignore[import-untyped]
from scipy.special import expit, logit  # type: ignore[import-untyped]

from tasks.evaluation.metrics import Array, row_losses
from tasks.training.recalibration import MOST_KNOTS, Recalibration, shift_odds, soften

_SURE = 1e-12  # a probability of 0 or 1 has no odds
_STEPS, _RIDGE = 50, 1e-6


def fit_platt(target: Array, predicted: Array, weights: Array | None = None) -> Recalibration:
    """Fit a line from predicted to true log odds by maximum likelihood (Newton's method).

    By hand: LightGBM brings no logistic regression, and scikit-learn is no dependency.
    """
    slope, intercept = fit_line(logit(np.clip(predicted, _SURE, 1 - _SURE)), target, weights)
    return Recalibration(method="platt", slope=slope, intercept=intercept)


def unmove(fitted: Recalibration, shift: float) -> Recalibration:
    """Give what recalibrates as fitted where the base rate is what it was, `shift` log odds before.

    >>> unmove(Recalibration(method="platt", slope=2.0, intercept=0.0), 0.5).intercept
    0.5
    """
    if fitted.method == "platt":
        intercept = fitted.intercept + (fitted.slope - 1) * shift
        return fitted.model_copy(update={"intercept": intercept})
    knots, values = (shift_odds(np.array(each), -shift) for each in (fitted.knots, fitted.values))
    return Recalibration(method="isotonic", knots=knots.tolist(), values=values.tolist())


def fit_line(odds: Array, target: Array, weights: Array | None = None) -> tuple[float, float]:
    """Fit the slope and the intercept of true log odds, from 1 and 0 on."""
    design = np.column_stack([odds, np.ones(len(odds))])
    every = np.ones(len(odds)) if weights is None else weights / weights.mean()
    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = expit(design @ line)
        slope = design.T @ (every * (target - chance)) - _RIDGE * (line - [1.0, 0.0])
        bend = (design.T * (every * chance * (1 - chance))) @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(bend, slope)
        line = line + step
        if np.abs(step).max() < 1e-9:
            break
    return float(line[0]), float(line[1])


def fit_isotonic(target: Array, predicted: Array, weights: Array | None = None) -> Recalibration:
    """Fit an isotonic regression, and join its blocks' centres by straight lines, from 0 to 1."""
    centres, values, rows = pool_blocks(target, predicted, weights)
    # A block in which nothing, or all, came true says no more than its rows can tell.
    values[0] = max(values[0], min(0.5 / (rows[0] + 1), values[min(1, len(values) - 1)] / 2))
    values[-1] = min(values[-1], 1 - 0.5 / (rows[-1] + 1))
    inner = (centres > 0) & (centres < 1) & (values > 0) & (values < 1)
    rising = np.concatenate([[True], np.diff(values[inner]) > 0])
    knots, heights = centres[inner][rising], values[inner][rising]
    few = np.unique(np.linspace(0, len(knots) - 1, min(len(knots), MOST_KNOTS - 2)).astype(int))
    return Recalibration(
        method="isotonic", knots=(0, *knots[few].tolist(), 1), values=(0, *heights[few].tolist(), 1)
    )


def pool_blocks(
    target: Array, predicted: Array, weights: Array | None = None
) -> tuple[Array, Array, Array]:
    """Pool adjacent violators; give each block's mean prediction, its value, and its rows."""
    points, place, count = np.unique(predicted, return_inverse=True, return_counts=True)
    every = np.ones(len(target)) if weights is None else weights
    mass = np.bincount(place, weights=every)
    means = np.bincount(place, weights=target * every) / mass
    pooled = isotonic_regression(means, weights=mass)
    starts = pooled.blocks[:-1]
    centres = np.add.reduceat(points * mass, starts) / np.add.reduceat(mass, starts)
    return centres, pooled.x[starts].copy(), np.add.reduceat(count, starts)


def fit_temperature(target: Array, predicted: Array, weights: Array | None = None) -> Recalibration:
    """Fit one temperature of all classes' log probabilities by maximum likelihood."""

    def lose(log_temperature: float) -> float:
        return mean_loss(target, soften(predicted, float(np.exp(log_temperature))), weights)

    found = minimize_scalar(lose, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    return Recalibration(method="temperature", temperature=float(np.exp(found.x)))


def mean_loss(target: Array, predicted: Array, weights: Array | None) -> float:
    return float(np.average(row_losses("log_loss", target, predicted), weights=weights))
