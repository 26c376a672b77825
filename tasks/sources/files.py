"""The files of one source, opened as one table: formats, types, and which file is at fault.

Owns what Parquet, CSV and NDJSON need to be read lazily, and columns that not every file holds.
Refuses to know what the table is for.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from tasks.core.data_sections import Source
from tasks.core.errors import (
    ColumnsMissing,
    DefinitionError,
    SourceError,
    SourceRefused,
    first_line,
    nearest,
)
from tasks.core.sql import column_of, is_text
from tasks.sources.file_contents import Seen, list_files, recall
from tasks.sources.hive_folders import parse_value, read_folders, type_folders
from tasks.sources.lossless_numbers import refuse_lost
from tasks.sources.type_promotion import Ask, fits, settle_type
from tasks.storage.store import is_bucket, scan_options

Files = Mapping[str, Seen]
Carried = Mapping[str, pl.Series]  # columns that a file's folders give, with their one value

FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_INFERRED_ROWS = 100_000
_OPEN_AT_ONCE = 16
_TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "time": pl.Datetime("us"),
}
_HINTS = {  # what a library's message holds: what would help
    "404 Not Found": "if it is a folder, name the files in it, as in s3://bucket/folder/*.parquet",
    "object-store": "check the address, the credentials and AWS_ENDPOINT_URL",
    "more fields": "a row has more fields than the header; is the separator right, and quoted?",
    "utf-8": "save the file as UTF-8",
    "parse": "give the column's type in types, or list what stands for missing in null_values",
    "conversion": "mend the values, or give the column another type in types",
    "NULL-typed": "give the column's type in types",
    "'ï'": "save it without a byte-order mark",
}


def find_files(source: Source, project: Path, where: str) -> Files:
    """List a source's files as they are now, relative ones from the project's folder."""
    uri = source.uri if is_bucket(source.uri) else str(project / Path(source.uri).expanduser())
    files = list_files(uri)
    if not files:
        raise SourceError(f"{where}: no file matches {uri}; {_nearest_file(uri)}")
    return files


def scan_source(source: Source, files: Files) -> pl.LazyFrame:
    """Plan the reading of files that must agree on their columns; errors name the file.

    Small integers get room for arithmetic, where Polars would wrap around without a word: month
    stored in 8 bits could not be multiplied by 100, nor what has no sign be subtracted.
    """
    with ThreadPoolExecutor(_OPEN_AT_ONCE) as pool:
        own = dict(zip(files, pool.map(partial(_read_schema, source), files), strict=True))
    carried = _read_carried(source, files, own)
    schemas = {file: _join_schemas(own[file], carried[file]) for file in files}
    _check_types(source, schemas)
    _refuse_lost(source, files, own)
    columns = _agree(source, schemas, partial(_ask, source, files, carried))
    parquet = source.format == "parquet"
    alike = {tuple(schema.items() if parquet else schema) for schema in schemas.values()}
    if len(alike) == 1 and not any(carried.values()) and not (parquet and source.types):
        frame = _scan(source, tuple(files), columns)
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


def scan_text(source: Source, files: Iterable[str]) -> pl.LazyFrame:
    """Plan the reading of CSV with every column as it is written."""
    parts = [
        pl.scan_csv(
            file,
            separator=source.separator,
            null_values=list(source.null_values),
            infer_schema=False,
            glob=False,
            storage_options=scan_options(file),
        )
        for file in files
    ]
    return pl.concat(parts, how="diagonal")


def read_whole(source: Source, file: str) -> None:
    """Read all of a file; SourceError where that cannot be done."""
    schema = _read_schema(source, file)
    names = [[name] for name in schema] if source.format == "ndjson" else [schema.names()]
    for chosen in names:  # of what NDJSON lacks, Polars names no column
        try:
            _scan(source, (file,), schema).select(pl.col(chosen).null_count()).collect()
        except FAILURES as error:
            named = len(names) > 1 and "line" not in first_line(error)
            where = f"column {chosen[0]!r}: " if named else ""
            raise _unreadable(source, file, error, where) from error


def _read_schema(source: Source, file: str) -> pl.Schema:
    try:
        schema = _scan(source, (file,), None).collect_schema()
    except FAILURES as error:
        raise _unreadable(source, file, error) from error
    if not schema:
        raise SourceError(f"{file}: holds no columns")
    if source.format == "csv":
        _check_header(source, file, schema)
    return schema


def _read_carried(
    source: Source, files: Files, own: Mapping[str, pl.Schema]
) -> dict[str, dict[str, pl.Series]]:
    """Give the columns that files have from their folders alone; what both say must agree."""
    texts: dict[str, dict[str, str | None]] = {}
    for file, schema in own.items():
        told = read_folders(file)
        texts[file] = {name: text for name, text in told.items() if name not in schema}
        for name in told.keys() & schema.keys():
            dtype = pl.String() if is_text(schema[name]) else schema[name]
            value = parse_value(name, told[name], dtype, file)
            if not _ask(
                source,
                files,
                {},
                file,
                column_of(name).cast(dtype).eq_missing(_lit(value)),
            ):
                raise SourceRefused(
                    f"{file}: column {name!r} holds other values than {told[name]!r}, which its "
                    "folder says; mend either"
                )
    return type_folders(texts, {name: _TYPES[kind] for name, kind in source.types.items()})


def _join_schemas(schema: pl.Schema, carried: Carried) -> pl.Schema:
    return pl.Schema({**schema, **{name: value.dtype for name, value in carried.items()}})


def _lit(value: pl.Series) -> pl.Expr:
    return pl.lit(value.item(), value.dtype).alias(value.name)


def _check_types(source: Source, schemas: Mapping[str, pl.Schema]) -> None:
    for name in source.types:
        if not any(name in schema for schema in schemas.values()):
            file, schema = next(iter(schemas.items()))
            hint = nearest(name, schema)
            raise DefinitionError(f"[sources] types: {file} has no column {name!r}; {hint}")


def _refuse_lost(source: Source, files: Files, own: Mapping[str, pl.Schema]) -> None:
    """Refuse what a file's text says, or its floats hold, and its columns' types would not."""
    if source.format != "parquet":
        recalled = partial(_recall, source, files)
        with suppress(*FAILURES):  # whoever reads on will hear what is wrong with them
            refuse_lost(_list_numbers(source, own), partial(_scan_as, source, own), recalled)
        return
    bare = source.model_copy(update={"types": {}})
    held = {file: _read_schema(bare, file) for file in (files if source.types else ())}
    for name, kind in source.types.items():
        floats = {file: each[name].is_float() for file, each in held.items() if name in each}
        if kind == "text" and len(set(floats.values())) > 1:
            file = next(each for each in floats if floats[each])
            raise SourceRefused(
                f"{file}: column {name!r} is {held[file][name]}, which reads as other text than in "
                "files where it is no float; write the column as one type"
            )
        for file in files if kind == "integer" else ():
            column, dtype = column_of(name), held[file].get(name, pl.Null())
            if not (dtype.is_float() or dtype.is_decimal()):
                continue
            kept = fits(column, dtype, pl.Int64())
            missing = column.is_null() | (column.is_nan() if dtype.is_float() else False)
            if kept is not None and not _ask(bare, files, {}, file, kept | missing):
                raise SourceRefused(
                    f"{file}: column {name!r} is {dtype} and holds what is no whole number below "
                    "2^53; write whole numbers, or make it a 'number' in types"
                )


def _ask(
    source: Source, files: Files, carried: Mapping[str, Carried], file: str, holds: pl.Expr
) -> bool:
    """Ask of one file whether something holds of all its rows."""

    def find() -> bool:
        rows = _scan(source, (file,), None).with_columns(map(_lit, carried.get(file, {}).values()))
        try:
            return bool(rows.select(holds.all()).collect().item())
        except FAILURES as error:
            raise _unreadable(source, file, error) from error

    return bool(_recall(source, files, file, str(holds), find))


def _recall(source: Source, files: Files, file: str, question: str, find: Callable[[], Any]) -> Any:
    return recall(file, files[file], f"{source.model_dump_json()} {question}", find)


def _list_numbers(
    source: Source, own: Mapping[str, pl.Schema]
) -> dict[str, dict[str, pl.DataType]]:
    """Give each file's columns of inferred numbers; JSON has no whole ones that begin with zero."""
    plain = source.format == "ndjson"
    return {
        file: {
            name: kind
            for name, kind in schema.items()
            if name not in source.types and (kind.is_float() or (kind.is_integer() and not plain))
        }
        for file, schema in own.items()
    }


def _scan_as(
    source: Source, own: Mapping[str, pl.Schema], file: str, kinds: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """Scan columns of CSV or NDJSON as types that may not be those that were inferred."""
    bare = source.model_copy(update={"types": {}})
    held = {**own[file], **kinds} if source.format == "csv" else kinds
    return _scan(bare, (file,), pl.Schema(held)).select(cs.by_name(list(kinds)))


def _check_header(source: Source, file: str, schema: pl.Schema) -> None:
    """Refuse what Polars would read as odd columns: another encoding or separator, twins."""
    names = list(schema)
    if any(sign in name for name in names for sign in ("\ufffd", "\0")):
        raise SourceError(f"{file}: is no UTF-8 text; save it as UTF-8, or mend its format")
    if len(names) == 1 and (others := re.findall(r"[;,|\t]", names[0])):
        raise SourceError(
            f"{file}: has one column, {names[0]!r}; set separator = {others[0]!r} for this source"
        )
    twins = [found[1] for name in names if (found := re.fullmatch(r"(.*)_duplicated_\d+", name))]
    if twins and _read_header(source, file).count(twins[0]) > 1:
        raise SourceError(f"{file}: has two columns named {twins[0]!r}; rename one")


def _read_header(source: Source, file: str) -> tuple[str, ...]:
    first_row = pl.scan_csv(
        file,
        has_header=False,
        separator=source.separator,
        n_rows=1,
        infer_schema=False,
        glob=False,
        storage_options=scan_options(file),
    )
    return first_row.collect().row(0)


def _scan(source: Source, files: tuple[str, ...], schema: pl.Schema | None) -> pl.LazyFrame:
    given = {name: _TYPES[kind] for name, kind in source.types.items()}
    options: dict[str, Any] = {"storage_options": scan_options(files[0])}
    if source.format == "parquet":
        return _convert(pl.scan_parquet(list(files), glob=False, **options), given)
    options |= {"infer_schema_length": _INFERRED_ROWS}
    if source.format == "ndjson":
        held = schema or pl.scan_ndjson(list(files), **options).collect_schema()
        quoted = {name: pl.String() for name, dtype in given.items() if dtype.is_numeric()}
        known = {name: (given | quoted).get(name, dtype) for name, dtype in held.items()}
        return _convert(pl.scan_ndjson(list(files), schema=known, **options), given)
    options |= {"schema_overrides": given} if schema is None else {"schema": schema}
    return pl.scan_csv(
        list(files),
        separator=source.separator,
        null_values=list(source.null_values),
        try_parse_dates=True,
        glob=False,
        **options,
    )


def _scan_alone(
    source: Source, file: str, own: pl.Schema, carried: Carried, columns: pl.Schema
) -> pl.LazyFrame:
    """Scan one file whose columns stand in another order, or have other types, than agreed."""
    theirs = pl.Schema({name: columns[name] for name in own})
    if source.format == "parquet":
        frame = _scan(source, (file,), None).cast(theirs)
    else:
        frame = _scan(source, (file,), theirs)
    added = [_lit(value).cast(columns[name]) for name, value in carried.items()]
    lacking = [name for name in columns if name not in own and name not in carried]
    added += [pl.lit(None, columns[name]).alias(name) for name in lacking]
    return frame.with_columns(added).select(columns.names())


def _convert(frame: pl.LazyFrame, given: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    held = frame.collect_schema() if given else {}
    return frame.with_columns(
        _convert_column(name, held[name], wanted)
        for name, wanted in given.items()
        if name in held and held[name] != wanted
    )


def _convert_column(name: str, held: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if is_text(held) and wanted == pl.Date:
        return column.str.to_date()
    if is_text(held) and wanted == pl.Datetime:
        return column.str.to_datetime(time_unit="us")
    if held.is_numeric() and wanted.is_temporal():
        raise DefinitionError(
            f"[sources] types: column {name!r} is {held}, whose unit nobody knows; make it a time "
            f"in [extract] query, as in CAST({name} * 1000000 AS TIMESTAMP) from seconds"
        )
    if held.is_float() and wanted.is_integer():
        column = column.fill_nan(None)
    return column.cast(wanted)


def _agree(source: Source, schemas: Mapping[str, pl.Schema], ask: Ask) -> pl.Schema:
    """Settle one type a column for all files that hold it."""
    names = tuple(dict.fromkeys(name for schema in schemas.values() for name in schema))
    missing = tuple(name for name in names if any(name not in each for each in schemas.values()))
    if missing and source.missing_columns == "refuse":
        lacking = next(file for file, schema in schemas.items() if missing[0] not in schema)
        having = next(file for file, schema in schemas.items() if missing[0] in schema)
        raise ColumnsMissing(
            f"{lacking}: has no column {missing[0]!r}, which {having} has; add it, name only "
            "files that are alike in [sources], or let it be missing there by "
            'missing_columns = "null"',
            missing,
        )
    return pl.Schema(
        {
            name: settle_type(
                name, {f: each[name] for f, each in schemas.items() if name in each}, ask
            )
            for name in names
        }
    )


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


def _unreadable(source: Source, file: str, error: BaseException, where: str = "") -> SourceError:
    said = first_line(error)
    if not is_bucket(file) and Path(file).is_file() and not Path(file).stat().st_size:
        return SourceError(f"{file}: is empty; write it again, or leave it out")
    hint = next((hint for sign, hint in _HINTS.items() if sign in said), None)
    if hint is None:
        kind = "NDJSON, one object a line" if source.format == "ndjson" else source.format
        hint = f"is it whole, and is it {kind}? if not, set format"
    return SourceError(f"{file}: {where}cannot be read: {said} ({hint})")
