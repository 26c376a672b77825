"""Facts of a column are exact, and merge exactly."""

import math
from datetime import date, timedelta

import polars as pl
import pytest

from tasks.analysis.column_facts import (
    ColumnFacts,
    ProfileError,
    as_numbers,
    kind_of,
    merge_facts,
    split_finite,
)

SOME = ColumnFacts(dtype="Int64", kind="number", rows=4, nulls=1, min=-(2**63), max=2)
MORE = ColumnFacts(dtype="Int64", kind="number", rows=2, nulls=0, infinite=1, min=3, max=2**63 - 1)


def test_counts_add_up_and_limits_widen() -> None:
    merged = merge_facts("x", SOME, MORE)
    assert (merged.rows, merged.nulls, merged.infinite, merged.values) == (6, 1, 1, 4)
    assert (merged.min, merged.max) == (-(2**63), 2**63 - 1)
    assert merged.null_share == pytest.approx(1 / 6)


def test_column_without_a_value_takes_the_other_s_type_and_no_other_does() -> None:
    empty = ColumnFacts(dtype="Null", kind="other", rows=3, nulls=3)
    assert merge_facts("x", empty, SOME) == merge_facts("x", SOME, empty)
    assert merge_facts("x", empty, SOME).dtype == "Int64"
    with pytest.raises(ProfileError, match="column 'x' is Int64 in one profile and String in"):
        merge_facts("x", SOME, ColumnFacts(dtype="String", kind="category", rows=1, nulls=0))


def test_times_become_seconds_and_whole_numbers_stay_whole() -> None:
    assert as_numbers(pl.Series([date(1970, 1, 2)])).to_list() == [86_400]
    assert as_numbers(pl.Series([timedelta(milliseconds=1500)])).to_list() == [1.5]
    assert as_numbers(pl.Series([2**63 - 1])).to_list() == [2**63 - 1]
    kinds = [kind_of(dtype) for dtype in (pl.Date(), pl.Boolean(), pl.List(pl.Int64))]
    assert kinds == ["number", "category", "other"]


def test_nan_and_infinity_are_counted_and_left_out() -> None:
    counts, finite = split_finite(pl.Series([1.0, math.nan, math.inf, -math.inf]))
    assert counts == {"nans": 1, "infinite": 2}
    assert finite.to_list() == [1.0]
