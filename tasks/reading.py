"""Reading: what a source that nobody has described needs so that every column gets its type.

Owns formats, separators, what stands for missing, and numbers and dates written as text. Refuses
to know what the columns are for: no target, no event time.
"""

import csv
import re
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, ValidationError

from tasks.definition import Definition, Extract, Frozen, Source, Target
from tasks.errors import SourceError, first_line, hide_password
from tasks.expressions import quote_name
from tasks.files import find_files, scan_text
from tasks.sources import Table, collect, event_time, open_table, plan_query
from tasks.store import is_bucket, scan_options

_MISSING = ("?", "NA", "na", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "-", "--", "")
_LEVELS = ("-", "--", "")  # signs for missing that may be one of two values: plus and minus
_MOST_WORDS, _MOST_CODES, _NUMBERS = 3, 20, 0.9  # few words among many numbers mean missing
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMAS = {";": (r"^[+-]?\d+(,\d+)?$", ".")}  # where fields end in ;, a comma is decimal
_THOUSANDS = (r"^[+-]?\d{1,3}(,\d{3})*(\.\d+)?$", "")
_WHOLE, _ZERO_LED = r"^[+-]?\d{1,18}$", r"^[+-]?0\d"
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%m/%d/%y")
_MORE_DAYS = ("%d-%m-%Y", "%Y%m%d", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")
_ISO_CLOCKS = ("T%H:%M", "T%H:%M:%S", "T%H:%M:%S%.f", "T%H:%M:%S%.f%#z", " %H:%M:%S%.f%#z")
_FEWEST_DIGITS = 4  # as in 1/2/13
_PATTERN = re.compile(r"\*$|\^.*\$$", re.DOTALL)  # names that Polars takes for many columns


class Reading(Frozen):
    """How a table is read: its source, and what its query mends. `missing` is by column."""

    name: str
    source: Source
    missing: dict[str, tuple[str, ...]] = Field(default={})
    mended: dict[str, str] = Field(default={})
    time: str | None = None
    timed_rows_only: bool = False

    @property
    def query(self) -> str | None:
        """Give the SQL that mends columns and leaves out rows without a time, where any must."""
        if not (self.mended or self.timed_rows_only):
            return None
        mended = ",\n".join(f"  {sql} AS {quote_name(name)}" for name, sql in self.mended.items())
        chosen = f"SELECT * REPLACE (\n{mended}\n)\n" if mended else "SELECT *\n"
        only_timed = f"WHERE {quote_name(self.time or '')} IS NOT NULL\n"
        kept = only_timed if self.timed_rows_only else ""
        return f"{chosen}FROM {quote_name(self.name)}\n{kept}"

    def define(self) -> Definition:
        """Say as much of a definition as it takes to open the table."""
        return Definition(
            name="draft",
            sources={self.name: self.source},
            extract=Extract(query=None, time=self.time),
            target=Target(value="1", kind="regression"),
            features=None,
        )

    def mend(self, opened: Table) -> Table:
        """Run the query over the opened source; to open it again would infer every type again."""
        rows = plan_query(self.query, {self.name: opened.rows})
        columns = rows.collect_schema()
        time = event_time(self.define(), columns)
        return opened.model_copy(update={"rows": rows, "columns": columns, "time": time})


class Form(Frozen):
    """How a text column writes its values. `number` is SQL that reads them as numbers.

    `levels` look like signs for missing, but are values here: the minus of plus and minus.
    """

    number: str | None = None
    plain: bool = False
    missing: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()


def read_table(data: str, name: str, project: Path) -> tuple[Reading, Table]:
    """Find out how the files are to be read so that every column gets its type."""
    source, files = sniff_source(data, project)
    reading = Reading(name=name, source=source)
    if source.format != "csv":
        opened = open_table(reading.define(), project)
        _refuse_patterns(opened)
        forms = study_texts(opened, source.separator)
        forms = {column: form for column, form in forms.items() if form.number and form.missing}
        missing = {column: form.missing for column, form in forms.items()}
        mended = {column: f"TRY_{form.number}" for column, form in forms.items()}
        return Reading(name=name, source=source, missing=missing, mended=mended), opened
    as_text = open_as_text(source, files)
    _refuse_patterns(as_text)
    forms = study_texts(as_text, source.separator)
    missing = {column: form.missing for column, form in forms.items() if form.missing}
    levels = {token for form in forms.values() for token in form.levels}
    tokens = {token for each in missing.values() for token in each} - levels
    source = source.model_copy(update={"null_values": tuple(sorted(tokens))})
    reading = reading.model_copy(update={"source": source, "missing": missing})
    reading, opened = _settle_types(reading, forms, project)
    mended = {  # what stands for missing in one column may be a value in another
        column: form.number if tokens.issuperset(form.missing) else f"TRY_{form.number}"
        for column, form in forms.items()
        if form.number and opened.columns[column] == pl.String
    }
    return reading.model_copy(update={"mended": mended}), opened


def open_as_text(source: Source, files: tuple[str, ...]) -> Table:
    """Open CSV with every column as it is written."""
    rows = scan_text(source, files)
    sources, listed = {"data": source}, {"data": files}
    try:
        columns = rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{source.uri}: cannot be read: {first_line(error)}") from error
    return Table(rows=rows, plain=rows, columns=columns, time=None, sources=sources, files=listed)


def sniff_source(data: str, project: Path) -> tuple[Source, tuple[str, ...]]:
    """Tell format and separator by what the first file holds; its ending may say another thing."""
    try:
        source = Source.model_validate(data)
    except ValidationError as error:
        hint = "give a path, a glob or an address that begins with s3://"
        raise SourceError(f"{hide_password(data)!r} names no data; {hint}") from error
    files = find_files(source, project, data)
    kind = source.format if is_bucket(files[0]) else _sniff_format(Path(files[0])) or source.format
    found = {"format": kind} | ({"separator": _sniff_separator(files[0])} if kind == "csv" else {})
    return source.model_copy(update=found), files


def study_texts(table: Table, separator: str) -> dict[str, Form]:
    """Tell for each text column whether it holds numbers, and what stands for missing."""
    comma, instead = _COMMAS.get(separator, _THOUSANDS)
    trimmed = {
        name: pl.col(name).str.strip_chars()
        for name, dtype in table.columns.items()
        if dtype == pl.String
    }
    counts = measure(table, {name: _count_forms(text, comma) for name, text in trimmed.items()})
    odd = {}
    for name, text in trimmed.items():
        expected = text.str.contains(_PLAIN if _is_plain(counts[name]) else comma)
        strange = text.is_in(_MISSING) | (~expected & _is_number(counts[name]))
        odd[name] = {"tokens": pl.col(name).filter(strange).unique().implode()}
    return {
        name: _settle_form(name, found["tokens"], counts[name], instead)
        for name, found in measure(table, odd).items()
    }


def find_date_formats(table: Table, column: str, first: str) -> tuple[str, ...]:
    """List the formats by which every value of a column is a day between 1900 and 2200.

    The column's first value, known already, spares most columns the reading of the rest.
    """
    if sum(map(str.isdigit, first)) < _FEWEST_DIGITS:
        return ()
    formats = [day + clock for day in _DAYS + _MORE_DAYS for clock in _CLOCKS]
    formats += [day + clock for day in _DAYS[:2] for clock in _ISO_CLOCKS]
    formats = [each for each in formats if _are_dates(pl.Series([first]), each).all()]
    if not formats:
        return ()
    text = pl.col(column).cast(pl.String).drop_nulls()
    fits = [_are_dates(text, each).all().alias(each) for each in formats]
    row = collect(table, table.rows.select(fits)).row(0)
    return tuple(each for each, fit in zip(formats, row, strict=True) if fit)


def read_otherwise(reading: Reading, table: Table, column: str) -> str:
    """Say when a date's text could be read in a second way."""
    if reading.source.format != "csv":
        return ""
    table = open_as_text(reading.source, table.files[reading.name])
    first = collect(table, table.rows.select(pl.col(column).drop_nulls().first())).item()
    formats = find_date_formats(table, column, first)
    return f"; read as {formats[0]}, and {formats[1]} fits too" if len(formats) > 1 else ""


def measure(table: Table, measures: dict[str, dict[str, pl.Expr]]) -> dict[str, dict[str, Any]]:
    """Measure several things of several columns in one pass."""
    structs = [
        pl.struct(what.alias(key) for key, what in each.items()).alias(str(place))
        for place, each in enumerate(measures.values())
    ]
    found = collect(table, table.rows.select(structs)).row(0) if structs else ()
    return dict(zip(measures, found, strict=True))


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
        return 0.0, 0
    if not widths or widths[0] == 1:
        return 0.0, 0
    return widths.count(widths[0]) / len(widths), widths[0]


def _settle_types(reading: Reading, forms: dict[str, Form], project: Path) -> tuple[Reading, Table]:
    """Give a type to each column whose first rows promise another one than its last rows keep."""
    opened = open_table(reading.define(), project)
    try:
        collect(opened, opened.rows.null_count())
        return reading, opened
    except SourceError:
        pass
    types = {}
    for column in opened.columns:
        try:
            collect(opened, opened.rows.select(pl.col(column).null_count()))
        except SourceError:
            types[column] = "number" if forms[column].plain else "text"
    source = reading.source.model_copy(update={"types": types})
    reading = reading.model_copy(update={"source": source})
    return reading, open_table(reading.define(), project)


def _count_forms(text: pl.Expr, comma: str) -> dict[str, pl.Expr]:
    values = text.filter(~text.is_in(_MISSING))
    return {
        "values": values.len(),
        "distinct": values.n_unique(),
        "plain": values.str.contains(_PLAIN).sum(),
        "comma": values.str.contains(comma).sum(),
        "whole": values.str.contains(_WHOLE).sum(),
        "codes": values.str.contains(_ZERO_LED).sum(),
    }


def _is_plain(counts: dict[str, int]) -> bool:
    return counts["plain"] >= counts["comma"]


def _is_number(counts: dict[str, int]) -> bool:
    numbers = max(counts["plain"], counts["comma"])
    few = counts["distinct"] <= _MOST_CODES  # among few codes a word is one more code
    return 0 < numbers >= counts["values"] * (1 if few else _NUMBERS) and not counts["codes"]


def _settle_form(name: str, found: list[str], counts: dict[str, int], instead: str) -> Form:
    signs = tuple(sorted(token for token in found if token.strip() in _MISSING))
    words = [token for token in found if token.strip() not in _MISSING]
    wordy = len(words) > _MOST_WORDS or any(re.search(r"\d", word) for word in words)
    if _is_number(counts) and not wordy:
        return Form(
            number=_write_cast(name, counts, instead),
            plain=_is_plain(counts),
            missing=tuple(sorted(found)),
        )
    levels = [token for token in signs if counts["distinct"] < 2 and token.strip() in _LEVELS]
    return Form(missing=tuple(sorted({*signs} - {*levels})), levels=tuple(levels))


def _write_cast(name: str, counts: dict[str, int], instead: str) -> str:
    text = f"TRIM({quote_name(name)})"
    if not _is_plain(counts):
        text = f"REPLACE({text}, ',', '{instead}')"
    return f"CAST({text} AS {'BIGINT' if counts['whole'] == counts['values'] else 'DOUBLE'})"


def _are_dates(text: pl.Expr | pl.Series, form: str) -> Any:
    parsed = text.str.to_datetime(form, strict=False, time_unit="us")
    return parsed.dt.year().is_between(1900, 2200).fill_null(False)


def _refuse_patterns(table: Table) -> None:
    for column in table.columns:
        if _PATTERN.match(column):
            raise SourceError(
                f"column {column!r} reads as a pattern of names; rename it in the file"
            )
