"""SQL expressions over one row: what is refused before any work, and how it is said."""

from datetime import datetime

import polars as pl
import pytest

from tasks.core.errors import DefinitionError
from tasks.core.sql import compile_expression, expression_type, quote_name

SCHEMA = pl.Schema(
    {
        "x": pl.Float64(),
        "k": pl.Int64(),
        "text": pl.String(),
        "flag": pl.Boolean(),
        "at": pl.Datetime("us"),
        "hours-per-week": pl.Int64(),
        "a.b": pl.Int64(),
        "$cost": pl.Float64(),
        "[x]": pl.Float64(),
        "^x$": pl.Float64(),
        'say "x"': pl.Float64(),
        "": pl.Float64(),
    }
)
ROW_WISE = [
    "x / k",
    "k / 7",  # Polars rounds it otherwise among many rows than alone
    "CASE WHEN text = 'Agg' THEN 1 ELSE k // 100 * 60 + k % 100 END",
    "SUBSTR(text, 1, 2) || '-' || LEFT(text, 1)",
    "COALESCE(x, LEAST(k, 3), 0)",
    "DATE_PART('hour', at + INTERVAL '1 day')",
    "text IN ('Slice', 'Filter') AND NOT flag",
    "ROUND(SQRT(ABS(x)), 2)",
    "STRPTIME(text, '%Y-%m-%d') IS NULL",
    "TRY_CAST(text AS DOUBLE)",
    "text = 'NOW()' OR text = 'CURRENT_DATE'",
]
REFUSED = [
    ("AVG(x) OVER (PARTITION BY k)", "is a window function"),
    ("ROW_NUMBER() OVER (ORDER BY x)", "one row cannot answer"),
    ("x - AVG(x)", "is an aggregate"),
    ("COUNT(*)", "is an aggregate"),
    ("QUANTILE_CONT(x, 0.5)", "depends on other rows"),
    ("UNNEST(x)", "changes the number of rows"),
    ("DATE_PART('day', NOW())", "NOW reads the clock"),
    ("at < CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP reads the clock"),
    ("(SELECT MAX(x) FROM other)", r"'other' was not found; .*join in \[extract\] query"),
    ("SQRTT(x)", "'sqrtt'; did you mean 'sqrt'"),
    ("QQQQ(x)", "Polars SQL has no such function"),
    ("x +", "unable to parse"),
    ("x, k", "unexpected token ','"),
    ("xx", "there is no column 'xx'; did you mean 'x'"),
    ("TEXT", "there is no column 'TEXT'; did you mean 'text'"),
    ("text * 2", "arithmetic on dtypes str"),
    ("text > 1", "cannot compare string with numeric"),
    ("SQRT(text)", "'text' is String; CAST it"),
    ("ROUND(text)", "not supported for dtype `str`"),
    ("UPPER(k)", "got `i64` for series with name `k`"),
    ("DATE_PART('hour', text)", "not supported for dtype `str`"),
    ("DATE_PART('howr', at)", "does not support 'howr'"),
]


@pytest.mark.parametrize("sql", ROW_WISE)
def test_row_wise_expression_is_taken(sql: str) -> None:
    expression = compile_expression(sql, SCHEMA, "here")
    rows = pl.DataFrame({"x": [1.0], "k": [2], "text": ["2020-01-01"], "flag": [True]})
    rows = rows.with_columns(at=datetime(2020, 1, 1))
    found = rows.lazy().select(expression).collect().dtypes[0]
    assert found == expression_type(expression, SCHEMA, "here")


@pytest.mark.parametrize(("sql", "said"), REFUSED)
def test_expression_that_one_row_cannot_answer_is_refused(sql: str, said: str) -> None:
    with pytest.raises(DefinitionError, match="^here: .*" + said) as refusal:
        compile_expression(sql, SCHEMA, "here")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["hours-per-week", "a.b", "$cost", "[x]", 'say "x"', ""])
def test_unusual_name_works_in_double_quotes(name: str) -> None:
    expression = compile_expression(quote_name(name) + " * 2", SCHEMA, "here")
    assert expression.meta.root_names() == [name]


@pytest.mark.parametrize("name", ["hours-per-week", "a.b", "$cost", "[x]"])
def test_unusual_name_without_quotes_is_shown_with_them(name: str) -> None:
    with pytest.raises(DefinitionError) as refusal:
        compile_expression(f"{name} * 2", SCHEMA, "here")
    assert f"write that column as {quote_name(name)}" in str(refusal.value)


def test_name_that_reads_as_a_pattern_is_refused() -> None:
    with pytest.raises(DefinitionError, match="is a pattern of names; rename that column"):
        compile_expression('"^x$"', SCHEMA, "here")


def test_expression_of_no_column_or_with_a_name_of_its_own_is_taken() -> None:
    assert compile_expression("1 + 1", SCHEMA, "here").meta.root_names() == []
    assert compile_expression("k + 1 AS more", SCHEMA, "here").meta.output_name() == "more"
