"""Recalibration fitted: on the stopping slice, as a model that never saw it predicts it.

Responsible for when a model is recalibrated, and by which method: where calibration is off beyond
[gate] calibration_margin, the one with the least log loss in cross-fitting, "none" among them, if
it surely gains (Student's t over the folds, by [gate] confidence). What a base rate explains that
moved since is taken off before: it may move back, and is told apart (`prior_shift`). Not
responsible for applying it (`training.recalibration`). The holdout has no say.
"""

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, ValidationError
from scipy.optimize import isotonic_regression, minimize_scalar  # type: ignore[import-untyped]
from scipy.special import expit, logit, stdtrit  # type: ignore[import-untyped]

from tasks.core.columns import TARGET, TIME
from tasks.core.definition import Frozen
from tasks.evaluation.calibration import calibration_error, calibration_excess
from tasks.evaluation.metrics import Array, row_losses
from tasks.evaluation.prior_shift import find_offset, shift_odds, tolerate
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import model_input
from tasks.training.recalibration import MOST_KNOTS, Recalibration, soften
from tasks.training.train import Trained, read_model

_MOST_ROWS, _FEWEST, _FEWEST_OF_A_CLASS = 100_000, 500, 50
_ISOTONIC_ROWS = 1_000  # with fewer it learns chance (Niculescu-Mizil and Caruana 2005)
_FOLDS = 5
_SURE = 1e-12  # a probability of 0 or 1 has no odds
_STEPS, _RIDGE = 50, 1e-6

Fit = Callable[[Array, Array], Recalibration]


class Recalibrated(Frozen):
    """What was found on the stopping slice, and chosen there.

    `error` is the calibration error that chance does not explain, `shift` the log odds by which a
    base rate moved since, which no method may take up. `losses` are cross-fitted, by method.
    `before` and `after` are log loss and calibration error of the holdout.
    """

    rows: int
    error: float
    margin: float
    shift: float
    losses: dict[str, float]
    method: str
    before: dict[str, float] = Field(default={})
    after: dict[str, float] = Field(default={})
    chosen: Recalibration | None = Field(default=None, exclude=True)

    def measure_holdout(self, target: Array, raw: Array, predicted: Array) -> Self:
        """Set the holdout's loss and calibration error before recalibration beside those after."""
        before, after = (
            {
                "log_loss": float(row_losses("log_loss", target, each).mean()),
                "calibration_error": calibration_error(target, each, 1.0),
            }
            for each in (raw, predicted)
        )
        return self.model_copy(update={"before": before, "after": after})


def apply_chosen(found: Recalibrated | None, predicted: Array) -> Array:
    """Recalibrate predictions, where something was chosen."""
    return found.chosen.apply(predicted) if found and found.chosen else predicted


def settle_recalibration(plan: Plan, prepared: Prepared, trained: Trained) -> Recalibrated | None:
    """Choose a model's recalibration; None where it is near enough, or too few rows can tell."""
    if trained.settled is None or not plan.definition.calibrates:
        return None
    rows = _read_slice(prepared)
    target = rows[TARGET].to_numpy()
    fewest = np.unique(target, return_counts=True)[1].min() if len(target) else 0
    binary = plan.definition.target.kind == "binary"
    if len(rows) < _FEWEST or (binary and not _FEWEST_OF_A_CLASS <= fewest < len(rows)):
        return None
    settled = read_model(trained.settled.read_text("utf-8"))
    features = model_input(rows.select(list(plan.features.expressions)))
    predicted = np.asarray(settled.predict(features, num_iteration=trained.rounds))
    shift = _measure_moved(prepared, target, predicted) if binary else 0.0
    unmoved = shift_odds(predicted, shift) if shift else predicted
    error = calibration_excess(target, unmoved, 1.0)
    margin = tolerate(plan.definition, target, unmoved)
    if error <= margin:
        return None
    folds = _fold(rows[TIME], plan.definition.training.seed)
    losses, chosen = choose(target, unmoved, folds, plan.definition.gate.confidence)
    return Recalibrated(
        rows=len(rows),
        error=error,
        margin=margin,
        shift=shift,
        losses=losses,
        method=chosen.method if chosen else "none",
        chosen=unmove(chosen, shift) if chosen and shift else chosen,
    )


def choose(
    target: Array, predicted: Array, folds: Array, confidence: float
) -> tuple[dict[str, float], Recalibration | None]:
    """Choose by log loss, cross-fitted over folds; None where no method surely gains."""
    plain = row_losses("log_loss", target, predicted)
    losses, best, gained = {"none": float(plain.mean())}, None, 0.0
    for method, fit in _list_methods(target, predicted):
        gains = np.zeros(len(target))
        try:
            for fold in np.unique(folds):
                inside = folds == fold
                fitted = fit(target[~inside], predicted[~inside]).apply(predicted[inside])
                gains[inside] = plain[inside] - row_losses("log_loss", target[inside], fitted)
            made = fit(target, predicted)
        except ValidationError:  # out of bounds: such a line is no recalibration
            continue
        losses[method] = losses["none"] - float(gains.mean())
        by_fold = [gains[folds == fold].mean() for fold in np.unique(folds)]
        error = np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))
        sure = gains.mean() > stdtrit(len(by_fold) - 1, confidence) * error
        if sure and gains.mean() > gained:
            best, gained = made, float(gains.mean())
    return losses, best


def fit_platt(target: Array, predicted: Array) -> Recalibration:
    """Fit a line from predicted to true log odds by maximum likelihood (Newton's method).

    By hand: LightGBM brings no logistic regression, and scikit-learn is no dependency.
    """
    slope, intercept = fit_line(logit(np.clip(predicted, _SURE, 1 - _SURE)), target)
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


def fit_line(odds: Array, target: Array) -> tuple[float, float]:
    """Fit the slope and the intercept of true log odds, from 1 and 0 on."""
    design = np.column_stack([odds, np.ones(len(odds))])
    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = expit(design @ line)
        slope = design.T @ (target - chance) - _RIDGE * (line - [1.0, 0.0])
        bend = (design.T * (chance * (1 - chance))) @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(bend, slope)
        line = line + step
        if np.abs(step).max() < 1e-9:
            break
    return float(line[0]), float(line[1])


def fit_isotonic(target: Array, predicted: Array) -> Recalibration:
    """Fit an isotonic regression, and join its blocks' centres by straight lines, from 0 to 1."""
    centres, values, rows = pool_blocks(target, predicted)
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


def pool_blocks(target: Array, predicted: Array) -> tuple[Array, Array, Array]:
    """Pool adjacent violators; give each block's mean prediction, its value, and its rows."""
    points, place, count = np.unique(predicted, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=target) / count
    pooled = isotonic_regression(means, weights=count)
    starts = pooled.blocks[:-1]
    rows = np.add.reduceat(count, starts)
    return np.add.reduceat(points * count, starts) / rows, pooled.x[starts].copy(), rows


def fit_temperature(target: Array, predicted: Array) -> Recalibration:
    """Fit one temperature of all classes' log probabilities by maximum likelihood."""

    def lose(log_temperature: float) -> float:
        softened = soften(predicted, float(np.exp(log_temperature)))
        return float(row_losses("log_loss", target, softened).mean())

    found = minimize_scalar(lose, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    return Recalibration(method="temperature", temperature=float(np.exp(found.x)))


def _list_methods(target: Array, predicted: Array) -> Iterator[tuple[str, Fit]]:
    if predicted.ndim == 2:
        yield "temperature", fit_temperature
        return
    yield "platt", fit_platt
    if len(target) >= _ISOTONIC_ROWS:
        yield "isotonic", fit_isotonic


def _read_slice(prepared: Prepared) -> pl.DataFrame:
    """Read the stopping slice, or rows of it that are spread evenly over a large one."""
    step = 1 + prepared.rows["stop"] // _MOST_ROWS
    return prepared.scan(SplitRole.STOP).gather_every(step).collect()


def _measure_moved(prepared: Prepared, target: Array, predicted: Array) -> float:
    """Measure the log odds by which a base rate moved after the rows to fit.

    As far as the model did not see it coming: predictions are moved towards what came true, by no
    more than the rates differ. Rows without a time have no after.
    """
    if prepared.split.gap is None:
        return 0.0
    before = prepared.scan(SplitRole.FIT).select(pl.col(TARGET).mean()).collect().item()
    came, told = float(target.mean()), float(predicted.mean())
    ends = told + min(came - before, 0.0), told + max(came - before, 0.0)
    return find_offset(float(np.clip(came, *ends)), predicted)


def _fold(times: pl.Series, seed: int) -> Array:
    """Cut rows into folds: by time, so that what is fitted must hold at others, or at random."""
    if times.null_count() < len(times):
        order = times.rank("ordinal").to_numpy() - 1
    else:
        order = np.random.default_rng(seed).permutation(len(times))
    return np.asarray(order * _FOLDS // len(times), dtype=np.int64)
