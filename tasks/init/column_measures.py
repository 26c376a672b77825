"""Measures: several things of several columns of a table, in as few passes as stay cheap.

Owns the one way to ask a table that nobody has described. Refuses to know what is asked.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from tasks.sources.query import SourceTable, collect

_COUNTED_AT_ONCE = 50
_AT_ONCE = 200  # columns in one select: its cost grows with their number squared


def measure(
    table: SourceTable, measures: dict[str, dict[str, pl.Expr]]
) -> dict[str, dict[str, Any]]:
    """Measure several things of several columns, some hundred columns in one pass."""
    found: dict[str, dict[str, Any]] = {}
    names = list(measures)
    for first in range(0, len(names), _AT_ONCE):
        group = names[first : first + _AT_ONCE]
        structs = [
            pl.struct(what.alias(key) for key, what in measures[name].items()).alias(str(place))
            for place, name in enumerate(group)
        ]
        found |= zip(group, collect(table, table.rows.select(structs)).row(0), strict=True)
    return found


def count_values(
    table: SourceTable, columns: dict[str, pl.Expr]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give each column's different values as `value`, with their `count`."""
    names = list(columns)
    for first in range(0, len(names), _COUNTED_AT_ONCE):
        group = names[first : first + _COUNTED_AT_ONCE]
        counts = [
            columns[name].alias("value").value_counts().implode().alias(str(place))
            for place, name in enumerate(group)
        ]
        found = collect(table, table.rows.select(counts))
        yield from (
            (name, each.item().struct.unnest()) for name, each in zip(group, found, strict=True)
        )
