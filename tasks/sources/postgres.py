"""PostgreSQL: reads one table or query in parts, as of one moment, and writes nothing.

Uses ADBC. Credentials come from the environment variables of libpq (PGUSER, PGPASSWORD, PGPASSFILE,
PGSERVICE) and are stored nowhere. Not responsible for what becomes of the rows.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.data_sections import Source
from tasks.core.errors import DefinitionError, SourceError, first_line, hide_password, nearest
from tasks.core.sql import quote_name

_CONNECTIONS = 4
_PLAIN = {  # what Arrow holds as it is
    *("boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "bytea"),
    *("character varying", "time without time zone"),
}
_MOMENTS = {"date", "timestamp without time zone", "timestamp with time zone"}
_ORDERED = {"smallint", "integer", "bigint", "real", "double precision", "numeric", *_MOMENTS}
_BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SETTINGS = (  # parallel and synchronised scans would give rows in another order each time
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL TimeZone = 'UTC'",
)
# An equal answer means that all there is to be seen is the same: who writes takes a number here.
_WRITTEN = """
SELECT concat_ws(' ', pg_current_snapshot(), pg_postmaster_start_time(), pg_is_in_recovery(),
CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END)
"""


@dataclass(frozen=True)
class PostgresServer:
    """A connection that sees one moment; `written` changes with whatever is written there."""

    source: Source
    connection: Any
    written: str

    def write_parts(self, folder: Path) -> list[str]:
        """Write a Parquet file for each range, by several connections that see the same moment."""
        columns = _list_columns(self.connection, self.source)
        ranges = list(_cut_ranges(self.connection, self.source, columns))
        ((moment,),) = _ask(self.connection, "SELECT pg_export_snapshot()")

        def write(place: int) -> str:
            part = folder / f"part-{place:04d}.parquet"
            with closing(_connect(self.source)) as own, closing(own.cursor()) as cursor:
                _begin(own, moment)
                cursor.execute(_write_query(self.source, columns, ranges[place]))
                rows = pl.scan_arrow_c_stream(cursor.fetch_arrow())
                rows.with_columns(_decimals(columns)).sink_parquet(part)
            return str(part)

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return list(pool.map(write, range(len(ranges))))


@contextmanager
def reading(source: Source, where: str) -> Iterator[PostgresServer]:
    """Connect and begin to read; what the server refuses is raised without a secret in it."""
    with _talking(where), closing(_connect(source)) as connection:
        _begin(connection)
        ((written,),) = _ask(connection, _WRITTEN)
        yield PostgresServer(source, connection, written)


def _list_columns(connection: Any, source: Source) -> dict[str, str]:
    """Give each column's type as PostgreSQL calls it; a query's numbers have lost their scale."""
    if source.table is not None:
        sql = (
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE "
            f"attrelid = {_literal(_name_relation(source))}::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum"
        )
        return dict(_ask(connection, sql))
    empty = f"SELECT q.* FROM (SELECT 1) AS one LEFT JOIN {_name_relation(source)} ON false"
    found = _ask(connection, f"SELECT json_object_keys(row_to_json(r)) FROM ({empty}) AS r")
    names = [name for (name,) in found]
    if twins := [name for name in names if names.count(name) > 1]:
        raise DefinitionError(f"query gives two columns named {twins[0]!r}; name one by AS")
    types = ", ".join(f"pg_typeof({each})::text AS {each}" for each in map(quote_name, names))
    ((*kinds,),) = _ask(connection, f"SELECT {types} FROM ({empty}) AS r")
    return dict(zip(names, kinds, strict=True))


def _write_query(source: Source, columns: dict[str, str], condition: str) -> str:
    selected = ", ".join(_select(name, kind) for name, kind in columns.items())
    order = f" ORDER BY {quote_name(source.partition_on)}" if source.partition_on else ""
    return f"SELECT {selected} FROM {_name_relation(source)} WHERE {condition}{order}"


def _select(name: str, kind: str) -> str:
    """Ask for a column as what Arrow can hold; what it cannot, as PostgreSQL writes it.

    Numbers of a settled scale stay exact, others become the nearest double. What is no number, and
    infinite times, are missing: there is no place for them.
    """
    column, bare = quote_name(name), _strip_length(kind)
    if _scale(kind):
        return f"NULLIF({column}, 'NaN')::text AS {column}"
    if bare == "numeric":
        return f"{column}::double precision AS {column}"
    if bare in _MOMENTS:
        return f"CASE WHEN isfinite({column}) THEN {column} END AS {column}"
    return column if bare in _PLAIN else f"{column}::text AS {column}"


def _strip_length(kind: str) -> str:
    return re.sub(r"\([^()]*\)", "", kind)


def _scale(kind: str) -> tuple[int, int] | None:
    """Give precision and scale of an exact number, in digits, if Polars has room for them."""
    found = re.fullmatch(r"numeric\((\d+),(\d+)\)", kind)
    digits, scale = (int(found[1]), int(found[2])) if found else (0, 0)
    return (digits, scale) if 0 < digits <= 38 and scale <= digits else None


def _decimals(columns: dict[str, str]) -> list[pl.Expr]:
    return [
        pl.col(name).cast(pl.Decimal(*scale))
        for name, kind in columns.items()
        if (scale := _scale(kind)) is not None
    ]


def _cut_ranges(connection: Any, source: Source, columns: dict[str, str]) -> Iterator[str]:
    """Give the conditions that cut a source into parts, by equal ranges of one column."""
    if source.partition_on is None:
        yield "true"
        return
    kind = columns.get(source.partition_on)
    if kind is None:
        hint = nearest(source.partition_on, columns)
        raise DefinitionError(f"partition_on: there is no column {source.partition_on!r}; {hint}")
    if _strip_length(kind) not in _ORDERED:
        raise DefinitionError(
            f"partition_on: {source.partition_on!r} is {kind}; choose a number, a date or a time"
        )
    column, count = quote_name(source.partition_on), source.partitions
    step = f"(max({column}) - min({column})) / {count}"
    edges = ", ".join(
        f"(min({column}) + {step} * {place})::text AS e{place}" for place in range(1, count)
    )
    (limits,) = _ask(connection, f"SELECT {edges or 'NULL'} FROM {_name_relation(source)}")
    bounds = [f"{_literal(each)}::{kind}" for each in limits if each is not None]
    if not bounds:
        yield "true"
        return
    yield f"{column} < {bounds[0]} OR {column} IS NULL"
    for low, high in pairwise(bounds):
        yield f"{column} >= {low} AND {column} < {high}"
    yield f"{column} >= {bounds[-1]}"


def _name_relation(source: Source) -> str:
    if source.table is not None:
        return ".".join(map(quote_name, source.table.split(".")))
    return f"({str(source.query).strip().rstrip(';')}\n) AS q"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _connect(source: Source) -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise DefinitionError(
            "postgresql:// needs adbc-driver-postgresql, which is not installed; run "
            "`make postgres` or `pip install perennial-ml[postgres]`"
        ) from error
    patient = "connect_timeout" in source.uri or "PGCONNECT_TIMEOUT" in os.environ
    given = "&" if "?" in source.uri else "?"
    return dbapi.connect(source.uri + ("" if patient else f"{given}connect_timeout=10"))


def _begin(connection: Any, moment: str | None = None) -> None:
    """Begin to read: nothing can be written, and all is as it was at one moment."""
    shared = [f"SET TRANSACTION SNAPSHOT {_literal(moment)}"] if moment else []
    with closing(connection.cursor()) as cursor:
        for statement in (_BEGIN, *shared, *_SETTINGS):
            cursor.execute(statement)


def _ask(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return pl.DataFrame(cursor.fetch_arrow()).rows()


@contextmanager
def _talking(where: str) -> Iterator[None]:
    """Say what the server refuses, in its own words and no secret among them."""
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from error
    except Exception as error:
        theirs = type(error).__module__.startswith("adbc_driver_manager")
        if not theirs and not isinstance(error, pl.exceptions.PolarsError):
            raise
        kind = DefinitionError if type(error).__name__ == "ProgrammingError" else SourceError
        raise kind(f"{where}: {_explain(error)}") from None


def _explain(error: Exception) -> str:
    said = re.search(r"(?:ERROR|FATAL):\s*(.+)", str(error))
    text = hide_password(said[1] if said else first_line(error).rpartition("[libpq] ")[2]).strip()
    if "authentication" in text or "password" in text:
        text += " (set PGUSER and PGPASSWORD, or PGPASSFILE, in the environment)"
    return f"PostgreSQL says: {text}"
