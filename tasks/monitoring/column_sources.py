"""Where a raw column is read from: the source and, where there are several, its files of a time.

The query is asked by pattern (`p.year AS plane_year`), else the sources by their columns. Not
responsible for what is wrong with the column (`causes`).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

import polars as pl

from tasks.core.columns import FILE
from tasks.core.definition import Definition
from tasks.core.errors import PerennialError
from tasks.core.timestamps import utc_time
from tasks.features.feature_tables import tabled_values
from tasks.sources.file_formats import FAILURES
from tasks.sources.query import SourceTable
from tasks.storage.store import scan_options

_TABLE = re.compile(
    r"\b(?:from|join)\s++(\w++)(?:\s++(?:as\s++)?+"
    r"(?!(?:on|using|where|join|left|right|inner|full|cross|group|order)\b)(\w++))?+",
    re.IGNORECASE,
)
_RENAMED = re.compile(r"\b(?:(\w++)\.)?+(\w++)\s++as\s++(\w++)", re.IGNORECASE)
_NAMED = re.compile(r"\b(\w++)\.(\w++)")
_MOST_FILES = 1_000


def find_source(definition: Definition, sources: Mapping[str, pl.Schema], name: str) -> str:
    """Name the source that a column is read from; nothing where that is not clear."""
    tabled = tabled_values(definition)
    if name in tabled:
        return definition.tables[tabled[name]].source
    query = definition.extract.query or ""
    if len(sources) == 1 and not query:
        return next(iter(sources))
    alias, column = _find_item(query.replace('"', ""), name)
    if alias:
        spoken = {
            (short or source).lower(): str(source)
            for source, short in _TABLE.findall(query.replace('"', ""))
        }
        found = spoken.get(alias.lower(), "")
        return found if found in sources else ""
    holders = [source for source, schema in sources.items() if column in schema]
    return holders[0] if len(holders) == 1 else ""


def find_files(
    definition: Definition, table: SourceTable, source: str, since: datetime, until: datetime | None
) -> tuple[str, ...]:
    """Name a source's files with rows of a time; its only file, too, where rows have no time."""
    files, time = table.files.get(source, ()), definition.extract.time
    try:
        frame = _open_files(table, source, files)
        schema = frame.collect_schema()
        if time is None or time not in schema:
            return tuple(map(_name, files)) if len(files) == 1 else ()
        moment = utc_time(time, schema, definition.extract.time_zone, "time")
        end = pl.lit(True) if until is None else moment < until
        found = frame.filter(moment >= since, end).select(pl.col(FILE).unique()).collect()
    except (PerennialError, *FAILURES):
        return ()  # it is a hint: what is wrong with the source, the look says anyway
    return tuple(sorted(map(_name, found[FILE])))


def _open_files(table: SourceTable, source: str, files: Sequence[str]) -> pl.LazyFrame:
    """Open a source's rows with the file that each is of; no rows where that cannot be told."""
    if len(files) == 1:
        return table.frames[source].with_columns(pl.lit(files[0]).alias(FILE))
    if not 0 < len(files) <= _MOST_FILES or not files[0].endswith(".parquet"):
        return pl.LazyFrame()
    return pl.scan_parquet(
        list(files),
        include_file_paths=FILE,
        storage_options=scan_options(files[0]),
        missing_columns="insert",
        extra_columns="ignore",
    )


def _name(file: str) -> str:
    return PurePosixPath(file).name


def _find_item(query: str, name: str) -> tuple[str, str]:
    """Find the table's alias and the column that the query takes a column from."""
    renamed = {made: (table, column) for table, column, made in _RENAMED.findall(query)}
    taken = {column: (table, column) for table, column in reversed(_NAMED.findall(query))}
    return renamed.get(name) or taken.get(name) or ("", name)
