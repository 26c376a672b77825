"""File formats: how Parquet, CSV and NDJSON are scanned, and what is said where that fails.

Everything is read lazily. Not responsible for files that differ: `files` brings them together.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from tasks.core.data_sections import Source
from tasks.core.errors import DefinitionError, SourceError, first_line
from tasks.core.sql import is_text
from tasks.storage.store import is_bucket, scan_options

FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_INFERRED_ROWS = 100_000
TYPES: dict[str, pl.DataType] = {
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


def scan(source: Source, files: tuple[str, ...], schema: pl.Schema | None) -> pl.LazyFrame:
    """Scan files of one schema; without a `schema`, that of CSV and NDJSON is inferred."""
    given = {name: TYPES[kind] for name, kind in source.types.items()}
    options: dict[str, Any] = {"storage_options": scan_options(files[0])}
    if source.format == "parquet":
        return _convert(pl.scan_parquet(list(files), glob=False, **options), given)
    if source.format == "ndjson":
        options |= {"infer_schema_length": _INFERRED_ROWS}
        held = schema or pl.scan_ndjson(list(files), **options).collect_schema()
        quoted = {name: pl.String() for name, dtype in given.items() if dtype.is_numeric()}
        known = {name: (given | quoted).get(name, dtype) for name, dtype in held.items()}
        return _convert(pl.scan_ndjson(list(files), schema=known, **options), given)
    options = {"schema_overrides": given} if schema is None else {"schema": schema}
    options |= {"null_values": list(source.null_values), "infer_schema_length": _INFERRED_ROWS}
    return _scan_csv(source, files, try_parse_dates=True, **options)


def _scan_csv(source: Source, files: Sequence[str], **options: Any) -> pl.LazyFrame:
    options["storage_options"] = scan_options(files[0])
    return pl.scan_csv(list(files), separator=source.separator, glob=False, **options)


def scan_as(
    source: Source, own: Mapping[str, pl.Schema], file: str, kinds: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """Scan columns of CSV or NDJSON as types that may not be those that were inferred."""
    bare = source.model_copy(update={"types": {}})
    held = {**own[file], **kinds} if source.format == "csv" else kinds
    return scan(bare, (file,), pl.Schema(held)).select(cs.by_name(list(kinds)))


def scan_text(source: Source, files: Iterable[str]) -> pl.LazyFrame:
    """Plan the reading of CSV with every column as it is written."""
    options: dict[str, Any] = {"null_values": list(source.null_values), "infer_schema": False}
    return pl.concat([_scan_csv(source, [file], **options) for file in files], how="diagonal")


def read_whole(source: Source, file: str) -> None:
    """Read all of a file; SourceError where that cannot be done."""
    schema = read_schema(source, file)
    names = [[name] for name in schema] if source.format == "ndjson" else [schema.names()]
    for chosen in names:  # of what NDJSON lacks, Polars names no column
        try:
            scan(source, (file,), schema).select(pl.col(chosen).null_count()).collect()
        except FAILURES as error:
            named = len(names) > 1 and "line" not in first_line(error)
            where = f"column {chosen[0]!r}: " if named else ""
            raise unreadable(source, file, error, where) from error


def read_schema(source: Source, file: str) -> pl.Schema:
    """Read a file's columns and their types; SourceError where it holds none or cannot be read."""
    try:
        schema = scan(source, (file,), None).collect_schema()
    except FAILURES as error:
        raise unreadable(source, file, error) from error
    if not schema:
        raise SourceError(f"{file}: holds no columns")
    if source.format == "csv":
        _check_header(source, file, schema)
    return schema


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
    if twins:
        first_row = _scan_csv(source, [file], has_header=False, n_rows=1, infer_schema=False)
        if first_row.collect().row(0).count(twins[0]) > 1:
            raise SourceError(f"{file}: has two columns named {twins[0]!r}; rename one")


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


def unreadable(source: Source, file: str, error: BaseException, where: str = "") -> SourceError:
    """Explain why a file cannot be read, with a hint what would help."""
    said = first_line(error)
    if not is_bucket(file) and Path(file).is_file() and not Path(file).stat().st_size:
        return SourceError(f"{file}: is empty; write it again, or leave it out")
    hint = next((hint for sign, hint in _HINTS.items() if sign in said), None)
    if hint is None:
        kind = "NDJSON, one object a line" if source.format == "ndjson" else source.format
        hint = f"is it whole, and is it {kind}? if not, set format"
    return SourceError(f"{file}: {where}cannot be read: {said} ({hint})")
