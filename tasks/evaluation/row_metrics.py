"""Metrics of rows by what a definition says of them: its threshold, weights, costs and own loss.

Responsible for one way to measure rows, with and without an interval. Not responsible for the
metrics themselves (`metrics`), nor for what resampling does (`bootstrap`).
"""

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition
from tasks.core.model_sections import Metric
from tasks.evaluation.bootstrap import measure_surely
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import LOSSES, Array, measure, row_losses
from tasks.evaluation.row_groups import group_widely
from tasks.evaluation.row_values import read_costs
from tasks.preparation.weights import read_weights


def measure_rows(
    definition: Definition, rows: pl.DataFrame, predicted: Array
) -> dict[Metric, float]:
    """Compute every metric that fits the definition, by its threshold, of rows with a target."""
    return measure(
        definition.target.kind,
        rows[TARGET].to_numpy(),
        predicted,
        definition.threshold,
        read_weights(rows),
        read_costs(definition, rows),
        definition.own_loss,
    )


def measure_rows_surely(
    definition: Definition,
    metric: Metric,
    rows: pl.DataFrame,
    predicted: Array,
    confidence: float | None = None,
) -> Interval:
    """Compute one metric with its interval; left out, `confidence` is the gate's."""
    return measure_surely(
        metric,
        rows[TARGET].to_numpy(),
        predicted,
        group_by_loss(definition, rows, predicted),
        confidence=confidence or definition.gate.confidence,
        threshold=definition.threshold,
        seed=definition.training.seed,
        weights=read_weights(rows),
        costs=read_costs(definition, rows),
        own_loss=definition.own_loss,
    )


def group_by_loss(definition: Definition, rows: pl.DataFrame, predicted: Array) -> Array:
    """Group rows for a resample of one model, as its loss hangs on their time or entity."""
    target, own_loss = rows[TARGET].to_numpy(), definition.own_loss
    losses = row_losses(loss_metric(definition), target, predicted, own_loss=own_loss)
    return group_widely(rows, (np.zeros(len(losses)), losses), definition.training.seed)


def loss_metric(definition: Definition) -> Metric:
    """Name the metric that is a mean loss over rows: slices can be compared by it."""
    return definition.own_loss.metric if definition.own_loss else LOSSES[definition.target.kind]
