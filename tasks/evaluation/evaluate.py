"""Evaluation: models on the holdout, measured beside a baseline and a simple model.

Responsible for what is measured and on which rows. Not responsible for whether that is good enough:
the gate is (`validation.gate`).
"""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from lightgbm import Booster
from polars.selectors import by_name
from pydantic import Field

from tasks.core.columns import FALSE_ALARM, GROUP, MISSED, ROLE, ROW, TARGET, TIME, WEIGHT
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.core.pinball import Pinball, rearrange
from tasks.evaluation.baseline import predict_baseline
from tasks.evaluation.calibration import Bin
from tasks.evaluation.calibration_bounds import bound_misses
from tasks.evaluation.coverage import Coverage, add_interval, measure_coverage
from tasks.evaluation.curve_bands import bound_curves
from tasks.evaluation.curves import Curves
from tasks.evaluation.decision_threshold import ChosenThreshold, settle_threshold
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array
from tasks.evaluation.naive_predictions import predict_naively
from tasks.evaluation.prior_shift import PriorShift, find_shift, measure_learned
from tasks.evaluation.quantile_shares import (
    QuantileShare,
    calibrate_model,
    measure_shares,
)
from tasks.evaluation.recalibrate import Recalibrated, apply_chosen, settle_recalibration
from tasks.evaluation.rolling_origin import Fold, judge_folds
from tasks.evaluation.row_metrics import measure_rows
from tasks.evaluation.slice_metrics import Slice, bound_metric, measure_slices
from tasks.evaluation.slices import SLICE, slice_rows
from tasks.evaluation.stopping_metric import Disagreement, find_disagreement
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import counted_columns, read_weights
from tasks.storage.store import reaching
from tasks.training.datasets import model_input
from tasks.training.intervals import open_ends, read_fitted
from tasks.training.train import Trained, read_model

_TRAIN_ROWS = 100_000
_CONTRIBUTION_ROWS, _FEWEST_CONTRIBUTION_ROWS = 2_000, 200
_CONTRIBUTIONS = 100_000  # rows times trees: a tree's contributions take far longer than its value
_META = (ROW, TIME, TARGET, ROLE, WEIGHT, GROUP, FALSE_ALARM, MISSED)


class Importance(Frozen):
    """A feature's mean absolute contribution to the prediction, and its share of all."""

    feature: str
    contribution: float
    share: float


class Evaluation(Frozen):
    """What the evaluated twin is worth. `curves` holds named series of points for plots.

    `interval` is that of the gate's metric on the holdout, None where that has too few rows.

    Calibration that was off on the stopping slice is told by `recalibrated`, a base rate that moved
    until the holdout by `prior_shift`.
    `misses` bound by how much more came true than was predicted, bin by bin of `calibration`.
    `coverage` is that of its intervals, where it has any: of all rows, then of each slice; so are
    `quantiles` the shares of rows below each.
    """

    rows: int
    metrics: dict[str, dict[Metric, float]]
    interval: Interval | None = Field(default=None, exclude_if=lambda found: found is None)
    baseline: dict[Metric, float]
    simple: dict[Metric, float]
    calibration: tuple[Bin, ...]
    calibration_error: float
    misses: tuple[Interval | None, ...] = Field(default=(), exclude_if=lambda found: not found)
    slices: tuple[Slice, ...]
    importance: tuple[Importance, ...]
    curves: Curves
    folds: tuple[Fold, ...] = Field(default=(), exclude_if=lambda folds: not folds)
    coverage: tuple[Coverage, ...] = Field(default=(), exclude_if=lambda found: not found)
    quantiles: tuple[QuantileShare, ...] = Field(default=(), exclude_if=lambda found: not found)
    recalibrated: Recalibrated | None = Field(default=None, exclude_if=lambda value: value is None)
    prior_shift: PriorShift | None = Field(default=None, exclude_if=lambda value: value is None)
    threshold: ChosenThreshold | None = Field(
        default=None, exclude_if=lambda chosen: chosen is None
    )
    disagreement: Disagreement | None = Field(default=None, exclude_if=lambda found: found is None)

    @property
    def chosen_threshold(self) -> float | None:
        """The threshold that was chosen for this version; None where the definition gives it."""
        return self.threshold.threshold if self.threshold else None


class Scored(Frozen):
    """Holdout rows in one local file: number, time, target, group, predictions and slices."""

    path: Path
    folds: tuple[Fold, ...] = ()

    def read(self) -> pl.DataFrame:
        return pl.read_ipc(self.path)


def evaluate_models(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, trained: Trained, folder: Path
) -> tuple[Evaluation, Scored]:
    """Score the holdout once, measure, and keep the scores for the gate."""
    twin, simple = (read_model(path.read_text("utf-8")) for path in (trained.twin, trained.simple))
    told = by_name(ROW, TIME, TARGET, GROUP, *counted_columns(plan), require_all=False)
    rows = prepared.scan(SplitRole.HOLDOUT).select(told).collect()
    seen, target = sample_training(plan, prepared), rows[TARGET].to_numpy()
    interval, path = read_fitted(plan, trained.twin), folder / "scored.arrow"
    raw, simply, *ends = predict_holdout(plan, prepared, twin, simple, *open_ends(interval))
    found, pinball = settle_recalibration(plan, prepared, trained), plan.definition.pinball
    plan, chosen = settle_threshold(plan, prepared, trained, found)
    weights, measure_them = read_weights(rows), partial(measure_rows, plan.definition)
    predicted, learned = (apply_chosen(found, each) for each in (raw, predict(twin, seen, pinball)))
    baseline = predict_baseline(plan, prepared, len(rows))
    slices = slice_rows(plan, snapshot, prepared, rows[ROW])
    rows = add_interval(rows.with_columns(slices), interval, predicted, ends)
    evaluation = Evaluation(
        rows=len(rows),
        metrics={"holdout": measure_them(rows, predicted), "train": measure_them(seen, learned)},
        interval=bound_metric(plan.definition, rows, predicted),
        baseline=measure_them(rows, baseline),
        simple=measure_them(rows, simply),
        **_measure_calibration(plan.definition, rows, predicted),
        slices=measure_slices(plan.definition, slices, rows, predicted),
        importance=rank_features(plan, prepared, twin, rows[ROW]),
        curves=bound_curves(plan.definition, trained.curve, rows, predicted),
        recalibrated=found and found.measure_holdout(target, raw, predicted, weights),
        prior_shift=find_shift(plan.definition, target, predicted, weights),
        threshold=chosen,
        disagreement=find_disagreement(plan, prepared, trained, found),
        coverage=tuple(measure_coverage(plan.definition, rows, SLICE)),
        quantiles=tuple(measure_shares(plan.definition, rows, predicted, SLICE)),
        folds=judge_folds(plan, prepared, trained, found),
    )
    off = measure_learned(plan.definition, seen, learned)
    kept = rows.with_columns(*predict_naively(plan, snapshot, rows[ROW]), **off)
    return evaluation, _keep(kept, path, evaluation.folds, predicted, baseline, simply)


def _measure_calibration(
    definition: Definition, rows: pl.DataFrame, predicted: Array
) -> dict[str, Any]:
    target, weights = rows[TARGET].to_numpy(), read_weights(rows)
    bins, error = calibrate_model(definition, target, predicted, weights)
    misses = bound_misses(definition, rows, predicted)
    return {"calibration": bins, "calibration_error": error, "misses": misses}


def _keep(rows: pl.DataFrame, path: Path, folds: tuple[Fold, ...], *scores: Array) -> Scored:
    added = list(map(pl.Series, ("predicted", "baseline", "simple"), scores))
    with reaching(str(path)):
        rows.with_columns(added).write_ipc(path)
    return Scored(path=path, folds=folds)


def predict(booster: Booster, rows: pl.DataFrame, pinball: Pinball | None = None) -> Array:
    """Predict numbered rows: probabilities (of 1, or of each class), values or quantiles."""
    features = rows.drop(*_META, strict=False)
    return rearrange(pinball, np.asarray(booster.predict(model_input(features))))


def predict_holdout(plan: Plan, prepared: Prepared, *models: Booster) -> tuple[Array, ...]:
    """Let models predict the holdout, a batch at a time."""
    frames = prepared.batches(list(plan.features.expressions), SplitRole.HOLDOUT)
    pinball = plan.definition.pinball
    predicted = [[predict(model, frame, pinball) for model in models] for frame in frames]
    return tuple(np.concatenate(each) for each in zip(*predicted, strict=True))


def sample_training(plan: Plan, prepared: Prepared) -> pl.DataFrame:
    """Read about as many training rows as train metrics need.

    They are drawn by a hash: every tenth row could be the same shop each day.
    """
    step = math.ceil((prepared.rows["fit"] + prepared.rows["stop"]) / _TRAIN_ROWS)
    columns = (ROW, TARGET, *counted_columns(plan), *plan.features.expressions)
    frames = prepared.batches(columns, SplitRole.FIT, SplitRole.STOP)
    return pl.concat(frame.filter(pl.col(ROW).hash() % step == 0) for frame in frames)


def rank_features(
    plan: Plan, prepared: Prepared, booster: Booster, numbers: pl.Series
) -> tuple[Importance, ...]:
    """Rank features by LightGBM's own contributions (tree SHAP) on a sample of rows."""
    affordable = max(_CONTRIBUTIONS // max(booster.num_trees(), 1), _FEWEST_CONTRIBUTION_ROWS)
    wanted = min(affordable, _CONTRIBUTION_ROWS, len(numbers))
    chosen = numbers.sample(wanted, seed=plan.definition.training.seed).implode()
    names = list(plan.features.expressions)
    frames = prepared.batches((ROW, *names), SplitRole.HOLDOUT)
    sample = pl.concat(frame.filter(pl.col(ROW).is_in(chosen)) for frame in frames).drop(ROW)
    parts = np.asarray(booster.predict(model_input(sample), pred_contrib=True))
    by_class = parts.reshape(len(sample), -1, len(names) + 1)[:, :, :-1]  # the last is the bias
    means = np.abs(by_class).mean(axis=(0, 1))
    total = float(means.sum()) or 1.0
    ranked = sorted(zip(names, means.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Importance(feature=name, contribution=mean, share=mean / total) for name, mean in ranked
    )
