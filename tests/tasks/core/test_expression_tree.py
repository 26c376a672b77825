"""An expression in JSON is read back if it looks at one row alone and carries no code."""

import json

import polars as pl
import pytest

from tasks.core.expression_tree import UnfitExpression, read_expression

A, B, S, T = pl.col("a"), pl.col("b"), pl.col("s"), pl.col("t")
ROWS = pl.DataFrame(
    {"a": [1, -2, None], "b": [2.5, 0.0, -1.0], "s": ["ab c", "x", None], "l": [[1], [2, 3], None]}
).with_columns(pl.datetime(2020, 1, pl.col("a").abs().fill_null(3)).alias("t"))
FIT = [
    A * 2 + B / 3 - A % 2,
    (A > 1) & ~(B < 0) | A.is_null(),
    pl.when(A > 1).then(2).otherwise(B.abs().log1p()),
    A.clip(0, 1).cast(pl.Float64).round(1),
    B.sqrt() + B.exp() + B.sin() + B.floor() + B.ceil() + B.sign() + B.log(10) + B**2,
    A.is_in([1, 2]) | A.is_between(0, 3),
    A.fill_null(0) + pl.coalesce(A, B),
    pl.max_horizontal(A, B) - pl.min_horizontal(A, B) + pl.sum_horizontal(A, B),
    pl.any_horizontal(A > 1, B > 1),
    S.replace_strict({"x": 1}, default=0) + A.replace({1: 2}),
    S.str.to_lowercase() + S.str.slice(0, 1) + pl.lit("!"),
    S.str.contains("a") | S.str.starts_with("x"),
    S.str.len_chars() + S.str.split(" ").list.len(),
    S.str.to_date("%Y-%m-%d", strict=False).dt.year(),
    pl.concat_str(S, S, separator="-"),
    pl.col("l").list.sum() + pl.col("l").list.get(0, null_on_oob=True),
    T.dt.hour() + T.dt.weekday() + T.dt.offset_by("1d").dt.day(),
    (T - pl.datetime(2020, 1, 1)).dt.total_days(),
    pl.sql_expr("CASE WHEN a > 1 THEN ROUND(b, 1) ELSE COALESCE(b, 0) * 2 END"),
    B.is_finite() & B.is_not_nan(),
    pl.lit(5),
]
UNFIT = [
    (A - A.mean(), "is an aggregate"),
    (A.sum().over("s"), "is a window function"),
    (A.rolling_mean(3), "is a window function"),
    (A.shift(), "uses shift, which is not known to look at one row alone"),
    (A.cum_sum() * 2, "uses cum_sum"),
    (A.fill_null(strategy="forward"), "uses fill_null_with_strategy"),
    (A.rank(), "uses rank"),
    (A.is_unique(), "uses is_unique"),
    (A.shuffle(), "draws at random"),
    (A.sample(2), "draws at random"),
    (pl.col("l").list.sample(1), "draws at random"),
    (pl.int_range(pl.len()), "uses range"),
    (pl.len(), "counts the rows"),
    (A.map_elements(lambda value: value, return_dtype=pl.Int64), "calls Python"),
    (A.map_batches(lambda values: values), "calls Python"),
    (pl.fold(0, lambda x, y: x + y, [A, B]), "calls Python|uses fold"),
    (pl.lit(pl.Series([1, 2])), "a whole column of literals"),
    (pl.col("^a|b$"), "by a pattern"),
    (S.str.to_datetime(), "guesses a time's format"),
    (S.str.join(","), "uses concat_vertical"),
    (A.filter(A > 1), "uses filter"),
    (A.sort(), "uses sort"),
    (pl.col("l").list.eval(pl.element().rank()), "uses eval"),
]


@pytest.mark.parametrize("expression", FIT, ids=str)
def test_row_wise_expressions_come_back_with_the_same_values(expression: pl.Expr) -> None:
    found = read_expression(expression.meta.serialize(format="json"))
    assert ROWS.select(found.alias("v")).equals(ROWS.select(expression.alias("v")))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("expression", "said"), UNFIT, ids=str)
def test_what_looks_at_other_rows_or_carries_code_is_refused(
    expression: pl.Expr, said: str
) -> None:
    with pytest.raises(UnfitExpression, match=said):
        read_expression(expression.meta.serialize(format="json"))


@pytest.mark.parametrize(
    "tree",
    [
        "", "{", "[]", "1", '"Len"', '{"Column": "a", "Len": 1}', '{"Literal": 1}', '{"Cast": {}}',
        '{"Function": {"input": [], "function": {}}}', '{"BinaryExpr": []}', "[" * 100_000,
        '{"Function": {"input": [], "function": {"StringExpr": {"Strptime": []}}}}',
        '{"Cast": {"expr": {"Column": "a"}, "dtype": {"OfExpr": "Len"}}}',
        '{"Function": {"input": 1, "function": "Abs"}}',
        '{"Function": {"input": [], "function": {"FfiPlugin": {"lib": "evil.so"}}}}',
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_in_our_own_words(tree: str) -> None:
    with pytest.raises(UnfitExpression):
        read_expression(tree)


def test_a_tree_of_another_polars_says_to_retrain() -> None:
    parts = {"left": {"Column": "a"}, "op": "New", "right": {"Column": "a"}}
    with pytest.raises(UnfitExpression, match="another one wrote it; retrain"):
        read_expression(json.dumps({"BinaryExpr": parts}))
