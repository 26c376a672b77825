"""The sources of a definition, joined by its query, with each row's event time in UTC.

Responsible for the query, and for refusing files that change while they are read. Not responsible
for what the rows are used for.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from pydantic import Field

from tasks.core.data_sections import Source
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DefinitionError, first_line, nearest
from tasks.core.sql import refuse_clock
from tasks.core.timestamps import utc_time
from tasks.features.feature_tables import plan_events
from tasks.features.point_in_time_join import Events, give_values, look_up, settle
from tasks.sources.database_export import export_source
from tasks.sources.file_contents import Seen, changed, digest_files, refuse_moved, see_files
from tasks.sources.file_formats import FAILURES, read_whole
from tasks.sources.files import Files, find_files, scan_source
from tasks.storage.store import is_bucket, is_disk_full

_SELECT = re.compile(r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*+(select|with)\b", re.IGNORECASE | re.DOTALL)
_READ = re.compile(r"\bread_\w+\s*\(", re.IGNORECASE)
PATTERN = "reads as a pattern of names; rename it in the file"


class SourceTable(Frozen, arbitrary_types_allowed=True):
    """A definition's sources, opened and joined but not read. `time` is the event time in UTC.

    `plain` are the rows before anything was looked up for them in `tables`, which are made of
    `events`; `frames` are the sources; `seen` is what each file was before anything was read of it.
    """

    rows: pl.LazyFrame
    plain: pl.LazyFrame
    columns: pl.Schema
    time: pl.Expr | None
    sources: dict[str, Source]
    files: dict[str, tuple[str, ...]]
    seen: Mapping[str, Seen] = Field(default_factory=dict)
    tables: Mapping[str, pl.LazyFrame] = Field(default_factory=dict)
    events: Mapping[str, Events] = Field(default_factory=dict)
    frames: Mapping[str, pl.LazyFrame] = Field(default_factory=dict)

    def see(self, source: str) -> dict[str, Seen]:
        return {file: self.seen[file] for file in self.files[source] if file in self.seen}


def open_table(
    definition: Definition, project: Path, digests: Mapping[str, str] | None = None
) -> SourceTable:
    """Open the sources and plan the query; of files, nothing but schemas is read.

    SourceError where a source cannot be read; DefinitionError where the query, the time or the key
    do not fit its columns.

    Databases change by the minute: `digests` are of the content that a run began with.
    """
    files = {
        name: see_files(export_source(source, f"[sources] {name}", (digests or {}).get(name)))
        if source.in_database
        else find_files(source, project, f"[sources] {name}")
        for name, source in definition.sources.items()
    }
    return open_files(definition, files)


def open_files(definition: Definition, files: Mapping[str, Files]) -> SourceTable:
    """Open the sources from files that are known."""
    frames = {name: scan_source(source, files[name]) for name, source in definition.sources.items()}
    plain = plan_query(definition.extract.query, frames)
    columns = plain.collect_schema()
    time = (definition.extract.time,) if definition.extract.time else ()
    for key, named in (("time", time), ("key", definition.extract.key)):
        for column in named:
            if column not in columns:
                hint = nearest(column, columns)
                raise DefinitionError(f"[extract] {key}: there is no column {column!r}; {hint}")
            if is_pattern(column):
                raise DefinitionError(f"[extract] {key}: {column!r} {PATTERN}")
    moment = event_time(definition, columns)
    events = plan_events(definition, frames, columns)
    tables = {name: give_values(each, settle(each)) for name, each in events.items()}
    rows = look_up(plain, moment, definition.tables, tables)
    return SourceTable(
        rows=rows,
        plain=plain,
        tables=tables,
        events=events,
        frames=frames,
        columns=rows.collect_schema(),
        time=moment,
        sources=definition.sources,
        files={name: tuple(each) for name, each in files.items()},
        seen={file: seen for each in files.values() for file, seen in each.items()},
    )


def digest_sources(table: SourceTable) -> dict[str, str]:
    """Identify each source's content, whatever its files are called."""
    return {name: digest_files(table.see(name), f"[sources] {name}") for name in table.files}


@contextmanager
def holding(table: SourceTable, digests: Mapping[str, str]) -> Iterator[None]:
    """Refuse what is read of a table unless its files hold, all the while, what a run began with.

    What fails on a file that has changed fails because it has.
    """
    _refuse_other(table, digests)
    try:
        yield
    except Exception:
        refuse_changed(table, digests)
        raise
    refuse_changed(table, digests)


def refuse_changed(table: SourceTable, digests: Mapping[str, str]) -> None:
    """Refuse a table whose files are not what they were when it was opened, and a run began."""
    for name in table.files:
        refuse_moved(table.see(name), f"[sources] {name}")
    _refuse_other(table, digests)


def _refuse_other(table: SourceTable, digests: Mapping[str, str]) -> None:
    for name, digest in digest_sources(table).items():
        if digest != digests.get(name):
            raise changed(f"[sources] {name}", table.files[name][0])


def plan_query(query: str | None, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Join the sources as the query says; without one there is a single source."""
    if query is None:
        return next(iter(frames.values()))
    if not _SELECT.match(query):
        raise DefinitionError("[extract] query: must be one SELECT")
    refuse_clock(query, "[extract] query")
    if found := _READ.search(query):
        raise DefinitionError(
            f"[extract] query: {found[0].upper()}) reads a file; name it in [sources] instead"
        )
    try:
        rows = pl.SQLContext(frames).execute(query)
        rows.collect_schema()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DefinitionError(f"[extract] query: {_explain_query(error, frames)}") from error
    return rows


def event_time(definition: Definition, columns: Mapping[str, pl.DataType]) -> pl.Expr | None:
    """Give the event time in UTC; None where rows carry none.

    DefinitionError where the column is no date or time.
    """
    name = definition.extract.time
    if name is None:
        return None
    return utc_time(name, columns, definition.extract.time_zone, "[extract] time")


def collect(table: SourceTable, rows: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan over the sources; where one cannot be read, or is written to, name the file."""
    with _naming_files(table):
        return rows.collect()


def collect_all(table: SourceTable, *plans: pl.LazyFrame) -> list[pl.DataFrame]:
    """Run plans over the sources at once: what they have in common is read and joined once."""
    with _naming_files(table):
        return pl.collect_all(plans, engine="streaming")


@contextmanager
def _naming_files(table: SourceTable) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        if is_disk_full(error):
            raise
        _refuse_moved(table)
        for name, source in table.sources.items():
            for file in table.files[name]:
                read_whole(source, file)
        raise DefinitionError(f"[extract] query: fails on the data: {first_line(error)}") from error
    _refuse_moved(table)


def _refuse_moved(table: SourceTable) -> None:
    """Refuse files that were written to; an object in a bucket is never half of another."""
    for name, files in table.files.items():
        if not is_bucket(files[0]):
            refuse_moved(table.see(name), f"[sources] {name}")


def _explain_query(error: Exception, frames: Mapping[str, pl.LazyFrame]) -> str:
    """Say what is wrong with the query, with the nearest table or column that exists."""
    said = first_line(error)
    columns = {name for frame in frames.values() for name in frame.collect_schema()}
    if table := re.search(r"relation ['\"`](\w+)['\"`] was not found", said):
        return f"there is no source {table[1]!r}; {nearest(table[1], frames)}"
    if column := re.search(r"(?:find column|column named) [\"']([^\"']+)[\"']", said):
        return f"there is no column {column[1]!r}; {nearest(column[1], columns)}"
    if twin := re.search(r"duplicate output name '([^']+)'", said):
        return f"gives two columns named {twin[1]!r}; name one of them otherwise, by AS"
    if re.search(r"cs\.(matches|all)\(", said):
        return f"column {next(filter(is_pattern, columns), '*')!r} {PATTERN}"
    return said


def is_pattern(column: str) -> bool:
    """Tell whether Polars takes a column's name for a pattern of many names."""
    return column == "*" or (column.startswith("^") and column.endswith("$"))
