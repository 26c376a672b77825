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
from polars.selectors import by_name
from pydantic import Field, ValidationError
from scipy.special import stdtrit  # type: ignore[import-untyped]

from tasks.core.columns import TARGET, TIME, WEIGHT
from tasks.core.definition import Frozen
from tasks.evaluation.calibration import calibration_error, calibration_excess
from tasks.evaluation.metrics import Array, row_losses
from tasks.evaluation.prior_shift import find_offset, tolerate
from tasks.evaluation.recalibration_methods import (
    fit_isotonic,
    fit_platt,
    fit_temperature,
    mean_loss,
    unmove,
)
from tasks.evaluation.stopping_slice import read_stopping_slice
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import read_weights
from tasks.training.recalibration import Recalibration, shift_odds
from tasks.training.train import Trained

_MOST_ROWS, _FEWEST, _FEWEST_OF_A_CLASS = 100_000, 500, 50
_ISOTONIC_ROWS = 1_000  # with fewer it learns chance (Niculescu-Mizil and Caruana 2005)
_FOLDS = 5

Fit = Callable[[Array, Array, Array], Recalibration]


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

    def measure_holdout(
        self, target: Array, raw: Array, predicted: Array, weights: Array | None
    ) -> Self:
        """Set the holdout's loss and calibration error before recalibration beside those after."""
        before, after = (
            {
                "log_loss": mean_loss(target, each, weights),
                "calibration_error": calibration_error(target, each, 1.0, weights),
            }
            for each in (raw, predicted)
        )
        return self.model_copy(update={"before": before, "after": after})


def apply_chosen(found: Recalibrated | None, predicted: Array) -> Array:
    """Recalibrate predictions, where something was chosen."""
    return found.chosen.apply(predicted) if found and found.chosen else predicted


def settle_recalibration(plan: Plan, prepared: Prepared, trained: Trained) -> Recalibrated | None:
    """Choose a model's recalibration; None where it is near enough, or too few rows can tell."""
    if not plan.definition.calibrates:
        return None
    kept = read_stopping_slice(plan, prepared, trained, _MOST_ROWS)
    if kept is None:
        return None
    rows, target, weights = kept.rows, kept.target, kept.weights
    fewest = np.unique(target, return_counts=True)[1].min() if len(target) else 0
    binary = plan.definition.target.kind == "binary"
    if len(rows) < _FEWEST or (binary and not _FEWEST_OF_A_CLASS <= fewest < len(rows)):
        return None
    predicted = kept.predict()
    shift = _measure_moved(prepared, target, predicted, weights) if binary else 0.0
    unmoved = shift_odds(predicted, shift) if shift else predicted
    error = calibration_excess(target, unmoved, 1.0, weights)
    margin = tolerate(plan.definition, target, unmoved, weights)
    if error <= margin:
        return None
    folds = _fold(rows[TIME], plan.definition.training.seed)
    losses, chosen = choose(target, unmoved, folds, plan.definition.gate.confidence, weights)
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
    target: Array,
    predicted: Array,
    folds: Array,
    confidence: float,
    weights: Array | None = None,
) -> tuple[dict[str, float], Recalibration | None]:
    """Choose by log loss, cross-fitted over folds; None where no method surely gains."""
    every = np.ones(len(target)) if weights is None else weights
    plain = row_losses("log_loss", target, predicted)
    losses, best, gained = {"none": float(np.average(plain, weights=every))}, None, 0.0
    for method, fit in _list_methods(target, predicted):
        gains = np.zeros(len(target))
        try:
            for fold in np.unique(folds):
                inside = folds == fold
                fitted = fit(target[~inside], predicted[~inside], every[~inside]).apply(
                    predicted[inside]
                )
                gains[inside] = plain[inside] - row_losses("log_loss", target[inside], fitted)
            made = fit(target, predicted, every)
        except ValidationError:  # out of bounds: such a line is no recalibration
            continue
        gain = float(np.average(gains, weights=every))
        losses[method] = losses["none"] - gain
        by_fold = [
            np.average(gains[folds == fold], weights=every[folds == fold])
            for fold in np.unique(folds)
        ]
        error = np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))
        if gain > max(gained, stdtrit(len(by_fold) - 1, confidence) * error):
            best, gained = made, gain
    return losses, best


def _list_methods(target: Array, predicted: Array) -> Iterator[tuple[str, Fit]]:
    if predicted.ndim == 2:
        yield "temperature", fit_temperature
        return
    yield "platt", fit_platt
    if len(target) >= _ISOTONIC_ROWS:
        yield "isotonic", fit_isotonic


def _measure_moved(
    prepared: Prepared, target: Array, predicted: Array, weights: Array | None
) -> float:
    """Measure the log odds by which a base rate moved after the rows to fit.

    As far as the model did not see it coming: predictions are moved towards what came true, by no
    more than the rates differ. Rows without a time have no after.
    """
    if not prepared.split.timed:
        return 0.0
    fitted = prepared.scan(SplitRole.FIT).select(by_name(TARGET, WEIGHT, require_all=False))
    rows = fitted.collect()
    before = float(np.average(rows[TARGET].to_numpy(), weights=read_weights(rows)))
    came, told = (float(np.average(each, weights=weights)) for each in (target, predicted))
    ends = told + min(came - before, 0.0), told + max(came - before, 0.0)
    return find_offset(float(np.clip(came, *ends)), predicted, weights)


def _fold(times: pl.Series, seed: int) -> Array:
    """Cut rows into folds: by time, so that what is fitted must hold at others, or at random."""
    if times.null_count() < len(times):
        order = times.rank("ordinal").to_numpy() - 1
    else:
        order = np.random.default_rng(seed).permutation(len(times))
    return np.asarray(order * _FOLDS // len(times), dtype=np.int64)
