"""The definition's query, applied to rows that come later, one by one.

Responsible for which columns of the source that takes, and that every row keeps its place: a query
that joins, groups or leaves out rows is not applied. Not responsible for files.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress

import polars as pl
from polars.io.plugins import register_io_source

from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DataRefused, DefinitionError, StoreError, first_line
from tasks.core.row_wise_query import only_table
from tasks.core.sql import is_text
from tasks.core.type_coercion import is_kin, parse_dtype
from tasks.sources.query import plan_query

Needed = Callable[[Collection[str]], Sequence[str]]
Fits = Callable[[str, pl.DataType], bool]
_GROUPED = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
_CALL = re.compile(r"\b(?:TRY_)?(?:STRPTIME|CAST)\s*\((?:[^()]|\([^()]*\))*\)", re.IGNORECASE)


class RowQuery(Frozen, arbitrary_types_allowed=True):
    """A query over the rows of a source: what it `takes` of them, and the columns that it `gives`.

    `others` are columns of the source that what is given does not hang on.
    """

    query: str
    source: str
    takes: dict[str, pl.DataType]
    others: dict[str, pl.DataType]
    gives: tuple[str, ...]


def find_source(definition: Definition) -> str | None:
    """Name the source whose rows a table may hold: the only one, or the one that is queried."""
    query = definition.extract.query
    name = next(iter(definition.sources)) if query is None else only_table(query)
    return name if name in definition.sources else None


def plan_row_query(
    definition: Definition,
    schemas: Mapping[str, Mapping[str, str]],
    wanted: Sequence[str],
    needed: Needed,
    fits: Fits,
) -> RowQuery | None:
    """Find what the query needs of a source's rows; None where it is not sure to keep each of them.

    Of the columns that are `wanted` it gives what is `needed`, and others where all that they are
    made of `fits`. `schemas` are the sources' as training read them.
    """
    query, source = definition.extract.query, find_source(definition)
    held = dict(_read_types(schemas.get(source or "", {})))
    if query is None or source is None or not held:
        return None
    try:
        given = plan_query(query, {source: pl.LazyFrame(schema=held)}).collect_schema()
        gives = list(needed(given))
        takes = _find_taken(query, source, held, gives)
        for name in wanted:
            if name in given and name not in gives:
                more = _find_taken(query, source, held, [name])
                if all(fits(each, held[each]) for each in more):
                    gives, takes = [*gives, name], takes | more
    except (DefinitionError, pl.exceptions.PolarsError):
        return None
    return RowQuery(
        query=query,
        source=source,
        takes={name: dtype for name, dtype in held.items() if name in takes},
        others={name: dtype for name, dtype in held.items() if name not in takes},
        gives=tuple(gives),
    )


def apply_row_query(row_query: RowQuery, rows: pl.DataFrame, uri: str) -> pl.DataFrame:
    """Apply the query to rows as to the source's own; DataRefused where that cannot be done.

    As many rows are given, in their order.
    """
    given = _run(row_query, rows, uri)
    _refuse_numbers(rows, given, uri)
    changed = [name for name in given.columns if _is_changed(rows, given, name)]
    if not changed:
        return given
    # Nobody said whether the query was applied to the rows already: that must not matter.
    once = [given[name].cast(rows[name].dtype, strict=False) for name in changed]
    again = _run(row_query, rows.with_columns(once), uri)
    for name in changed:
        if not given[name].equals(again[name], null_equal=True):
            raise DataRefused(
                f"{uri}: [extract] query gives column {name!r} other values under the same name, "
                "and nobody can tell whether those of the table are from before or after; name it "
                f"otherwise in the query, as in AS {name}_mended"
            )
    return given


def _run(row_query: RowQuery, rows: pl.DataFrame, uri: str) -> pl.DataFrame:
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in row_query.others.items()]
    frame = rows.lazy().with_columns(empty)
    try:
        given = (
            plan_query(row_query.query, {row_query.source: frame}).select(row_query.gives).collect()
        )
    except pl.exceptions.PolarsError as error:
        said = first_line(error)
        forms = [
            f for f in _CALL.findall(row_query.query) if any(name in f for name in _named(said))
        ]
        how = f" (it is read by {forms[0]})" if forms else ""
        raise DataRefused(
            f"{uri}: is no table like source {row_query.source}: {said}{how}"
        ) from None
    if len(given) != len(rows):
        raise DataRefused(
            f"{uri}: [extract] query leaves out {len(rows) - len(given):,} of {len(rows):,} rows, "
            "and each must have an answer; leave them out of the table"
        )
    return given


def _find_taken(
    query: str, source: str, held: Mapping[str, pl.DataType], columns: Sequence[str]
) -> set[str]:
    """Find the source's columns that columns of the query are made of, as Polars plans it."""
    taken: set[str] = set()

    def note(names: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        taken.update(held if names is None else names)
        yield pl.DataFrame(schema=dict(held)).select(names or list(held))

    rows = register_io_source(note, schema=pl.Schema(held))
    plan_query(query, {source: rows}).select(columns).collect()
    return taken


def _read_types(columns: Mapping[str, str]) -> Iterator[tuple[str, pl.DataType]]:
    """Read the types of columns; those that no table of single values has are left out."""
    for name, dtype in columns.items():
        with suppress(StoreError):
            yield name, parse_dtype(dtype)


def _is_changed(rows: pl.DataFrame, given: pl.DataFrame, name: str) -> bool:
    """Tell whether a column has other values than before, and of the same kind."""
    if name not in rows.columns:
        return False
    before, after = rows[name], given[name]
    alike = is_kin(before.dtype, after.dtype) and is_text(before.dtype) == is_text(after.dtype)
    return alike and not before.cast(after.dtype, strict=False).equals(after, null_equal=True)


def _refuse_numbers(rows: pl.DataFrame, given: pl.DataFrame, uri: str) -> None:
    """Refuse text that is a number as it stands, and that the query would make another one.

    A query that reads 1.234,56 would read the 12.5 of a table to which it was applied already as
    125. What may be groups of thousands, as 1.234, is left to the query.
    """
    for name in given.columns:
        was_text = name in rows.columns and is_text(rows[name].dtype)
        if not (was_text and given[name].dtype.is_numeric()):
            continue
        text, after = rows[name].cast(pl.String).str.strip_chars(), given[name].cast(pl.Float64)
        other = (text.cast(pl.Float64, strict=False) != after) & ~text.str.contains(_GROUPED)
        row = other.fill_null(value=False).arg_max() if other.any() else None
        if row is not None:
            raise DataRefused(
                f"{uri}: column {name!r} holds {text[row]!r}, which is a number as it stands, and "
                f"[extract] query would read it as {after[row]:.17g}; write it as the source does, "
                "or give numbers in Parquet"
            )


def _named(said: str) -> list[str]:
    """Give the columns that Polars names in what it says."""
    return re.findall(r"column '([^']+)'", said)
