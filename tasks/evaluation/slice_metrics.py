"""What a model is worth on each slice, with intervals of the whole and of the weakest slices.

Responsible for which levels are measured, and how surely. Not responsible for which rows a slice
has (`slices`), nor for whether that is good enough (`validation`).
"""

import polars as pl
from pydantic import Field

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array
from tasks.evaluation.row_metrics import measure_rows, measure_rows_surely
from tasks.evaluation.slices import SLICE, SLICE_LEVELS

MOST_BOUNDED = 24  # an interval takes some .05 s, and hundreds of slices are not read one by one
FEWEST_ROWS = 20  # fewer have no spread to judge by
FEWEST_OF_A_CLASS = 10  # a slice without a positive has no recall


class Slice(Frozen):
    """The metrics of the rows in which a slice's expression has one value.

    `interval` is of the gate's metric, each slice by itself; None of a slice that is not among the
    weakest, or whose rarer class is too rare.
    """

    slice: str
    level: str
    rows: int
    metrics: dict[Metric, float]
    interval: Interval | None = Field(default=None, exclude_if=lambda found: found is None)


def measure_slices(
    definition: Definition, slices: list[pl.Series], rows: pl.DataFrame, predicted: Array
) -> tuple[Slice, ...]:
    """Measure each slice's largest levels that have enough rows to say anything."""
    measured, where = list[Slice](), list[pl.Series]()
    for column in sorted(slices, key=lambda column: column.name):
        if not column.name.startswith(SLICE):
            continue
        name, counts = column.name.removeprefix(SLICE), column.value_counts()
        largest = counts.sort(["count", column.name], descending=[True, False])
        for level, count in largest.head(SLICE_LEVELS).iter_rows():
            if count >= definition.gate.slice_rows:
                inside = column == level
                inner = predicted[inside.to_numpy()]
                metrics = measure_rows(definition, rows.filter(inside), inner)
                measured.append(Slice(slice=name, level=level, rows=count, metrics=metrics))
                where.append(inside)
    return _bound_weakest(definition, measured, where, rows, predicted)


def order_slices(metric: Metric, slices: tuple[Slice, ...] | list[Slice]) -> list[int]:
    """Give the places of slices in the order of a metric, the weakest first."""
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    return sorted(range(len(slices)), key=lambda place: sign * slices[place].metrics[metric])


def bound_metric(definition: Definition, rows: pl.DataFrame, predicted: Array) -> Interval | None:
    """Bound the gate's metric of rows; None of too few, or of too few of a class."""
    if len(rows) < FEWEST_ROWS or not has_both_classes(definition, rows):
        return None
    return measure_rows_surely(definition, definition.metric, rows, predicted)


def has_both_classes(definition: Definition, rows: pl.DataFrame) -> bool:
    """Tell whether rows hold enough of each class of a binary target to be judged by them."""
    positive = rows[TARGET].sum()
    binary = definition.target.kind == "binary"
    return not binary or min(positive, len(rows) - positive) >= FEWEST_OF_A_CLASS


def _bound_weakest(
    definition: Definition,
    measured: list[Slice],
    where: list[pl.Series],
    rows: pl.DataFrame,
    predicted: Array,
) -> tuple[Slice, ...]:
    found = list(measured)
    for place in order_slices(definition.metric, measured)[:MOST_BOUNDED]:
        inside = where[place]
        interval = bound_metric(definition, rows.filter(inside), predicted[inside.to_numpy()])
        found[place] = measured[place].model_copy(update={"interval": interval})
    return tuple(found)
