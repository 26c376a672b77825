"""Slices with their intervals: the gate's own, of the weakest, and of none that has no spread."""

import numpy as np
import polars as pl
from scored import definition_of

from tasks.core.columns import TARGET, TIME
from tasks.evaluation.slice_metrics import (
    MOST_BOUNDED,
    bound_metric,
    measure_slices,
    order_slices,
)
from tasks.evaluation.slices import SLICE

COUNT = 3_000
RNG = np.random.default_rng(1)
TARGETS = (RNG.random(COUNT) < 0.4).astype(float)
ROWS = pl.DataFrame({TARGET: TARGETS, TIME: pl.Series([None] * COUNT, dtype=pl.Datetime)})
PREDICTED = np.clip(RNG.normal(0.4, 0.2, COUNT) + 0.1 * TARGETS, 0.01, 0.99)
MANY = [
    pl.Series(f"{SLICE}{name}", RNG.integers(0, levels, COUNT)).cast(pl.String)
    for name, levels in {"a": 12, "b": 14, "c": 3}.items()
]


def test_the_weakest_slices_have_an_interval_around_their_value() -> None:
    definition = definition_of(gate="slice_rows = 20")
    found = measure_slices(definition, MANY, ROWS, PREDICTED)
    ranked = [found[place] for place in order_slices("auc", found)]
    assert len(ranked) == 29
    assert all(each.interval for each in ranked[:MOST_BOUNDED])
    assert not any(each.interval for each in ranked[MOST_BOUNDED:])
    for each in ranked[:MOST_BOUNDED]:
        assert each.interval is not None
        assert each.interval.value == each.metrics["auc"]
        assert each.interval.low < each.interval.value < each.interval.high


def test_an_older_evaluation_is_read_and_written_as_it_was() -> None:
    definition = definition_of(gate="slice_rows = 20")
    (first, *_) = measure_slices(definition, MANY, ROWS, PREDICTED)
    older = first.model_copy(update={"interval": None})
    assert "interval" not in older.model_dump_json()
    assert type(first).model_validate_json(older.model_dump_json()) == older


def test_rows_without_both_classes_or_too_few_have_no_interval() -> None:
    definition = definition_of()
    one = ROWS.with_columns(pl.lit(0.0).alias(TARGET))
    assert bound_metric(definition, one, PREDICTED) is None
    assert bound_metric(definition, ROWS[:12], PREDICTED[:12]) is None
    assert bound_metric(definition, ROWS, PREDICTED) is not None
