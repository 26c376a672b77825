"""Statistics of the columns of a table that nobody has described, in few passes over it.

Responsible for counts, limits and levels. Not responsible for what is concluded from them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.sql import is_text
from tasks.sources.query import SourceTable, collect

_COUNTED_AT_ONCE = 50
_AT_ONCE = 200  # columns in one select: its cost grows with their number squared
_LISTED = 30  # text with more levels is not listed


class ColumnStats(Frozen, arbitrary_types_allowed=True):
    """What one column holds. `nulls` counts NaN too; `levels` are counted where they are few."""

    dtype: pl.DataType
    rows: int
    nulls: int = 0
    distinct: int = 0
    infinite: int = 0
    first: Any = None
    least: float | None = None
    greatest: float | None = None
    levels: dict[str, int] | None = None

    @property
    def values(self) -> int:
        return self.rows - self.nulls


def measure(
    table: SourceTable, measures: dict[str, dict[str, pl.Expr]]
) -> dict[str, dict[str, Any]]:
    """Measure several things of several columns, some hundred columns in one pass."""
    structs = {
        name: pl.struct(what.alias(key) for key, what in each.items())
        for name, each in measures.items()
    }
    return dict(_collect_each(table, structs, _AT_ONCE))


def count_values(
    table: SourceTable, columns: dict[str, pl.Expr]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give each column's different values as `value`, with their `count`."""
    counts = {name: each.alias("value").value_counts().implode() for name, each in columns.items()}
    for name, found in _collect_each(table, counts, _COUNTED_AT_ONCE):
        yield name, found.struct.unnest()


def _collect_each(
    table: SourceTable, asked: dict[str, pl.Expr], at_once: int
) -> Iterator[tuple[str, Any]]:
    """Give the one value of each expression, some of them collected in one pass."""
    names = list(asked)
    for first in range(0, len(names), at_once):
        group = names[first : first + at_once]
        select = [asked[name].alias(str(place)) for place, name in enumerate(group)]
        found = collect(table, table.rows.select(select))
        yield from zip(group, (each.item() for each in found), strict=True)


def measure_columns(table: SourceTable) -> dict[str, ColumnStats]:
    """Measure every column in one pass over the table, and count the levels of short lists."""
    rows = collect(table, table.rows.select(pl.len())).item()
    asked = {name: _statistics(name, dtype) for name, dtype in table.columns.items()}
    measured = measure(table, asked)
    texts = [name for name, dtype in table.columns.items() if is_text(dtype)]
    few = [name for name in texts if measured[name]["distinct"] <= _LISTED]
    levels = {name: count_levels(table, pl.col(name)) for name in few}
    return {
        name: ColumnStats(dtype=dtype, rows=rows, levels=levels.get(name), **measured[name])
        for name, dtype in table.columns.items()
    }


def count_levels(table: SourceTable, value: pl.Expr, rows: pl.Expr | bool = True) -> dict[str, int]:
    """Count the rows of each value, as text, frequent ones first."""
    counts = table.rows.filter(rows).group_by(value.cast(pl.String).alias("level")).len()
    known = collect(table, counts.filter(pl.col("level").is_not_null()))
    return dict(known.sort(["len", "level"], descending=[True, False]).iter_rows())


def count_unique(table: SourceTable, groups: Iterable[Sequence[str]]) -> list[int]:
    """Count the different rows that each group of columns gives."""
    counts = [pl.struct(group).n_unique().alias(str(place)) for place, group in enumerate(groups)]
    return list(collect(table, table.rows.select(counts)).row(0)) if counts else []


def _statistics(name: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    column = pl.col(name)
    if dtype.is_nested():
        return {"nulls": column.null_count()}
    values = (column.fill_nan(None) if dtype.is_float() else column).drop_nulls()
    facts = {
        "nulls": pl.len() - values.len(),
        "distinct": values.n_unique(),
        "first": values.first(),
    }
    if not dtype.is_numeric():
        return facts
    finite = values.filter(values.is_finite()) if dtype.is_float() else values
    return facts | {
        "infinite": values.len() - finite.len(),
        "least": finite.min().cast(pl.Float64),
        "greatest": finite.max().cast(pl.Float64),
    }
