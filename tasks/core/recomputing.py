"""Tell by computing again whether an expression's value for a row depends on other rows.

Responsible for the rows that are made up for it, and for when two values are alike. Not responsible
for what is said to a person (`sql`).
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

_ROUNDING = 1e-9  # of a value, at most
_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError)
_ROWS = 7  # the last one is all nulls


def make_up_rows(schema: pl.Schema, names: Iterable[str]) -> pl.DataFrame:
    """Make up a few rows of these columns, which repeat some values and lack others."""
    wanted = {name: schema[name] for name in dict.fromkeys(names)}
    values = {
        name: [*(_make_up(dtype, row) for row in range(_ROWS - 1)), None]
        for name, dtype in wanted.items()
    }
    return pl.DataFrame(values, schema=wanted, strict=False)


def depends_on_other_rows(expression: pl.Expr, rows: pl.DataFrame) -> bool:
    """Tell whether values computed in another order, in parts and row by row are others."""
    if not expression.meta.root_names() or rows.is_empty():
        return False
    half = max(1, len(rows) // 2)
    try:
        together = rows.select(expression).to_series()
        again = [
            rows.reverse().select(expression).to_series().reverse(),
            *(_compute_in_parts(expression, rows, size) for size in (half, 1)),
        ]
    except _FAILURES:
        return False  # made-up text is no date; such an expression fails on real data or not at all
    return not all(_are_alike(together, each) for each in again)


def _compute_in_parts(expression: pl.Expr, rows: pl.DataFrame, size: int) -> pl.Series:
    parts = [rows[start : start + size].select(expression) for start in range(0, len(rows), size)]
    return pl.concat(parts).to_series()


def _are_alike(one: pl.Series, other: pl.Series) -> bool:
    """Tell whether values are equal but for their last bits.

    Polars divides many numbers by a constant in another way than one: X / 7 differs in them.
    """
    if len(one) != len(other):
        return False
    if not one.dtype.is_float():
        return one.equals(other)
    apart = (one - other).abs() <= _ROUNDING * one.abs()
    return bool((apart.fill_null(False) | one.eq_missing(other)).all())


def _make_up(dtype: pl.DataType, row: int) -> Any:
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
