"""Simple expressions become Python source; what Python would do otherwise is left to Polars."""

import polars as pl
import pytest

from bentos.expression_translator import ExpressionTranslator, Unknown, read_tree

SCHEMA = {
    "n": pl.Int8(), "x": pl.Float64(), "s": pl.Float32(), "w": pl.String(),
    "t": pl.Datetime("us", "UTC"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "source"),
    [
        ("n", "(nan if c0 is None else c0)"),
        ("x * 2", "(nan if c1 is None else finite((c1 * (2))))"),
        ("n / n", "(nan if c0 is None or c0 == 0 else finite((float(c0) / float(c0))))"),
        ("DATE_PART('hour', t)", "(nan if c4 is None else utc(c4).hour)"),
    ],
)
def test_a_feature_is_nan_where_a_column_is_missing_or_divides_by_zero(
    sql: str, source: str
) -> None:
    assert ExpressionTranslator(SCHEMA).number(read_tree(pl.sql_expr(sql))) == source


def test_columns_of_32_bits_are_found_by_their_place() -> None:
    trees = [read_tree(pl.sql_expr(sql)) for sql in ("x", "s", "n + n")]
    assert ExpressionTranslator(SCHEMA).find_singles(trees) == [1]


def test_only_a_column_of_text_is_a_category() -> None:
    translator = ExpressionTranslator(SCHEMA)
    assert translator.text_column(read_tree(pl.sql_expr("w"))) == "c3"
    with pytest.raises(Unknown):
        translator.text_column(read_tree(pl.sql_expr("n")))


@pytest.mark.parametrize(
    "expression",
    [
        pl.when(pl.col("n") > 1).then(2).otherwise(3),
        pl.col("x").round(1).clip(0, 1),
        pl.col("w").str.len_chars(),
        pl.col("n").is_in([1, 2]),
        pl.col("n").cast(pl.Float64),
        (pl.col("t") - pl.col("t")).dt.total_days(),
        pl.lit("text"),
    ],
    ids=str,
)
def test_what_python_gave_and_nobody_translates_is_left_to_polars(expression: pl.Expr) -> None:
    with pytest.raises(Unknown):
        ExpressionTranslator(SCHEMA).number(read_tree(expression))
