"""Coverage: which share of rows prediction intervals hold, as a whole and in slices, and how wide.

Responsible for how sure that is. Not responsible for how far below what was asked for is too far
(the gate and the monitor say that).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from tasks.core.columns import HIGH, LOW, TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.prediction_interval import IntervalModel
from tasks.evaluation.bootstrap import compare_means
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array
from tasks.evaluation.row_groups import group_widely
from tasks.evaluation.slices import list_levels


class Coverage(Frozen):
    """The rows of a slice (all of them where it has no name) that their intervals hold.

    `gain` is by how much more than what was asked for, with its confidence interval.
    """

    slice: str = ""
    level: str = ""
    rows: int
    asked: float
    held: float
    gain: Interval
    width: float

    @property
    def detail(self) -> str:
        gain = self.gain
        return (
            f"{self.held:.1%} of {self.rows:,} rows lie in their interval "
            f"({self.asked + gain.low:.1%} to {self.asked + gain.high:.1%}), {self.asked:.0%} were "
            f"asked for; mean width {self.width:.4g}"
        )

    def is_lost(self, margin: float) -> bool:
        """Tell whether surely fewer rows are held than was asked for, by more than a margin."""
        return self.gain.high < -margin


def add_interval(
    rows: pl.DataFrame, interval: IntervalModel | None, predicted: Array, ends: Sequence[Array]
) -> pl.DataFrame:
    """Add `LOW` and `HIGH` to rows whose ends were predicted, where there is an interval."""
    if interval is None:
        return rows
    low, high = interval.widen(predicted, *ends).T
    return rows.with_columns(pl.Series(LOW, low), pl.Series(HIGH, high))


def measure_coverage(definition: Definition, rows: pl.DataFrame, prefix: str) -> Iterator[Coverage]:
    """Measure rows with `TARGET`, `TIME`, `LOW` and `HIGH`: all, then each slice with rows enough.

    Columns of slices begin with `prefix`. The intervals of slices are sure of all of them at once.
    """
    gate = definition.gate
    if definition.serving.interval is None:
        return
    yield _measure(definition, rows, gate.confidence)
    slices = list_levels(rows, prefix, gate.slice_rows)
    confidence = 1 - (1 - gate.confidence) / max(len(slices), 1)
    for column, level in slices:
        inside = rows.filter(pl.col(column) == level)
        found = _measure(definition, inside, confidence)
        yield found.model_copy(update={"slice": column.removeprefix(prefix), "level": level})


def _measure(definition: Definition, rows: pl.DataFrame, confidence: float) -> Coverage:
    asked = definition.serving.interval
    assert asked is not None, "only intervals have a coverage"
    low, high, target = (rows[name].to_numpy() for name in (LOW, HIGH, TARGET))
    held = ((low <= target) & (target <= high)).astype(np.float64)
    wanted = np.full(len(held), asked)
    groups = group_widely(rows, (wanted, held), definition.training.seed)
    return Coverage(
        rows=len(rows),
        asked=asked,
        held=float(held.mean()),
        gain=compare_means(wanted, held, groups, confidence=confidence),
        width=float((high - low).mean()),
    )
