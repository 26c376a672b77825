"""SQL expressions over the columns of one row: parsed, checked and typed before any work.

Responsible for what an expression may do, and for messages about what is wrong with one. Not
responsible for what it is for: features, the target and the gate's slices are all written this way.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from polars import selectors as cs

from tasks.core.errors import DefinitionError, first_line, nearest
from tasks.core.expression_tree import BuiltExpression, UnfitExpression, read_expression
from tasks.core.recomputing import depends_on_other_rows, make_up_rows

OTHER_ROWS = "its value for one row depends on other rows"

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
_FUNCTIONS = (  # those to hint at
    *("abs", "cbrt", "ceil", "coalesce", "concat", "date_part"),
    *("degrees", "exp", "extract", "floor", "greatest", "if", "least"),
    *("left", "length", "ln", "log", "log10", "lower", "ltrim"),
    *("mod", "nullif", "pow", "radians", "replace", "right", "round"),
    *("rtrim", "sign", "sin", "split_part", "sqrt", "starts_with", "strftime"),
    *("strptime", "strpos", "substr", "tan", "trim", "try_cast", "upper"),
)
_CLOCK = re.compile(r"\b(now\s*\(|current_(date|time|timestamp)\b)", re.IGNORECASE)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError)


def column_of(name: str) -> pl.Expr:
    """Select a column by its name, even if Polars would read that as a pattern (`^a.*$`)."""
    return cs.by_name(name).as_expr()


def quote_name(column: str) -> str:
    """Write a column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def compile_expression(sql: str, schema: pl.Schema, where: str) -> pl.Expr:
    """Parse one row-wise SQL expression over the columns of `schema`.

    Raises DefinitionError, which begins with `where`, for SQL that does not parse, names no column,
    aggregates, reads the clock, or gives a row a value that depends on other rows.

    >>> schema = pl.Schema({"price": pl.Float64})
    >>> expression = compile_expression("price * 2", schema, "[features] doubled")
    >>> pl.DataFrame({"price": [1.5]}).select(expression).item()
    3.0
    """
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
    check_row_wise(expression, schema, where)
    return expression


def compile_built(built: BuiltExpression, schema: pl.Schema, where: str) -> pl.Expr:
    """Read a row-wise expression that a function gave, over the columns of `schema`.

    Raises DefinitionError as `compile_expression` does, with the function's file and line.
    """
    where = f"{where}: {built.place}"
    try:
        expression = read_expression(built.tree)
    except UnfitExpression as error:
        raise DefinitionError(f"{where}: {error}") from error
    for column in expression.meta.root_names():
        if column not in schema:
            raise DefinitionError(
                f"{where}: there is no column {column!r}; {nearest(column, schema)}"
            )
    check_row_wise(expression, schema, where)
    return expression


def check_row_wise(expression: pl.Expr, schema: pl.Schema, where: str) -> None:
    """Raise DefinitionError for an expression that fails, or depends on other rows."""
    expression_type(expression, schema, where)
    if depends_on_other_rows(expression, make_up_rows(schema, expression.meta.root_names())):
        raise DefinitionError(f"{where}: {OTHER_ROWS}")


def refuse_clock(sql: str, where: str) -> None:
    """Raise DefinitionError for SQL that reads the clock: its value changes with each run."""
    if found := _CLOCK.search(_QUOTED.sub("", sql)):
        raise DefinitionError(
            f"{where}: {found[0].rstrip('( ').upper()} reads the clock, so that the same rows "
            "would give other values later; use a column that holds the time"
        )


def expression_type(expression: pl.Expr, schema: pl.Schema, where: str) -> pl.DataType:
    """Give the type of an expression's value; DefinitionError where it cannot be computed.

    It is evaluated on a row of nulls: Polars' plan alone lets SQRT of text pass.
    """
    names = expression.meta.root_names()
    row = pl.DataFrame({name: pl.Series([None], dtype=schema[name]) for name in names})
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


def _explain(error: BaseException, sql: str, schema: Mapping[str, pl.DataType]) -> str:
    """Turn an error of Polars into a message, with a hint where one is known."""
    said = first_line(error)
    if "relation" in said and "not found" in said:
        return f"{said}; a feature sees one row of the extracted table: join in [extract] query"
    if misspelt := re.search(r"unsupported function '(\w+)'", said):
        return f"{said}; {nearest(misspelt[1], _FUNCTIONS, 'Polars SQL has no such function')}"
    hint = _quoting(sql, schema)
    return f"{said}; {hint}" if hint else said


def _quoting(sql: str, schema: Mapping[str, pl.DataType]) -> str:
    """Find a column of an unusual name that stands in the SQL without its quotes."""
    bare = _QUOTED.sub("", sql)
    odd = [name for name in schema if not re.fullmatch(r"[^\W\d]\w*", name) and name in bare]
    return f"write that column as {quote_name(max(odd, key=len))}" if any(odd) else ""


def _nodes(tree: Any) -> Iterator[str]:
    """Walk a serialised expression and give the kinds of its nodes.

    Names, literals and what a function is called are left out: SUBSTR is a `Slice` too.
    """
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)
    else:
        inside: dict[str, Any] = tree if isinstance(tree, dict) else {}
        for kind, child in inside.items():
            yield kind
            if kind == "Function":
                yield from _nodes(child["input"])
            elif kind == "Alias":
                yield from _nodes(child[0])
            elif kind not in ("Column", "Literal", "Selector"):
                yield from _nodes(child)
