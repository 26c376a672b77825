"""Computing again tells whether a row's value depends on other rows."""

from datetime import datetime

import polars as pl
import pytest

from tasks.core.recomputing import depends_on_other_rows, make_up_rows

X, K = pl.col("x"), pl.col("k")
SCHEMA = pl.Schema({"x": pl.Float64(), "k": pl.Int64(), "t": pl.Datetime("us"), "s": pl.String()})


@pytest.mark.parametrize(
    "expression",
    [
        X - X.mean(),
        K.shift(1),
        K.cum_sum(),
        K.rank(),
        X.fill_null(strategy="forward"),
        K.sum().over("s"),
        K.is_duplicated(),
        K.reverse(),
    ],
)
def test_values_that_other_rows_change_are_found(expression: pl.Expr) -> None:
    rows = make_up_rows(SCHEMA, expression.meta.root_names())
    assert depends_on_other_rows(expression, rows)


@pytest.mark.parametrize(
    "expression",
    [X / 7, K // 2, pl.col("s").str.len_chars(), pl.col("t").dt.hour(), X.fill_null(0), pl.lit(1)],
)
def test_values_of_a_row_alone_are_not(expression: pl.Expr) -> None:
    rows = make_up_rows(SCHEMA, expression.meta.root_names())
    assert not depends_on_other_rows(expression, rows)


def test_rows_made_up_repeat_some_values_and_lack_others() -> None:
    rows = make_up_rows(SCHEMA, ["k", "t", "k"])
    assert rows["k"].to_list() == [3, 1, 4, 1, 5, 9, None]
    assert rows["t"][0] == datetime(2020, 1, 1)


def test_what_cannot_be_computed_on_made_up_text_is_left_to_the_data() -> None:
    day = pl.col("s").str.to_date("%Y-%m-%d")
    assert not depends_on_other_rows(day, make_up_rows(SCHEMA, ["s"]))
