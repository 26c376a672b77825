"""Sources: the files that a definition names, opened lazily and joined by its query.

Owns formats, what a column's type is when files differ, and saying which file is at fault.
Refuses to know what rows are for: extraction, and a champion judged on its own data, ask alike.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.definition import Definition, Frozen, Source
from tasks.errors import DefinitionError, SourceError, first_line, nearest
from tasks.features import quote_name
from tasks.store import is_bucket, is_disk_full, list_files, scan_options

_INFERRED_ROWS = 100_000
_TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "time": pl.Datetime("us"),
}


class Table(Frozen, arbitrary_types_allowed=True):
    """A definition's sources, opened and joined but not read. `time` is the event time in UTC."""

    rows: pl.LazyFrame
    columns: pl.Schema
    time: pl.Expr | None
    sources: dict[str, Source]
    files: dict[str, tuple[str, ...]]


def open_table(definition: Definition, project: Path) -> Table:
    """Open the sources and plan the query; nothing but schemas is read."""
    files = {
        name: find_files(source, project, f"[sources] {name}")
        for name, source in definition.sources.items()
    }
    frames = {name: scan_source(source, files[name]) for name, source in definition.sources.items()}
    query = definition.extract.query or f"SELECT * FROM {quote_name(next(iter(frames)))}"
    if not query.lstrip().lower().startswith(("select", "with")):
        raise DefinitionError("[extract] query: must be one SELECT")
    try:
        rows = pl.SQLContext(frames).execute(query)
        columns = rows.collect_schema()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DefinitionError(f"[extract] query: {_explain_query(error, frames)}") from error
    time = (definition.extract.time,) if definition.extract.time else ()
    for key, named in (("time", time), ("key", definition.extract.key)):
        for column in named:
            if column not in columns:
                hint = nearest(column, columns)
                raise DefinitionError(f"[extract] {key}: there is no column {column!r}; {hint}")
    return Table(
        rows=rows,
        columns=columns,
        time=event_time(definition, columns),
        sources=definition.sources,
        files=files,
    )


def find_files(source: Source, project: Path, where: str) -> tuple[str, ...]:
    """List a source's files, relative ones from the project's folder."""
    uri = source.uri if is_bucket(source.uri) else str(project / source.uri)
    files = tuple(list_files(uri))
    if not files:
        raise SourceError(f"{where}: no file matches {uri}")
    return files


def scan_source(source: Source, files: tuple[str, ...]) -> pl.LazyFrame:
    """Plan the reading of files that must agree on their columns; errors name the file."""
    schemas = {file: _read_schema(source, file) for file in files}
    columns = _agree(source, schemas)
    if all(schema == columns for schema in schemas.values()):
        return _scan(source, files, columns)
    parts = [_scan(source, (file,), schema) for file, schema in schemas.items()]
    return pl.concat([part.select(columns.names()).cast(dict(columns)) for part in parts])


def event_time(definition: Definition, columns: Mapping[str, pl.DataType]) -> pl.Expr | None:
    """Give the event time in UTC, in microseconds; times without a zone are in `time_zone`."""
    name = definition.extract.time
    if name is None:
        return None
    dtype, column = columns[name], pl.col(name)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if not (isinstance(dtype, pl.Datetime) or dtype == pl.Date):
        raise DefinitionError(
            f"[extract] time: column {name!r} is {dtype}, not a date or time; make it one in "
            f"[extract] query, as in STRPTIME({name}, '%Y-%m-%d %H:%M'), or in [sources] types"
        )
    zone = definition.extract.time_zone
    try:
        pl.select(pl.lit(datetime(2020, 1, 1)).dt.replace_time_zone(zone))
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(f"[extract] time_zone: {zone!r} is not a known time zone") from error
    local = column.cast(pl.Datetime("us")).dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    )
    return local.dt.convert_time_zone("UTC")


def collect(table: Table, rows: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan over the sources; where one of them cannot be read, name the file."""
    try:
        return rows.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        if is_disk_full(error):
            raise
        for name, source in table.sources.items():
            for file in table.files[name]:
                _read_whole(source, file)
        raise DefinitionError(f"[extract] query: fails on the data: {first_line(error)}") from error


def _read_schema(source: Source, file: str) -> pl.Schema:
    try:
        schema = _scan(source, (file,), None).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(source, file, error) from error
    if not schema:
        raise SourceError(f"{file}: holds no columns")
    unknown = set(source.types) - set(schema)
    if unknown:
        name = min(unknown)
        raise DefinitionError(
            f"[sources] types: {file} has no column {name!r}; {nearest(name, schema)}"
        )
    return schema


def _scan(source: Source, files: tuple[str, ...], schema: pl.Schema | None) -> pl.LazyFrame:
    given = {name: _TYPES[kind] for name, kind in source.types.items()}
    options = scan_options(files[0])
    if source.format == "parquet":
        frame = pl.scan_parquet(list(files), glob=False, storage_options=options)
        return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in given.items())
    known: dict[str, Any] = {"schema_overrides": given} if schema is None else {"schema": schema}
    if source.format == "ndjson":
        return pl.scan_ndjson(
            list(files), infer_schema_length=_INFERRED_ROWS, storage_options=options, **known
        )
    return pl.scan_csv(
        list(files),
        separator=source.separator,
        null_values=list(source.null_values),
        infer_schema_length=_INFERRED_ROWS,
        try_parse_dates=True,
        glob=False,
        storage_options=options,
        **known,
    )


def _agree(source: Source, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
    """Settle one type a column for all files; numbers may widen, nothing else may change."""
    (first, agreed), *others = ((file, dict(schema)) for file, schema in schemas.items())
    for file, schema in others:
        for name in [*agreed, *schema]:
            if name not in schema or name not in agreed:
                lacking, having = (file, first) if name not in schema else (first, file)
                raise SourceError(f"{lacking}: has no column {name!r}, which {having} has")
            ours, theirs = agreed[name], schema[name]
            if ours == theirs:
                continue
            if ours.is_numeric() and theirs.is_numeric():
                agreed[name] = _wider(ours, theirs)
            elif _is_empty(source, file, name):
                continue
            elif _is_empty(source, first, name):
                agreed[name] = theirs
            else:
                raise SourceError(
                    f"{file}: column {name!r} is {theirs}, but {ours} in {first}; "
                    "mend the file, or settle it by [sources] types"
                )
    return pl.Schema(agreed)


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    both = pl.DataFrame({"a": pl.Series([None], dtype=one), "b": pl.Series([None], dtype=other)})
    return both.select(pl.coalesce("a", "b")).dtypes[0]


def _is_empty(source: Source, file: str, column: str) -> bool:
    return bool(
        _scan(source, (file,), None).select(pl.col(column).is_null().all()).collect().item()
    )


def _read_whole(source: Source, file: str) -> None:
    try:
        _scan(source, (file,), _read_schema(source, file)).select(pl.all().null_count()).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(source, file, error) from error


def _unreadable(source: Source, file: str, error: Exception) -> SourceError:
    said = first_line(error)
    if is_bucket(file):
        hint = "check the address, the credentials and AWS_ENDPOINT_URL"
    elif "could not parse" in said:
        hint = "list what stands for missing in null_values, or give the column's type in types"
    elif "utf-8" in said:
        hint = "save the file as UTF-8"
    else:
        hint = f"is it whole, and is it {source.format}?"
    return SourceError(f"{file}: cannot be read: {said} ({hint})")


def _explain_query(error: Exception, frames: Mapping[str, pl.LazyFrame]) -> str:
    """Say what is wrong with the query, with the nearest table or column that exists."""
    said = first_line(error)
    lost = re.search(r"(?:relation ['\"`](\w+)|column [\"']([^\"']+))", said)
    if lost is None:
        return said
    table, column = lost.groups()
    columns = {name for frame in frames.values() for name in frame.collect_schema()}
    return f"{said.split(';')[0]}; {nearest(table or column, frames if table else columns)}"
