"""A summary says of each column what applies to it, and nothing else."""

import polars as pl
import pytest

from tasks.analysis.column_summary import QUANTILES, TOP_VALUES, summarise
from tasks.analysis.profile import profile_table

ROWS = pl.DataFrame({"n": range(101), "c": ["a"] * 60 + ["b"] * 41, "l": [[1]] * 101})


def test_number_has_moments_and_quantiles() -> None:
    column = summarise(profile_table(ROWS.lazy()))["n"]
    assert (column.distinct, column.mean, column.min, column.max) == (101, 50, 0, 100)
    assert column.std == pytest.approx(ROWS["n"].std())
    assert column.quantiles == {percent: pytest.approx(percent, abs=1) for percent in QUANTILES}
    assert len(column.top) == TOP_VALUES


def test_category_has_its_levels_and_a_list_has_neither() -> None:
    columns = summarise(profile_table(ROWS.lazy()))
    assert [(top.value, top.count) for top in columns["c"].top] == [("a", 60), ("b", 41)]
    assert (columns["c"].mean, columns["c"].quantiles) == (None, None)
    assert (columns["l"].distinct, columns["l"].top) == (None, ())


def test_one_value_has_a_mean_and_no_spread() -> None:
    column = summarise(profile_table(pl.LazyFrame({"x": [3.0, None]})))["x"]
    assert (column.mean, column.std, column.nulls) == (3.0, None, 1)
