"""Files of a source, opened as one table whose columns agree in name and type.

Columns of Hive folders are added. Not responsible for formats (`file_formats`) and for what a
common type may lose (`type_promotion`).
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.data_sections import Source
from tasks.core.errors import ColumnsMissing, DefinitionError, SourceError, SourceRefused, nearest
from tasks.core.sql import column_of, is_text
from tasks.sources.file_contents import Seen, list_files, recall
from tasks.sources.file_formats import FAILURES, TYPES, read_schema, scan, scan_as, unreadable
from tasks.sources.hive_folders import parse_value, read_folders, type_folders
from tasks.sources.lossless_numbers import refuse_lost
from tasks.sources.type_promotion import Ask, fits, promote_types
from tasks.storage.store import is_bucket

Files = Mapping[str, Seen]
Carried = Mapping[str, pl.Series]  # columns that a file's folders give, with their one value
_OPEN_AT_ONCE = 16


@dataclass(frozen=True)
class _Opened:
    """Files with their `own` schemas, and with the columns that their folders carry."""

    source: Source
    files: Files
    own: Mapping[str, pl.Schema]
    carried: Mapping[str, Carried] = field(default_factory=dict)

    def ask(self, file: str, holds: pl.Expr) -> bool:
        """Ask of one file whether something holds of all its rows."""

        def find() -> bool:
            values = self.carried.get(file, {}).values()
            rows = scan(self.source, (file,), None).with_columns(map(_lit, values))
            try:
                return bool(rows.select(holds.all()).collect().item())
            except FAILURES as error:
                raise unreadable(self.source, file, error) from error

        return bool(self.recall(file, str(holds), find))

    def recall(self, file: str, question: str, find: Callable[[], Any]) -> Any:
        asked = f"{self.source.model_dump_json()} {question}"
        return recall(file, self.files[file], asked, find)


def find_files(source: Source, project: Path, where: str) -> Files:
    """List a source's files as they are now, relative ones from the project's folder.

    SourceError where there is none; `where` names the source in its message.
    """
    uri = source.uri if is_bucket(source.uri) else str(project / Path(source.uri).expanduser())
    files = list_files(uri)
    if not files:
        raise SourceError(f"{where}: no file matches {uri}; {_nearest_file(uri)}")
    return files


def scan_source(source: Source, files: Files) -> pl.LazyFrame:
    """Plan the reading of files that must agree on their columns; nothing but schemas is read.

    SourceError, of which SourceRefused, ColumnsMissing and NumbersLost are kinds, names the file
    and the column at fault; DefinitionError a column in `types` that no file has.

    Small integers get room for arithmetic, where Polars would wrap around without a word: month
    stored in 8 bits could not be multiplied by 100, nor what has no sign be subtracted.
    """
    with ThreadPoolExecutor(_OPEN_AT_ONCE) as pool:
        own = dict(zip(files, pool.map(partial(read_schema, source), files), strict=True))
    carried = _read_carried(_Opened(source, files, own))
    opened = _Opened(source, files, own, carried)
    schemas = {
        file: pl.Schema({**own[file], **{name: each.dtype for name, each in carried[file].items()}})
        for file in files
    }
    _check_types(source, schemas)
    parquet = source.format == "parquet"
    if not parquet:
        _refuse_lost_digits(opened)
    elif source.types:
        _refuse_lost_fractions(opened)
    columns = _agree(source, schemas, opened.ask)
    alike = {tuple(schema.items() if parquet else schema) for schema in schemas.values()}
    if len(alike) == 1 and not any(carried.values()) and not (parquet and source.types):
        frame = scan(source, tuple(files), columns)
    else:
        frame = pl.concat(
            [_scan_alone(source, file, own[file], carried[file], columns) for file in files]
        )
    if source.format == "csv":
        if set(columns.dtypes()) == {pl.String} and _has_no_rows(frame):
            raise SourceError(f"{next(iter(files))}: holds no rows")
        # Polars leaves the quotes in a header's name doubled.
        frame = frame.rename({name: name.replace('""', '"') for name in columns if '""' in name})
    return frame.with_columns(
        pl.col(pl.Int8, pl.Int16, pl.UInt8, pl.UInt16).cast(pl.Int32),
        pl.col(pl.UInt32).cast(pl.Int64),
    )


def _read_carried(opened: _Opened) -> dict[str, dict[str, pl.Series]]:
    """Give the columns that files have from their folders alone; what both say must agree."""
    texts: dict[str, dict[str, str | None]] = {}
    for file, schema in opened.own.items():
        folders = read_folders(file)
        texts[file] = {name: text for name, text in folders.items() if name not in schema}
        for name in folders.keys() & schema.keys():
            dtype = pl.String() if is_text(schema[name]) else schema[name]
            value = parse_value(name, folders[name], dtype, file)
            if not opened.ask(file, column_of(name).cast(dtype).eq_missing(_lit(value))):
                raise SourceRefused(
                    f"{file}: column {name!r} holds other values than {folders[name]!r}, which its "
                    "folder says; mend either"
                )
    return type_folders(texts, {name: TYPES[kind] for name, kind in opened.source.types.items()})


def _lit(value: pl.Series) -> pl.Expr:
    return pl.lit(value.item(), value.dtype).alias(value.name)


def _check_types(source: Source, schemas: Mapping[str, pl.Schema]) -> None:
    for name in source.types:
        if not any(name in schema for schema in schemas.values()):
            file, schema = next(iter(schemas.items()))
            hint = nearest(name, schema)
            raise DefinitionError(f"[sources] types: {file} has no column {name!r}; {hint}")


def _refuse_lost_digits(opened: _Opened) -> None:
    """Refuse numbers of CSV and NDJSON that would not be those that are written."""
    source, own = opened.source, opened.own
    zeros = source.format == "csv"  # JSON has no whole numbers that begin with zero
    numbers = {
        file: {
            name: kind
            for name, kind in schema.items()
            if name not in source.types and (kind.is_float() or (kind.is_integer() and zeros))
        }
        for file, schema in own.items()
    }
    with suppress(*FAILURES):  # whoever reads on will hear what is wrong with them
        refuse_lost(numbers, partial(scan_as, source, own), opened.recall)


def _refuse_lost_fractions(opened: _Opened) -> None:
    """Refuse floats of Parquet that the types given for their columns would change."""
    bare = opened.source.model_copy(update={"types": {}})
    held = {file: read_schema(bare, file) for file in opened.files}
    untyped = _Opened(bare, opened.files, held)
    for name, kind in opened.source.types.items():
        floats = {file: each[name].is_float() for file, each in held.items() if name in each}
        if kind == "text" and len(set(floats.values())) > 1:
            file = next(each for each in floats if floats[each])
            raise SourceRefused(
                f"{file}: column {name!r} is {held[file][name]}, which reads as other text than in "
                "files where it is no float; write the column as one type"
            )
        for file in opened.files if kind == "integer" else ():
            column, dtype = column_of(name), held[file].get(name, pl.Null())
            if not (dtype.is_float() or dtype.is_decimal()):
                continue
            kept = fits(column, dtype, pl.Int64())
            missing = column.is_null() | (column.is_nan() if dtype.is_float() else False)
            if kept is not None and not untyped.ask(file, kept | missing):
                raise SourceRefused(
                    f"{file}: column {name!r} is {dtype} and holds what is no whole number below "
                    "2^53; write whole numbers, or make it a 'number' in types"
                )


def _scan_alone(
    source: Source, file: str, own: pl.Schema, carried: Carried, columns: pl.Schema
) -> pl.LazyFrame:
    """Scan one file whose columns stand in another order, or have other types, than agreed."""
    theirs = pl.Schema({name: columns[name] for name in own})
    frame = scan(source, (file,), theirs)
    if source.format == "parquet":  # which is scanned with the file's own types
        frame = frame.cast(theirs)
    added = [_lit(value).cast(columns[name]) for name, value in carried.items()]
    lacking = [name for name in columns if name not in own and name not in carried]
    added += [pl.lit(None, columns[name]).alias(name) for name in lacking]
    return frame.with_columns(added).select(columns.names())


def _agree(source: Source, schemas: Mapping[str, pl.Schema], ask: Ask) -> pl.Schema:
    """Settle one type a column for all files that hold it."""
    names = tuple(dict.fromkeys(name for schema in schemas.values() for name in schema))
    held = {name: {f: each[name] for f, each in schemas.items() if name in each} for name in names}
    missing = tuple(name for name in names if len(held[name]) < len(schemas))
    if missing and source.missing_columns == "refuse":
        lacking = next(file for file in schemas if file not in held[missing[0]])
        raise ColumnsMissing(
            f"{lacking}: has no column {missing[0]!r}, which {next(iter(held[missing[0]]))} has; "
            "add it, name only files that are alike in [sources], or let it be missing there by "
            'missing_columns = "null"',
            missing,
        )
    return pl.Schema({name: promote_types(name, held[name], ask) for name in names})


def _has_no_rows(frame: pl.LazyFrame) -> bool:
    try:
        return frame.head(1).collect().is_empty()
    except FAILURES:
        return False  # whoever reads on will hear what is wrong with them


def _nearest_file(uri: str) -> str:
    folder = Path(uri).parent
    if is_bucket(uri):
        return "is that the bucket's name, and the key's?"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return nearest(Path(uri).name, (file.name for file in folder.iterdir() if file.is_file()))
