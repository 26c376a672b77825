"""Evaluation: models on the holdout, measured beside a baseline and a simple model.

Responsible for what is measured and on which rows. Not responsible for whether that is good enough:
the gate is (`validation.gate`).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from lightgbm import Booster
from pydantic import Field

from tasks.core.columns import HIGH, LOW, ROLE, ROW, TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.calibration import Bin, calibrate, calibration_error, calibration_unit
from tasks.evaluation.coverage import Coverage, measure_coverage
from tasks.evaluation.curves import draw_curves
from tasks.evaluation.metrics import Array, measure
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import Features, Vocabulary, compile_expression
from tasks.preparation.split import Prepared, SplitRole
from tasks.storage.store import reaching
from tasks.training.datasets import model_input
from tasks.training.intervals import open_ends, read_fitted
from tasks.training.train import Trained, read_model

_TRAIN_ROWS = 100_000
_CONTRIBUTION_ROWS, _FEWEST_CONTRIBUTION_ROWS = 2_000, 200
_CONTRIBUTIONS = 100_000  # rows times trees: a tree's contributions take far longer than its value
_SLICE_LEVELS = 20
SLICE = "slice:"  # what the columns of a slice begin with in scored rows
_META = (ROW, TIME, TARGET, ROLE)
Slices = Mapping[str, str | pl.Expr]  # SQL, or what a function of the project gave


class Slice(Frozen):
    """The metrics of the rows in which a slice's expression has one value."""

    slice: str
    level: str
    rows: int
    metrics: dict[Metric, float]


class Importance(Frozen):
    """A feature's mean absolute contribution to the prediction, and its share of all."""

    feature: str
    contribution: float
    share: float


class Evaluation(Frozen):
    """What the evaluated twin is worth. `curves` holds named series of points for plots.

    `coverage` is that of its intervals, where it has any: of all rows, then of each slice.
    """

    rows: int
    metrics: dict[str, dict[Metric, float]]
    baseline: dict[Metric, float]
    simple: dict[Metric, float]
    calibration: tuple[Bin, ...]
    calibration_error: float
    slices: tuple[Slice, ...]
    importance: tuple[Importance, ...]
    curves: dict[str, dict[str, tuple[float, ...]]]
    coverage: tuple[Coverage, ...] = Field(default=(), exclude_if=lambda found: not found)


class Scored(Frozen):
    """Holdout rows in one local file: number, time, target, predictions and slices."""

    path: Path

    def read(self) -> pl.DataFrame:
        return pl.read_ipc(self.path)


def evaluate_models(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, trained: Trained, folder: Path
) -> tuple[Evaluation, Scored]:
    """Score the holdout once, measure, and keep the scores for the gate."""
    twin, simple = (read_model(path.read_text("utf-8")) for path in (trained.twin, trained.simple))
    rows = prepared.scan(SplitRole.HOLDOUT).select(ROW, TIME, TARGET).collect()
    seen, target = sample_training(plan, prepared), rows[TARGET].to_numpy()
    interval = read_fitted(plan, trained.twin)
    ends = open_ends(interval) if interval else []
    predicted, simply, *outer = predict_holdout(plan, prepared, twin, simple, *ends)
    baseline = predict_baseline(plan, prepared, len(rows))
    slices = slice_rows(plan, snapshot, prepared, rows[ROW])
    if interval:
        rows = rows.with_columns(map(pl.Series, (LOW, HIGH), interval.widen(*outer).T))
    held = measure_coverage(plan.definition, rows.with_columns(slices), SLICE) if interval else ()
    evaluation = Evaluation(
        rows=len(rows),
        metrics={
            "holdout": measure_rows(plan.definition, target, predicted),
            "train": measure_rows(plan.definition, seen[TARGET].to_numpy(), predict(twin, seen)),
        },
        baseline=measure_rows(plan.definition, target, baseline),
        simple=measure_rows(plan.definition, target, simply),
        calibration=calibrate(target, predicted),
        calibration_error=calibration_error(target, predicted, find_unit(plan.definition, target)),
        slices=measure_slices(plan, slices, target, predicted),
        importance=rank_features(plan, prepared, twin, rows[ROW]),
        curves=draw_curves(plan.definition.target.kind, trained.curve, target, predicted),
        coverage=tuple(held),
    )
    predictions = {"predicted": predicted, "baseline": baseline, "simple": simply}
    columns = [pl.Series(name, values) for name, values in predictions.items()]
    path = folder / "scored.arrow"
    with reaching(str(path)):
        rows.with_columns(*columns, *slices).write_ipc(path)
    return evaluation, Scored(path=path)


def measure_rows(definition: Definition, target: Array, predicted: Array) -> dict[Metric, float]:
    """Compute every metric that fits the definition's target, by its threshold."""
    kind, threshold = definition.target.kind, definition.serving.threshold
    return measure(kind, target, predicted, threshold, definition.deviance)


def find_unit(definition: Definition, target: Array) -> float:
    """Give what the calibration of such a model is measured in."""
    return calibration_unit(definition.target.kind, target, definition.deviance)


def predict(booster: Booster, rows: pl.DataFrame) -> Array:
    """Predict numbered rows: probabilities (of 1, or of each class) or values."""
    features = rows.drop(*_META, strict=False)
    predicted: Array = np.asarray(booster.predict(model_input(features)))
    return predicted


def predict_holdout(plan: Plan, prepared: Prepared, *models: Booster) -> tuple[Array, ...]:
    """Let models predict the holdout, a batch at a time."""
    frames = prepared.batches(list(plan.features.expressions), SplitRole.HOLDOUT)
    predicted = [[predict(model, frame) for model in models] for frame in frames]
    return tuple(np.concatenate(each) for each in zip(*predicted, strict=True))


def predict_baseline(plan: Plan, prepared: Prepared, rows: int) -> Array:
    """Predict for every row what training rows say on the whole: class shares or the mean."""
    target = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(TARGET)
    if plan.definition.target.kind != "multiclass":
        return np.full(rows, target.mean().collect().item())
    classes = target.collect()[TARGET].to_numpy().astype(np.int64)
    shares = np.bincount(classes, minlength=len(prepared.vocabulary.classes)) / len(classes)
    return np.tile(shares, (rows, 1))


def sample_training(plan: Plan, prepared: Prepared) -> pl.DataFrame:
    """Read about as many training rows as train metrics need.

    They are drawn by a hash: every tenth row could be the same shop each day.
    """
    step = math.ceil((prepared.rows["fit"] + prepared.rows["stop"]) / _TRAIN_ROWS)
    frames = prepared.batches(
        (ROW, TARGET, *plan.features.expressions), SplitRole.FIT, SplitRole.STOP
    )
    return pl.concat(frame.filter(pl.col(ROW).hash() % step == 0) for frame in frames)


def choose_slices(definition: Definition, features: Features, vocabulary: Vocabulary) -> Slices:
    """Name the slices to watch, with what they are: those asked for, or the small categories."""
    if definition.gate.slices is not None:
        return {sql: sql for sql in definition.gate.slices}
    return {
        name: features.expression(name) if name in features.built else features.expressions[name]
        for name, levels in vocabulary.categories.items()
        if 2 <= len(levels) <= _SLICE_LEVELS
    }


def slice_columns(slices: Slices, schema: pl.Schema, origin: str) -> list[pl.Expr]:
    """Give each slice's value as text; DefinitionError where its SQL does not fit the columns."""
    expressions = {
        name: compile_expression(each, schema, f"{origin}: [gate] slices")
        if isinstance(each, str)
        else each
        for name, each in slices.items()
    }
    return [
        each.cast(pl.String).fill_null("(missing)").alias(SLICE + name)
        for name, each in expressions.items()
    ]


def slice_rows(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, numbers: pl.Series
) -> list[pl.Series]:
    """Give each slice's value for the numbered rows."""
    slices = choose_slices(plan.definition, plan.features, prepared.vocabulary)
    expressions = slice_columns(slices, snapshot.scan().collect_schema(), plan.origin)
    return read_rows(snapshot, numbers, expressions).get_columns() if expressions else []


def read_rows(snapshot: Snapshot, numbers: pl.Series, expressions: list[pl.Expr]) -> pl.DataFrame:
    """Evaluate expressions over the numbered rows of a snapshot, and read little else of it."""
    first, last = cast(int, numbers.min()), cast(int, numbers.max())
    rows = snapshot.scan().slice(first, last - first + 1).select(expressions).collect()
    return rows[numbers - first]


def measure_slices(
    plan: Plan, slices: list[pl.Series], target: Array, predicted: Array
) -> tuple[Slice, ...]:
    """Measure each slice's largest levels that have enough rows to say anything."""
    measured = []
    for column in sorted(slices, key=lambda column: column.name):
        name, counts = column.name.removeprefix(SLICE), column.value_counts()
        largest = counts.sort(["count", column.name], descending=[True, False])
        for level, rows in largest.head(_SLICE_LEVELS).iter_rows():
            if rows >= plan.definition.gate.slice_rows:
                inside = (column == level).to_numpy()
                metrics = measure_rows(plan.definition, target[inside], predicted[inside])
                measured.append(Slice(slice=name, level=level, rows=rows, metrics=metrics))
    return tuple(measured)


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
