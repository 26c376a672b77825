"""Input table of `perennial score`: read in the way the definition reads its own sources.

It holds rows of a source, to which the query is then applied, or rows as the query gives them. Not
responsible for models.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from pydantic import ValidationError

from tasks.core.data_sections import Source
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DataRefused, DefinitionError, NumbersLost, SourceError, nearest
from tasks.core.type_coercion import CoercionError, is_kin, take_objects, take_values
from tasks.sources.file_formats import FAILURES, scan_text
from tasks.sources.files import Files, find_files, scan_source
from tasks.sources.hive_folders import read_folders
from tasks.sources.row_query import Needed, RowQuery, apply_row_query, find_source, plan_row_query
from tasks.storage.store import scan_options


class InputTable(Frozen, arbitrary_types_allowed=True):
    """A table that was opened: how its columns are taken, and which `types` come of it in the end.

    `written` columns are text that may stand for any type, and `guessed` times of a form that the
    definition left to Polars.
    """

    uri: str
    files: Files
    rows: pl.LazyFrame
    format: str
    takes: dict[str, pl.DataType]
    types: dict[str, pl.DataType]
    written: frozenset[str]
    guessed: frozenset[str]
    row_query: RowQuery | None = None

    @property
    def lines(self) -> bool:
        """Tell whether rows are lines of JSON."""
        return self.format == "ndjson"

    def count_rows(self) -> int | None:
        """Count the rows where the files say how many they hold."""
        if self.format != "parquet":
            return None
        return int(self.rows.select(pl.len()).collect().item())

    def read(self, batch: pl.DataFrame, before: int = 0) -> pl.DataFrame:
        """Give a part of the rows as training had them; `before` are the rows that came before it.

        DataRefused names the column, and the row where there is one.
        """
        given: Any = _parse_lines(self, batch, before) if self.lines else batch
        taken = pl.DataFrame([self._take(given[name], name, before) for name in self.takes])
        if self.row_query is None:
            return taken
        return apply_row_query(self.row_query, taken, self.uri).cast(
            {n: self.types[n] for n in self.row_query.gives}
        )

    def _take(self, given: Any, name: str, before: int) -> pl.Series:
        how = {"written": name in self.written, "guessed": name in self.guessed}
        try:
            if self.lines:
                return take_objects(name, given, self.takes[name], **how)
            return take_values(given, self.takes[name], **how)
        except CoercionError as why:
            row = "" if why.row is None else f" (row {before + why.row + 1:,})"
            raise DataRefused(f"{self.uri}: column {name!r} {why}{row}") from None


def open_input(
    definition: Definition,
    schemas: Mapping[str, Mapping[str, str]],
    types: Mapping[str, pl.DataType],
    needed: Needed,
    uri: str,
) -> InputTable:
    """Open a table lazily; DefinitionError where it lacks a column that is needed.

    `types` are those of training's rows; which of them are needed may hang on what is there.
    """
    source = definition.sources.get(find_source(definition) or "")
    given, files, found = _find_input(uri, definition, source)
    theirs = {*source.types} if source else set()
    guessed = frozenset(found if source and source.format == "csv" else theirs)
    written = frozenset(found if given.format == "csv" else theirs)

    def fits(name: str, dtype: pl.DataType) -> bool:
        return name in found and is_kin(found[name], dtype, name in written)

    row_query = plan_row_query(definition, schemas, [*types], needed, fits)
    takes = row_query.takes if row_query else {}
    lacking = [name for name, dtype in takes.items() if not fits(name, dtype)]
    if row_query is None or lacking:
        _refuse_lacking(uri, given, files, found, needed, lacking)
        row_query = None
        takes = {name: dtype for name, dtype in types.items() if name in found}
        if definition.extract.query is not None:  # what it gives has types already
            guessed, written = frozenset(), written if given.format == "csv" else frozenset()
    return InputTable(
        uri=uri,
        files=files,
        rows=_scan(given, files),
        format=given.format,
        takes=takes,
        types=dict(types),
        written=written,
        guessed=guessed,
        row_query=row_query,
    )


def _refuse_lacking(
    uri: str, given: Source, files: Files, found: pl.Schema, needed: Needed, lacking: Sequence[str]
) -> None:
    missing = [name for name in needed(found) if name not in found]
    if not missing:
        return
    name = next((each for each in lacking if each not in found), missing[0])
    hint = nearest(name, found)
    if given.format == "ndjson" and any(name in read_folders(file) for file in files):
        hint = "lines of JSON are scored without what folders say; write it in each line"
    raise DefinitionError(f"--input {uri}: there is no column {name!r}; {hint}")


def _find_input(
    uri: str, definition: Definition, source: Source | None
) -> tuple[Source, Files, pl.Schema]:
    """Find the files and their columns, read as those of the definition's own source."""
    try:
        given = Source.model_validate(uri)
    except ValidationError:
        hint = "give a path, a glob or s3:// of Parquet, CSV or NDJSON"
        raise DefinitionError(f"--input {uri}: is no table in files; {hint}") from None
    files = find_files(given, Path.cwd(), "--input")
    if source:
        given = given.model_copy(update={"missing_columns": source.missing_columns})
    if given.format == "csv":
        given = _as_text(_read_alike(uri, given, definition, source), files)
    return given, files, _find_columns(given, files)


def _read_alike(uri: str, given: Source, definition: Definition, source: Source | None) -> Source:
    """Take separator and signs for missing values from the source, or from all that are CSV."""
    sources = [source] if source else definition.sources.values()
    ways = {(s.separator, s.null_values) for s in sources if s.format == "csv"}
    if len(ways) > 1:
        raise DataRefused(
            f"{uri}: the sources have several ways of writing CSV (separator, null_values), and "
            "nobody can tell which is this table's; give it as Parquet"
        )
    for separator, null_values in ways:
        given = given.model_copy(update={"separator": separator, "null_values": null_values})
    return given


def _as_text(given: Source, files: Files) -> Source:
    """Take all that is written in CSV as text; what folders carry is of its own type."""
    try:
        written = scan_text(given, files).collect_schema()
    except FAILURES:
        return given  # whoever opens it says what is wrong with it
    return given.model_copy(update={"types": dict.fromkeys(written, "text")})


def _find_columns(given: Source, files: Files) -> pl.Schema:
    """Find the columns that there are, and their types; lines of JSON have none of folders."""
    try:
        found = scan_source(given, files).collect_schema()
    except NumbersLost as lost:  # lines of JSON are read one by one: none is rounded
        numbers = given.types | {lost.column: "number"}
        return _find_columns(given.model_copy(update={"types": numbers}), files)
    except SourceError as error:
        if given.format != "csv":
            raise
        way = f"separator = {given.separator!r}, null_values = {list(given.null_values)}"
        raise DataRefused(f"{error} (it is read as the definition reads CSV: {way})") from error
    carried = {name for file in files for name in read_folders(file)}
    lacking = carried if given.format == "ndjson" else ()
    return pl.Schema({name: dtype for name, dtype in found.items() if name not in lacking})


def _scan(given: Source, files: Files) -> pl.LazyFrame:
    if given.format == "ndjson":
        options = scan_options(next(iter(files)))
        return pl.scan_lines(list(files), glob=False, storage_options=options)
    return scan_source(given, files)


def _parse_lines(given: InputTable, batch: pl.DataFrame, before: int) -> dict[str, Sequence[Any]]:
    rows: list[dict[str, Any]] = []
    for line in batch.to_series():
        if not line.strip():
            continue
        try:
            rows.append(_LINE.decode(line))
        except ValueError as error:
            where = f"row {before + len(rows) + 1:,}"
            raise DataRefused(f"{given.uri}: {where} is no JSON object: {error}") from None
    return {name: [row.get(name) for row in rows] for name in given.takes}


_LINE = msgspec.json.Decoder(dict[str, Any])
