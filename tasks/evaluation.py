"""Step 5, evaluation: models on the holdout, measured beside a baseline and a simple model.

Owns what is measured and on which rows. Refuses to say whether it is good enough: the gate does.
"""

import logging
from pathlib import Path

import numpy as np
import polars as pl
from lightgbm import Booster
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.definition import Frozen, Metric
from tasks.extraction import Snapshot
from tasks.features import compile_expression
from tasks.metrics import Array, measure
from tasks.plan import Plan
from tasks.preparation import PART, ROW, TARGET, TIME, Part, Prepared
from tasks.store import reaching
from tasks.training import Trained, model_input, read_model

log = logging.getLogger("perennial.evaluation")

_BINS = 10
_CURVE_POINTS = 100
_TRAIN_ROWS = 100_000
_CONTRIBUTION_ROWS = 2_000
_SLICE_LEVELS = 20
SLICE = "slice:"  # what the columns of a slice begin with in scored rows
_META = (ROW, TIME, TARGET, PART)


class Bin(Frozen):
    """Rows of near predictions: how many, the mean prediction and what came true."""

    rows: int
    predicted: float
    observed: float


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
    """What the evaluated twin is worth. `curves` holds named series of points for plots."""

    rows: int
    metrics: dict[str, dict[Metric, float]]
    baseline: dict[Metric, float]
    simple: dict[Metric, float]
    calibration: tuple[Bin, ...]
    calibration_error: float
    slices: tuple[Slice, ...]
    importance: tuple[Importance, ...]
    curves: dict[str, dict[str, tuple[float, ...]]]


class Scored(Frozen):
    """Holdout rows in one local file: number, time, target, predictions and slices."""

    path: Path

    def read(self) -> pl.DataFrame:
        return pl.read_ipc(self.path)


def evaluate_models(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, trained: Trained, folder: Path
) -> tuple[Evaluation, Scored]:
    """Score the holdout once, measure, and keep the scores for the gate."""
    kind, threshold = plan.definition.target.kind, plan.definition.serving.threshold
    twin = read_model(trained.twin.read_text())
    rows = prepared.scan(Part.HOLDOUT).collect()
    target = rows[TARGET].to_numpy()
    predicted = predict(twin, rows)
    others = {
        "baseline": predict_baseline(plan, prepared, len(rows)),
        "simple": predict(read_model(trained.simple.read_text()), rows),
    }
    seen = sample_training(prepared)
    metrics = {
        "holdout": measure(kind, target, predicted, threshold),
        "train": measure(kind, seen[TARGET].to_numpy(), predict(twin, seen), threshold),
    }
    slices = slice_rows(plan, snapshot, prepared, rows[ROW])
    scored = rows.select(ROW, TIME, TARGET).with_columns(
        *(as_column(name, values) for name, values in {"predicted": predicted, **others}.items()),
        *slices,
    )
    evaluation = Evaluation(
        rows=len(rows),
        metrics=metrics,
        **{name: measure(kind, target, values, threshold) for name, values in others.items()},
        calibration=calibrate(target, predicted),
        calibration_error=calibration_error(target, predicted, kind == "regression"),
        slices=measure_slices(plan, slices, target, predicted),
        importance=rank_features(plan, twin, rows),
        curves=draw_curves(plan, trained, target, predicted),
    )
    path = folder / "scored.arrow"
    with reaching(str(path)):
        scored.write_ipc(path)
    return evaluation, Scored(path=path)


def predict(booster: Booster, rows: pl.DataFrame) -> Array:
    """Predict numbered rows: probabilities (of 1, or of each class) or values."""
    features = rows.drop(*_META, strict=False)
    predicted: Array = np.asarray(booster.predict(model_input(features)))
    return predicted


def predict_baseline(plan: Plan, prepared: Prepared, rows: int) -> Array:
    """Predict for every row what training rows say on the whole: class shares or the mean."""
    target = prepared.scan(Part.FIT, Part.STOP).select(TARGET)
    if plan.definition.target.kind != "multiclass":
        return np.full(rows, target.mean().collect().item())
    classes = target.collect()[TARGET].to_numpy().astype(np.int64)
    shares = np.bincount(classes, minlength=len(prepared.vocabulary.classes)) / len(classes)
    return np.tile(shares, (rows, 1))


def sample_training(prepared: Prepared) -> pl.DataFrame:
    """Read training rows evenly, at most as many as train metrics need."""
    step = max(1, (prepared.rows["fit"] + prepared.rows["stop"]) // _TRAIN_ROWS)
    return prepared.scan(Part.FIT, Part.STOP).gather_every(step).collect()


def slice_rows(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, numbers: pl.Series
) -> list[pl.Series]:
    """Give each slice's value for these rows as text: those asked for, or the small categories."""
    schema = snapshot.scan().collect_schema()
    small = {
        name: plan.features.expressions[name]
        for name, levels in prepared.vocabulary.categories.items()
        if 2 <= len(levels) <= _SLICE_LEVELS
    }
    asked = plan.definition.gate.slices
    given = small if asked is None else {sql: sql for sql in asked}
    expressions = [
        compile_expression(sql, schema, f"{plan.origin}: [gate] slices")
        .cast(pl.String)
        .fill_null("(missing)")
        .alias(SLICE + name)
        for name, sql in given.items()
    ]
    if not expressions:
        return []
    return snapshot.scan().select(expressions).collect()[numbers].get_columns()


def measure_slices(
    plan: Plan, slices: list[pl.Series], target: Array, predicted: Array
) -> tuple[Slice, ...]:
    """Measure each slice's largest levels that have enough rows to say anything."""
    measured = []
    for column in slices:
        for level, rows in column.value_counts(sort=True).head(_SLICE_LEVELS).iter_rows():
            if rows >= plan.definition.gate.slice_rows:
                inside = (column == level).to_numpy()
                metrics = measure(
                    plan.definition.target.kind,
                    target[inside],
                    predicted[inside],
                    plan.definition.serving.threshold,
                )
                name = column.name.removeprefix(SLICE)
                measured.append(Slice(slice=name, level=level, rows=rows, metrics=metrics))
    return tuple(sorted(measured, key=lambda each: (each.slice, -each.rows, each.level)))


def calibrate(target: Array, predicted: Array) -> tuple[Bin, ...]:
    """Group rows by prediction into tenths and set what was predicted against what came true.

    For several classes, the prediction is the likeliest class's and it came true if it was right.
    """
    if predicted.ndim == 2:
        target, predicted = predicted.argmax(axis=1) == target, predicted.max(axis=1)
    groups = np.array_split(np.argsort(predicted, kind="stable"), min(_BINS, len(target)))
    return tuple(
        Bin(rows=len(g), predicted=float(predicted[g].mean()), observed=float(target[g].mean()))
        for g in groups
    )


def calibration_error(target: Array, predicted: Array, in_deviations: bool) -> float:
    """Average the gap between predicted and observed; in the target's deviations for values."""
    bins = calibrate(target, predicted)
    error = sum(each.rows * abs(each.predicted - each.observed) for each in bins) / len(target)
    spread = float(target.std()) if in_deviations else 1.0
    return error / spread if spread else 0.0


def rank_features(plan: Plan, booster: Booster, rows: pl.DataFrame) -> tuple[Importance, ...]:
    """Rank features by LightGBM's own contributions (tree SHAP) on an even sample of rows."""
    sample = rows.gather_every(max(1, len(rows) // _CONTRIBUTION_ROWS)).drop(*_META)
    names = list(plan.features.expressions)
    parts = np.asarray(booster.predict(model_input(sample), pred_contrib=True))
    by_class = parts.reshape(len(sample), -1, len(names) + 1)[:, :, :-1]  # the last is the bias
    means = np.abs(by_class).mean(axis=(0, 1))
    total = float(means.sum()) or 1.0
    ranked = sorted(zip(names, means.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Importance(feature=name, contribution=mean, share=mean / total) for name, mean in ranked
    )


def draw_curves(
    plan: Plan, trained: Trained, target: Array, predicted: Array
) -> dict[str, dict[str, tuple[float, ...]]]:
    """Give the points of the plots that fit the target, few enough to be kept as JSON."""
    curves: dict[str, dict[str, tuple[float, ...]]] = {}
    if trained.curve:
        rounds = np.unique(np.linspace(0, len(trained.curve) - 1, _CURVE_POINTS).astype(int))
        curves["learning"] = _points(round=rounds + 1, loss=np.array(trained.curve)[rounds])
    if plan.definition.target.kind == "binary":
        order = np.argsort(-predicted, kind="stable")
        hits = np.cumsum(target[order])
        told = np.arange(1, len(order) + 1)
        at = np.unique(np.linspace(0, len(order) - 1, _CURVE_POINTS).astype(int))
        recall, misses = hits[at] / hits[-1], told[at] - hits[at]
        curves["roc"] = _points(
            false_positive_rate=misses / (len(order) - hits[-1]), true_positive_rate=recall
        )
        curves["precision_recall"] = _points(recall=recall, precision=hits[at] / told[at])
    if plan.definition.target.kind == "regression":
        groups = np.array_split(np.argsort(predicted, kind="stable"), 2 * _BINS)
        residuals = [target[group] - predicted[group] for group in groups if len(group)]
        curves["residuals"] = _points(
            predicted=np.array([predicted[group].mean() for group in groups if len(group)]),
            **{
                f"q{share}": np.array([np.quantile(each, share / 100) for each in residuals])
                for share in (10, 25, 50, 75, 90)
            },
        )
    return curves


def as_column(name: str, values: Array) -> pl.Series:
    return pl.Series(
        name,
        values,
        dtype=pl.Array(pl.Float64, values.shape[1:]) if values.ndim == 2 else pl.Float64,
    )


def _points(**series: Array) -> dict[str, tuple[float, ...]]:
    return {name: tuple(values.astype(float).tolist()) for name, values in series.items()}


@task(name="evaluation", cache_policy=NO_CACHE)
def evaluate(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, trained: Trained, folder: Path
) -> tuple[Evaluation, Scored]:
    """Measure the evaluated twin on the holdout, beside the baseline and the simple model."""
    evaluation, scored = evaluate_models(plan, snapshot, prepared, trained, folder)
    numbers = ", ".join(
        f"{name} {value:.4f}" for name, value in evaluation.metrics["holdout"].items()
    )
    log.info("holdout %s", numbers)
    return evaluation, scored
