"""Format of a file, and the dialect of CSV: its separator, and whether it has a header.

Not responsible for decimal commas (`decimal_separators`) and the types of columns.
"""

import csv
import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from tasks.core.data_sections import Source
from tasks.core.errors import SourceError, first_line, hide_password
from tasks.core.wording import list_few
from tasks.init.column_statistics import measure
from tasks.init.text_columns import TextColumn
from tasks.sources.file_formats import scan_text
from tasks.sources.files import find_files
from tasks.sources.query import SourceTable
from tasks.storage.store import is_bucket, scan_options

_WRITE_HEADER = "write the columns' names in a line above it"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")


def sniff_source(data: str, project: Path) -> tuple[Source, tuple[str, ...]]:
    """Tell format and separator by what the first file holds; its ending may say another thing.

    SourceError where no file is there, or the first is neither Parquet, nor CSV, nor NDJSON.
    """
    try:
        source = Source.model_validate(data)
    except ValidationError as error:
        hint = "give a path, a glob or an address that begins with s3://"
        raise SourceError(f"{hide_password(data)!r} names no data; {hint}") from error
    files = tuple(find_files(source, project, data))
    kind = source.format if is_bucket(files[0]) else _sniff_format(Path(files[0])) or source.format
    found = {"format": kind} | ({"separator": _sniff_separator(files[0])} if kind == "csv" else {})
    return source.model_copy(update=found), files


def open_as_text(source: Source, files: tuple[str, ...]) -> SourceTable:
    """Open CSV with every column as it is written."""
    rows = scan_text(source, files)
    sources, listed = {"data": source}, {"data": files}
    try:
        columns = rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{source.uri}: cannot be read: {first_line(error)}") from error
    return SourceTable(
        rows=rows, plain=rows, columns=columns, time=None, sources=sources, files=listed
    )


def find_no_header(table: SourceTable, texts: dict[str, TextColumn]) -> str:
    """Say so where the names of a CSV file's columns look like values of its columns."""
    names = {column: re.sub(r"_duplicated_\d+$", "", column).strip() for column in table.columns}
    asked = {
        column: {"": (pl.col(column).str.strip_chars() == name).any()}
        for column, name in names.items()
    }
    among = {column: found[""] for column, found in measure(table, asked).items()}
    numbers = [name for column, name in names.items() if texts[column].number]
    words = [among[column] for column in names if not texts[column].number]
    if not all(_NUMBER.match(name) for name in numbers):
        return ""
    if numbers and not any(words) and (len(numbers) < 2 or _are_steps(numbers)):
        return ""  # years and numbered columns are names
    if not numbers and not (len(words) > 1 and all(words)):
        return ""
    first = list_few([repr(name) for name in names.values()])
    return f"there seems to be no header: the first row ({first}) became names; {_WRITE_HEADER}"


def _are_steps(names: list[str]) -> bool:
    if not all(name.isdecimal() for name in names):
        return False
    steps = {int(after) - int(before) for before, after in pairwise(names)}
    return len(steps) == 1 and (len(names) > 2 or steps == {1})


def _sniff_format(file: Path) -> str | None:
    """Tell the format by the first bytes; a compressed file keeps what its ending says."""
    with file.open("rb") as opened:
        head = opened.read(4096).removeprefix(b"\xef\xbb\xbf")
    if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return None
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.lstrip().startswith(b"[") and file.suffix == ".json":
        raise SourceError(f"{file}: is one JSON array; write one object a line (NDJSON)")
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{file}: is neither Parquet, nor CSV, nor NDJSON")
    return "ndjson" if head.lstrip().startswith(b"{") else "csv"


def _sniff_separator(file: str) -> str:
    """Choose the separator that gives most lines as many fields as the first has, and many."""
    try:
        lines = pl.scan_lines(file, storage_options=scan_options(file)).head(100).collect()
    except pl.exceptions.PolarsError:
        return ","  # whoever reads the file next says what is wrong with it
    return max(",;\t|", key=partial(_fit_separator, lines["line"].to_list()))


def _fit_separator(lines: list[str], separator: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        widths = []
    if not widths or widths[0] == 1:
        return 0.0, 0
    return widths.count(widths[0]) / len(widths), widths[0]
