"""Coverage is the share of rows in their interval, with an interval of its own."""

import numpy as np
import polars as pl
import pytest
from scored import START

from tasks.core.columns import HIGH, LOW, TARGET, TIME
from tasks.core.definition import parse_definition
from tasks.evaluation.coverage import measure_coverage

DEFINITION = parse_definition(
    "name = 'm'\nsources.s = 's.parquet'\ntarget = { value = 'y', kind = 'regression' }\n"
    "serving.interval = 0.9",
    "m.toml",
)


def make_intervals(rows: int = 4_000, reach: float = 1.6449, seed: int = 1) -> pl.DataFrame:
    """Make rows of a standard normal whose interval reaches so far, and a slice that has less."""
    target = np.random.default_rng(seed).normal(size=rows)
    often = np.arange(rows) % 4 == 0
    return pl.DataFrame(
        {
            TIME: [START] * rows,
            TARGET: target * np.where(often, 1.5, 1.0),
            LOW: np.full(rows, -reach),
            HIGH: np.full(rows, reach),
            "slice:kind": np.where(often, "wild", "calm"),
            "slice:few": np.where(np.arange(rows) < 199, "few", "many"),
        }
    ).with_columns(pl.col(TIME) + pl.duration(minutes=29 * pl.int_range(pl.len())))


def test_whole_and_slices_are_measured_where_there_are_rows_enough() -> None:
    rows = make_intervals()
    whole, *slices = measure_coverage(DEFINITION, rows, "slice:")
    inside = (rows[TARGET].abs() <= 1.6449).mean()
    assert (whole.held, whole.width, whole.rows) == (pytest.approx(inside), 2 * 1.6449, 4_000)
    assert whole.gain.value == pytest.approx(inside - 0.9)  # type: ignore[operator]
    assert whole.gain.low < whole.gain.value < whole.gain.high
    assert [(each.slice, each.level) for each in slices] == [
        ("few", "many"),
        ("kind", "calm"),
        ("kind", "wild"),
    ]
    assert slices[2].is_lost(0.02)
    assert not slices[1].is_lost(0.0)
    assert "% of 4,000 rows lie in their interval (" in whole.detail


def test_interval_of_the_coverage_holds_the_truth_as_often_as_it_says() -> None:
    hits = []
    for seed in range(200):
        calm = make_intervals(1_000, seed=seed).filter(pl.col("slice:kind") == "calm")
        (whole,) = measure_coverage(DEFINITION, calm, "no such slice")
        hits.append(whole.gain.low <= 0 <= whole.gain.high)
    assert np.mean(hits) > 0.9
