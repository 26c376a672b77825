"""The files of one source, opened as one table: formats, types, and which file is at fault.

Owns what Parquet, CSV and NDJSON need to be read lazily, and one type a column where files differ.
Refuses to know what the table is for.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tasks.definition import Source
from tasks.errors import DefinitionError, SourceError, first_line, nearest
from tasks.expressions import is_text
from tasks.store import digest_source, is_bucket, list_files, scan_options

FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_INFERRED_ROWS = 100_000
_OPEN_AT_ONCE, _DIGESTED_AT_ONCE = 16, 8
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


def find_files(source: Source, project: Path, where: str) -> tuple[str, ...]:
    """List a source's files, relative ones from the project's folder."""
    uri = source.uri if is_bucket(source.uri) else str(project / Path(source.uri).expanduser())
    files = tuple(list_files(uri))
    if not files:
        raise SourceError(f"{where}: no file matches {uri}; {_nearest_file(uri)}")
    return files


def digest_files(files: Iterable[str]) -> str:
    """Identify what files hold together, whatever they are called."""
    with ThreadPoolExecutor(_DIGESTED_AT_ONCE) as pool:
        return hashlib.sha256("".join(pool.map(digest_source, files)).encode()).hexdigest()


def scan_source(source: Source, files: tuple[str, ...]) -> pl.LazyFrame:
    """Plan the reading of files that must agree on their columns; errors name the file.

    Small integers get room for arithmetic, where Polars would wrap around without a word: month
    stored in 8 bits could not be multiplied by 100, nor what has no sign be subtracted.
    """
    with ThreadPoolExecutor(_OPEN_AT_ONCE) as pool:
        schemas = dict(zip(files, pool.map(partial(_read_schema, source), files), strict=True))
    columns = _agree(source, schemas)
    parquet = source.format == "parquet"
    alike = {tuple(schema.items() if parquet else schema) for schema in schemas.values()}
    if len(alike) == 1 and not (parquet and source.types):
        frame = _scan(source, files, columns)
    else:
        frame = pl.concat([_scan_alone(source, file, schemas[file], columns) for file in files])
    if source.format == "csv":
        if set(columns.dtypes()) == {pl.String} and _has_no_rows(frame):
            raise SourceError(f"{files[0]}: holds no rows")
        # Polars leaves the quotes in a header's name doubled.
        frame = frame.rename({name: name.replace('""', '"') for name in columns if '""' in name})
    return frame.with_columns(
        pl.col(pl.Int8, pl.Int16, pl.UInt8, pl.UInt16).cast(pl.Int32),
        pl.col(pl.UInt32).cast(pl.Int64),
    )


def scan_text(source: Source, files: tuple[str, ...]) -> pl.LazyFrame:
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
    for name in source.types:
        if name not in schema:
            hint = nearest(name, schema)
            raise DefinitionError(f"[sources] types: {file} has no column {name!r}; {hint}")
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


def _scan_alone(source: Source, file: str, schema: pl.Schema, columns: pl.Schema) -> pl.LazyFrame:
    """Scan one file whose columns stand in another order, or have other types, than agreed."""
    if source.format == "parquet":
        frame = _scan(source, (file,), None).cast(columns)
    else:
        frame = _scan(source, (file,), pl.Schema({name: columns[name] for name in schema}))
    return frame.select(columns.names())


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
    return column.cast(wanted)


def _agree(source: Source, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
    """Settle one type a column for all files."""
    first, columns = next(iter(schemas.items()))
    for file, schema in schemas.items():
        for name in [*columns, *schema]:
            if name not in schema or name not in columns:
                lacking, having = (file, first) if name not in schema else (first, file)
                raise SourceError(
                    f"{lacking}: has no column {name!r}, which {having} has; add it, or name only "
                    "files that are alike in [sources]"
                )
    return pl.Schema(
        {
            name: _settle_type(source, name, {file: each[name] for file, each in schemas.items()})
            for name in columns
        }
    )


def _settle_type(source: Source, name: str, types: Mapping[str, pl.DataType]) -> pl.DataType:
    """Find a column's type; files in which it is all missing have no say."""
    if (agreed := _common(types.values())) is not None:
        return agreed
    held = {file: dtype for file, dtype in types.items() if not _is_missing(source, file, name)}
    if (agreed := _common(held.values())) is not None:
        return agreed
    first, *others = held
    file = next((each for each in others if _common([held[first], held[each]]) is None), others[-1])
    raise SourceError(
        f"{file}: column {name!r} is {held[file]}, but {held[first]} in {first}; mend the file, or "
        "give the column's type in types"
    )


def _common(dtypes: Iterable[pl.DataType]) -> pl.DataType | None:
    """Find the type that holds all of these without loss; None where there is none."""
    common, *others = dict.fromkeys(dtypes) or [pl.Null()]
    for dtype in others:
        if (wider := _wider(common, dtype)) is None:
            return None
        common = wider
    return common


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if one.is_numeric() and other.is_numeric():
        both = pl.DataFrame([pl.Series("a", [None], one), pl.Series("b", [None], other)])
        return both.select(pl.coalesce("a", "b")).dtypes[0]
    if is_text(one) and is_text(other):
        return pl.String()
    zones = {getattr(dtype, "time_zone", None) for dtype in (one, other)}
    if {one.base_type(), other.base_type()} <= {pl.Date, pl.Datetime} and len(zones) == 1:
        return pl.Datetime("us", zones.pop())
    return None


def _is_missing(source: Source, file: str, column: str) -> bool:
    return bool(
        _scan(source, (file,), None).select(pl.col(column).is_null().all()).collect().item()
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
