"""Rolling-origin evaluation: how a metric spreads over time, within the training window.

The newer half of the window is cut into folds; each is judged by a model of what was known before
it began (Tashman 2000). Rounds and parameters are those of the candidate, and the holdout is never
read. Each fold costs at most what the candidate's own fit does. Not responsible for whether the
spread is good enough: the gate is.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from polars.selectors import by_name

from tasks.core.columns import GROUP, ROW, TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DataRefused
from tasks.core.model_sections import Metric
from tasks.core.pinball import rearrange
from tasks.core.progress import tell_progress
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array
from tasks.evaluation.recalibrate import Recalibrated, apply_chosen
from tasks.evaluation.row_metrics import measure_rows, measure_rows_surely
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import counted_columns
from tasks.training.datasets import model_input, open_bins, take_rows
from tasks.training.residuals import cut_forward
from tasks.training.train import Trained, grow_here

log = logging.getLogger("perennial.evaluation")

_FIRST = 0.5  # of the window, that the first fold learns from
_FOLD_ROWS = 50
_TRAINING = (SplitRole.FIT, SplitRole.STOP)


class Fold(Frozen):
    """One stretch of time, and what a model of all that was known before it is worth there.

    `interval` is of the gate's metric, sure of all folds at once.
    """

    start: datetime
    end: datetime
    learned: int
    rows: int
    metrics: dict[Metric, float]
    interval: Interval


def judge_folds(
    plan: Plan, prepared: Prepared, trained: Trained, recalibrated: Recalibrated | None = None
) -> tuple[Fold, ...]:
    """Train on what was before each fold, and measure on it; nothing without [training] folds.

    Each is recalibrated as the candidate is: a threshold that was chosen is for such probabilities.
    """
    count = plan.definition.training.folds
    if count is None:
        return ()
    told = by_name(TIME, TARGET, GROUP, *counted_columns(plan), require_all=False)
    rows = prepared.scan(*_TRAINING).select(told).collect()
    sides = cut_folds(plan, rows, count)
    data = open_bins(plan, prepared, trained.params, *_TRAINING)
    definition = plan.definition
    models = []
    for learned, _ in sides:
        rows_of = take_rows(data, learned)
        models.append(grow_here(definition, trained.params, rows_of, trained.rounds))
        tell_progress("folds", "fold", len(models), count)
    predicted = [list[Array]() for _ in models]
    start = 0
    for frame in prepared.batches((ROW, *plan.features.expressions), *_TRAINING):
        for model, (_, judged), found in zip(models, sides, predicted, strict=True):
            inside = frame.filter(pl.Series(judged[start : start + len(frame)])).drop(ROW)
            if len(inside):
                found.append(np.asarray(model.predict(model_input(inside))))
        start += len(frame)
    return tuple(
        _measure_fold(
            definition,
            rows,
            learned,
            judged,
            apply_chosen(recalibrated, rearrange(definition.pinball, np.concatenate(found))),
            count,
        )
        for (learned, judged), found in zip(sides, predicted, strict=True)
    )


def cut_folds(plan: Plan, rows: pl.DataFrame, count: int) -> list[tuple[Array, Array]]:
    """Say of each fold which rows it learns from and which it judges; no group is on both sides."""
    turns: Any = rows[GROUP].to_numpy() % count if GROUP in rows.columns else None
    sides = []
    for turn, (learned, judged) in enumerate(cut_forward(plan, rows[TIME], _FIRST, count)):
        if turns is not None:
            learned &= turns != turn
            judged &= turns == turn
        if min(learned.sum(), judged.sum()) < _FOLD_ROWS:
            raise DataRefused(
                f"{plan.origin}: [training] folds = {count}: fold {turn + 1} has "
                f"{learned.sum():,} rows to learn from and {judged.sum():,} to judge, and "
                f"{_FOLD_ROWS} of each are needed; ask for fewer folds, or give more history"
            )
        sides.append((learned, judged))
    return sides


def describe_folds(
    metric: Metric, folds: tuple[Fold, ...], recalibrated: Recalibrated | None = None
) -> Iterator[str]:
    """Say how the metric spreads over the folds, and what newer rows have taught them."""
    values = [each.metrics[metric] for each in folds]
    taught = ""
    if recalibrated is not None and recalibrated.chosen is not None:
        taught = "; all have the candidate's recalibration, which newer rows taught"
    if values:
        yield (
            f"over {len(values)} folds in time, {metric} is {min(values):.4f} to "
            f"{max(values):.4f}, {np.mean(values):.4f} on average (standard deviation "
            f"{np.std(values, ddof=1):.4f}); {len(values)} more models were trained for it{taught}"
        )


def _measure_fold(
    definition: Definition,
    rows: pl.DataFrame,
    learned: Array,
    judged: Array,
    predicted: Array,
    count: int,
) -> Fold:
    inside = rows.filter(pl.Series(judged))
    sure = 1 - (1 - definition.gate.confidence) / count
    first, last = inside[TIME].min(), inside[TIME].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return Fold(
        start=first,
        end=last,
        learned=int(learned.sum()),
        rows=len(inside),
        metrics=measure_rows(definition, inside, predicted),
        interval=measure_rows_surely(definition, definition.metric, inside, predicted, sure),
    )
