"""The holdout comparison: quality on served rows with a label, against quality on the holdout.

Quality is lost where it is surely worse than on the holdout (the whole interval, bootstrapped by
days), by more than the gate's margin. Not responsible for how labels came to predictions
(`ground_truth_join`).
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from tasks.core.columns import PREDICTION, TARGET, THRESHOLD, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.bootstrap import (
    compare_apart,
    compare_means_apart,
    group_rows,
    measure_surely,
)
from tasks.evaluation.interval import Interval, describe_gain
from tasks.evaluation.metrics import Array, error_of, measure, row_losses
from tasks.evaluation.row_metrics import loss_metric
from tasks.evaluation.row_values import read_costs
from tasks.evaluation.slices import SLICE
from tasks.preparation.weights import read_weights

_FEWEST_OF_A_CLASS = 20
_SLICE_LEVELS = 20


class HoldoutComparison(Frozen):
    """One metric on served rows whose label is known, and on the holdout.

    `gain` is by how much the rows did better than the holdout, and is below 0 where they did worse.
    `lost` means that all of it lies below `-allowed`. Without `gain`, `reason` says why nothing
    can be said.
    """

    metric: Metric
    rows: int
    value: float | None = None
    holdout: float | None = None
    gain: Interval | None = None
    allowed: float = 0.0
    lost: bool = False
    reason: str = ""

    @property
    def detail(self) -> str:
        if self.gain is None:
            return f"{self.metric} on {self.rows:,} rows says nothing yet: {self.reason}"
        return (
            f"{self.metric} {self.value:.4f} on {self.rows:,} rows against {self.holdout:.4f} on "
            f"the holdout: {describe_gain(self.gain)}; lost if all of that is below "
            f"{-self.allowed:.4f}"
        )


class SliceQuality(Frozen):
    """The quality of the rows in which a slice's expression has one value."""

    slice: str
    level: str
    quality: HoldoutComparison


def judge_quality(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame, metric: Metric | None = None
) -> HoldoutComparison:
    """Compare predictions whose labels are known with those of the holdout.

    Both frames hold a row's `TIME`, `TARGET` and `PREDICTION` (a number, or each class's
    probability); rows without a target are left out. The two are resampled apart, by days.
    """
    chosen, least = metric or definition.metric, definition.monitoring.rows
    sides = [each.drop_nulls([TARGET, PREDICTION]).sort(TIME) for each in (live, holdout)]
    for side, where in zip(sides, ("", " in the holdout"), strict=True):
        if reason := _too_few(definition, side, definition.gate.slice_rows if where else least):
            return HoldoutComparison(metric=chosen, rows=len(sides[0]), reason=reason + where)
    ours, theirs = (measure_rows(definition, side)[chosen] for side in sides)
    gain = compare_apart(
        chosen,
        *(_side(definition, side) for side in sides),
        confidence=definition.gate.confidence,
        threshold=definition.threshold,
        seed=definition.training.seed,
        costs=definition.constant_costs,
        own_loss=definition.own_loss,
    )
    allowed = definition.gate.margin * error_of(chosen, theirs)
    return _conclude(chosen, len(sides[0]), ours, theirs, gain, allowed)


def judge_slices(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame
) -> tuple[SliceQuality, ...]:
    """Compare the loss on each level of the slices (`SLICE` columns) with rows enough.

    Intervals are sure of all of them at once: of many, some look worse by chance alone.
    """
    ours, theirs = (each.drop_nulls([TARGET, PREDICTION]).sort(TIME) for each in (live, holdout))
    found = list(_slices(definition, ours, theirs))
    gate = definition.gate
    confidence = 1 - (1 - gate.confidence) / max(len(found), 1)
    return tuple(
        SliceQuality(
            slice=column.removeprefix(SLICE),
            level=level,
            quality=_judge_slice(
                definition,
                ours.filter(pl.col(column) == level),
                theirs.filter(pl.col(column) == level),
                confidence,
            ),
        )
        for column, level in found
    )


def measure_interval(definition: Definition, rows: pl.DataFrame) -> Interval:
    """Measure rows with a target by the gate's metric, and how sure that is."""
    ordered = rows.sort(TIME)
    return measure_surely(
        definition.metric,
        *_side(definition, ordered),
        confidence=definition.gate.confidence,
        threshold=definition.threshold,
        seed=definition.training.seed,
        costs=definition.constant_costs,
        own_loss=definition.own_loss,
    )


def as_array(predicted: pl.Series) -> Array:
    """Give predictions as numbers, shape (rows,), or (rows, classes) for several classes."""
    if isinstance(predicted.dtype, pl.List):
        return np.array(predicted.to_list(), dtype=np.float64)
    return predicted.to_numpy()


def measure_rows(definition: Definition, rows: pl.DataFrame) -> dict[Metric, float]:
    """Compute every metric of rows with a target; there must be some.

    Rows that carry weights count by them; what was served carries none.
    """
    return measure(
        definition.target.kind,
        rows[TARGET].to_numpy(),
        as_array(rows[PREDICTION]),
        read_threshold(definition, rows),
        read_weights(rows),
        read_costs(definition, rows),
        definition.own_loss,
    )


def read_threshold(definition: Definition, rows: pl.DataFrame) -> float | Array:
    """Give from which probability on an answer was yes: a row's own, or the definition's."""
    return rows[THRESHOLD].to_numpy() if THRESHOLD in rows.columns else definition.threshold


def _slices(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame
) -> Iterable[tuple[str, str]]:
    least = definition.gate.slice_rows
    for column in sorted(name for name in live.columns if name.startswith(SLICE)):
        if column not in holdout.columns:
            continue
        held = dict(holdout[column].value_counts().iter_rows())
        counts = live[column].value_counts().sort(["count", column], descending=[True, False])
        for level, rows in counts.head(_SLICE_LEVELS).iter_rows():
            if level is not None and min(rows, held.get(level, 0)) >= least:
                yield column, level


def _judge_slice(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame, confidence: float
) -> HoldoutComparison:
    metric, own_loss = loss_metric(definition), definition.own_loss
    sides = []
    for target, predicted, groups in (_side(definition, side) for side in (live, holdout)):
        sides.append((row_losses(metric, target, predicted, own_loss=own_loss), groups))
    gain = compare_means_apart(*sides, confidence=confidence)
    ours, theirs = (float(losses.mean()) for losses, _ in sides)
    return _conclude(metric, len(live), ours, theirs, gain, definition.gate.slice_margin * theirs)


def _side(definition: Definition, rows: pl.DataFrame) -> tuple[Array, Array, Array]:
    groups = group_rows(rows[TIME], definition.training.seed)
    return rows[TARGET].to_numpy(), as_array(rows[PREDICTION]), groups


def _conclude(
    metric: Metric, rows: int, ours: float, theirs: float, gain: Interval, allowed: float
) -> HoldoutComparison:
    return HoldoutComparison(
        metric=metric,
        rows=rows,
        value=ours,
        holdout=theirs,
        gain=gain,
        allowed=allowed,
        lost=gain.high < -allowed,
    )


def _too_few(definition: Definition, rows: pl.DataFrame, least: int) -> str:
    """Say why rows are too few to be judged, or nothing where they are enough."""
    if len(rows) < least:
        return f"{least:,} rows with a label are needed"
    if definition.target.kind == "binary":
        positive = int(rows[TARGET].sum())
        if min(positive, len(rows) - positive) < _FEWEST_OF_A_CLASS:
            return f"{_FEWEST_OF_A_CLASS} rows of each class are needed"
    return ""
