"""The row transformation that training and serving share: raw columns in, numbers out.

Knows expressions, their types and the frozen vocabulary. Refuses to know where rows come from:
the same functions run over a snapshot of millions and over the one row of a request.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

from tasks.definition import Definition, Frozen
from tasks.errors import DefinitionError, first_line, nearest

OTHER = 0  # the code of every level that the vocabulary does not hold
_TABLE_WISE = {
    "Agg": "an aggregate",
    "Len": "an aggregate",
    "Over": "a window function",
    "Window": "a window function",
    "Rolling": "a window function",
    "Explode": "an expression that changes the number of rows",
    "Filter": "an expression that changes the number of rows",
    "Slice": "an expression that changes the number of rows",
    "Sort": "an expression that reorders rows",
    "SortBy": "an expression that reorders rows",
}
_CLOCK = re.compile(r"\b(now\s*\(|current_(date|time|timestamp)\b)", re.IGNORECASE)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError)


class Features(Frozen):
    """Compiled features: name → SQL expression, which are categories, and the columns they need."""

    expressions: dict[str, str]
    categories: tuple[str, ...]
    columns: dict[str, str]


class Vocabulary(Frozen):
    """The levels of each category that training saw often enough, and the classes of the target.

    A level's code is its place counted from 1; `OTHER` is what is rare or was never seen.
    """

    categories: dict[str, tuple[str, ...]]
    classes: tuple[str, ...] = ()


def quote_name(column: str) -> str:
    """Write a column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def compile_features(definition: Definition, schema: pl.Schema, origin: str) -> Features:
    """Check every feature against the columns that there are and settle its kind."""
    given = definition.features or default_features(definition, schema, origin)
    needed: set[str] = set()
    categories = []
    for name, sql in given.items():
        where = f"{origin}: [features] {name}"
        expression = compile_expression(sql, schema, where)
        needed |= set(expression.meta.root_names())
        dtype = expression_type(expression, schema, where)
        if is_text(dtype):
            categories.append(name)
        elif not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            listed = "" if definition.features else " (to leave it out, list [features])"
            raise DefinitionError(
                f"{where}: gives {dtype}, and a feature must be a number, text or true/false; "
                f"{_part_of(sql, dtype)}{listed}"
            )
    columns = {column: str(schema[column]) for column in sorted(needed)}
    return Features(expressions=given, categories=tuple(categories), columns=columns)


def default_features(definition: Definition, schema: pl.Schema, origin: str) -> dict[str, str]:
    """Take every column but key, time and those that the target is made of."""
    target = compile_expression(definition.target.value, schema, f"{origin}: [target] value")
    left_out = {definition.extract.time, *definition.extract.key, *target.meta.root_names()}
    features = {name: quote_name(name) for name in schema if name not in left_out}
    if not features:
        raise DefinitionError(f"{origin}: no column is left to be a feature")
    return features


def compile_expression(sql: str, schema: pl.Schema, where: str) -> pl.Expr:
    """Parse one row-wise SQL expression, or say what is wrong with it."""
    refuse_clock(sql, where)
    try:
        expression = pl.sql_expr(sql)
        needed = expression.meta.root_names()
    except _FAILURES as error:
        raise DefinitionError(f"{where}: {_explain(error, sql, schema)}") from error
    for column in needed:
        if column not in schema:
            hint = _quoting(sql, schema) or nearest(column, schema)
            raise DefinitionError(f"{where}: there is no column {column!r}; {hint}")
    for node in _nodes(json.loads(expression.meta.serialize(format="json"))):
        if node in _TABLE_WISE:
            raise DefinitionError(
                f"{where}: is {_TABLE_WISE[node]}, which one row cannot answer; "
                "compute it in [extract] query"
            )
        if node == "Selector":
            raise DefinitionError(f"{where}: {sql} is a pattern of names; rename that column")
    expression_type(expression, schema, where)
    if _depends_on_other_rows(expression, schema):
        raise DefinitionError(f"{where}: its value for one row depends on other rows")
    return expression


def refuse_clock(sql: str, where: str) -> None:
    """Refuse SQL that gives another value whenever it is run."""
    if found := _CLOCK.search(_QUOTED.sub("", sql)):
        raise DefinitionError(
            f"{where}: {found[0].rstrip('( ').upper()} reads the clock, so that the same rows "
            "would give other values later; use a column that holds the time"
        )


def expression_type(expression: pl.Expr, schema: pl.Schema, where: str) -> pl.DataType:
    """Tell the type that an expression gives over these columns.

    A row of missing values is put through it: Polars' plan alone lets SQRT of text pass.
    """
    names = expression.meta.root_names()
    row = pl.DataFrame([pl.Series(name, [None], dtype=schema[name]) for name in set(names)])
    try:
        planned = row.lazy().select(expression).collect_schema().dtypes()[0]
        found = row.select(expression).dtypes[0]
    except _FAILURES as error:
        raise DefinitionError(f"{where}: {_explain(error, '', schema)}") from error
    if found != planned:
        kinds = ", ".join(f"{name!r} is {schema[name]}" for name in dict.fromkeys(names))
        raise DefinitionError(f"{where}: cannot be computed: {kinds}; CAST it to what is meant")
    return found


def is_text(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def feature_expressions(features: Features) -> list[pl.Expr]:
    """Give the expressions that turn raw columns into features, text still as text."""
    return [
        pl.sql_expr(sql).cast(pl.String).alias(name)
        if name in features.categories
        else pl.sql_expr(sql).alias(name)
        for name, sql in features.expressions.items()
    ]


def encode_expressions(
    features: Features, vocabulary: Vocabulary, schema: Mapping[str, pl.DataType]
) -> list[pl.Expr]:
    """Give the expressions that turn features into the numbers that the model takes.

    A category becomes its code, a missing one stays null. NaN and infinity become null: a
    division by zero is a missing value, in training as in serving.
    """
    return [
        _encode_category(name, vocabulary.categories[name])
        if name in features.categories
        else _encode_number(name, schema[name])
        for name in features.expressions
    ]


def encode(frame: pl.LazyFrame, features: Features, vocabulary: Vocabulary) -> pl.LazyFrame:
    """Turn raw rows into the model's input: one numeric column a feature, in definition order."""
    evaluated = frame.select(feature_expressions(features))
    schema = evaluated.collect_schema()
    return evaluated.select(encode_expressions(features, vocabulary, schema))


def learn_levels(counts: pl.DataFrame, rows: int, levels: int) -> tuple[str, ...]:
    """Choose a category's levels from its value counts (`level`, `count`): frequent first."""
    kept = counts.filter(pl.col("level").is_not_null() & (pl.col("count") >= rows))
    return tuple(kept.sort(["count", "level"], descending=[True, False])["level"].head(levels))


def _encode_category(name: str, levels: Sequence[str]) -> pl.Expr:
    column = pl.col(name)
    if not levels:
        return pl.when(column.is_not_null()).then(pl.lit(OTHER, pl.Int32)).alias(name)
    codes = pl.Series(range(1, len(levels) + 1), dtype=pl.Int32)
    known = column.replace_strict(
        pl.Series(levels, dtype=pl.String), codes, default=OTHER, return_dtype=pl.Int32
    )
    return pl.when(column.is_not_null()).then(known).alias(name)


def _encode_number(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Int8)
    if dtype.is_float():
        return pl.when(column.is_finite()).then(column).alias(name)
    if dtype.is_decimal() or dtype in (pl.Int128, pl.UInt64):
        return column.cast(pl.Float64)
    return column


def _explain(error: BaseException, sql: str, schema: Mapping[str, pl.DataType]) -> str:
    """Say what Polars did not like, with what it would have liked where that is known."""
    said = first_line(error)
    if "relation" in said and "not found" in said:
        return f"{said}; a feature sees one row of the extracted table: join in [extract] query"
    hint = _quoting(sql, schema)
    return f"{said}; {hint}" if hint else said


def _quoting(sql: str, schema: Mapping[str, pl.DataType]) -> str:
    """Find a column of an unusual name that stands in the SQL without its quotes."""
    bare = _QUOTED.sub("", sql)
    odd = [name for name in schema if not re.fullmatch(r"[^\W\d]\w*", name) and name in bare]
    return f"write that column as {quote_name(max(odd, key=len))}" if any(odd) else ""


def _part_of(sql: str, dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Duration):
        return "subtract seconds, as in DATE_PART('epoch', a) - DATE_PART('epoch', b)"
    if not dtype.is_temporal():
        return "make one of it in [extract] query"
    return f"take a part of it, as in DATE_PART('{'month' if dtype == pl.Date else 'hour'}', {sql})"


def _nodes(tree: Any) -> Iterator[str]:
    """Walk a serialised expression and give the kinds of its nodes.

    Names, literals and what a function is called are left out: SUBSTR is a `Slice` too.
    """
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)
    elif isinstance(tree, dict):
        for kind, child in tree.items():
            yield kind
            if kind == "Function":
                yield from _nodes(child["input"])
            elif kind == "Alias":
                yield from _nodes(child[0])
            elif kind not in ("Column", "Literal", "Selector"):
                yield from _nodes(child)


def _depends_on_other_rows(expression: pl.Expr, schema: pl.Schema) -> bool:
    """Evaluate made-up rows together and one by one: a row-wise expression gives the same."""
    needed = expression.meta.root_names()
    if not needed:
        return False
    rows = 6
    sample = pl.DataFrame(
        {name: [_made_up(schema[name], row) for row in range(rows)] for name in set(needed)},
        schema={name: schema[name] for name in set(needed)},
        strict=False,
    )
    try:
        together = sample.select(expression)
        one_by_one = pl.concat([sample[row : row + 1].select(expression) for row in range(rows)])
    except _FAILURES:
        return False  # made-up text is no date; such an expression fails on real data or not at all
    return not together.equals(one_by_one)


def _made_up(dtype: pl.DataType, row: int) -> Any:
    if dtype == pl.Boolean:
        return row % 3 == 0
    if dtype == pl.Date:
        return date(2020, 1, 1) + timedelta(days=row)
    if isinstance(dtype, pl.Datetime):
        return datetime(2020, 1, 1, row)
    if dtype == pl.Time:
        return time(row)
    if dtype == pl.Duration:
        return timedelta(hours=row)
    if dtype.is_numeric():
        return (3, 1, 4, 1, 5, 9)[row]
    return ("b", "a", "d", "a", "e", "c")[row] if dtype == pl.String else None
