"""Reading: what a source that nobody has described needs so that every column gets its type.

Owns formats, separators, headers, types and what stands for missing. Refuses to know how numbers
and dates are written (numerals, dates) and what the columns are for: no target, no event time.
"""

import csv
import re
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, ValidationError

from tasks.core.data_sections import Extract, Source
from tasks.core.definition import Definition, Frozen, Target
from tasks.core.errors import (
    ColumnsMissing,
    NumbersLost,
    SourceChanged,
    SourceError,
    first_line,
    hide_password,
)
from tasks.core.sql import quote_name
from tasks.init.column_measures import count_values, measure
from tasks.init.number_formats import (
    Script,
    count_marks,
    count_plain,
    is_code,
    is_worth_a_look,
    settle_script,
    tell_decimal,
    tell_mixed,
)
from tasks.sources.files import find_files, scan_text
from tasks.sources.query import SourceTable, collect, event_time, open_table, plan_query
from tasks.storage.store import is_bucket, scan_options

_MISSING = (
    *("?", "NA", "na", "N/A", "n/a", "<NA>", "NaN", "nan", "NaT", "NULL", "null", r"\N"),
    *("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!", "-", "--", ""),
)
_LEVELS = ("-", "--", "")  # signs for missing that may be one of two values: plus and minus
_MOST_WORDS, _MOST_CODES, _NUMBERS = 3, 20, 0.9  # few words among many numbers mean missing
_WRITE_HEADER = "write the columns' names in a line above it"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
_PATTERN = re.compile(r"\*$|\^.*\$$", re.DOTALL)  # names that Polars takes for many columns


class InferredTypes(Frozen):
    """How a table is read: its source, and what its query mends. `missing` is by column."""

    name: str
    source: Source
    missing: dict[str, tuple[str, ...]] = Field(default={})
    mended: dict[str, str] = Field(default={})
    notes: tuple[str, ...] = ()
    no_header: str = ""
    time: str | None = None
    timed_rows_only: bool = False

    @property
    def query(self) -> str | None:
        """Give the SQL that mends columns and leaves out rows without a time, where any must."""
        if not (self.mended or self.timed_rows_only):
            return None
        mended = ",\n".join(f"  {sql} AS {quote_name(name)}" for name, sql in self.mended.items())
        chosen = f"SELECT * REPLACE (\n{mended}\n)\n" if mended else "SELECT *\n"
        time = self.mended.get(self.time or "", quote_name(self.time or ""))
        only_timed = f"WHERE {time} IS NOT NULL\n"
        kept = only_timed if self.timed_rows_only else ""
        return f"{chosen}FROM {quote_name(self.name)}\n{kept}"

    def define(self, *, timed: bool = True) -> Definition:
        """Say as much of a definition as it takes to open the table, or to know its time."""
        return Definition(
            name="draft",
            sources={self.name: self.source},
            extract=Extract(query=None, time=self.time if timed else None),
            target=Target(value="1", kind="regression"),
            features=None,
        )

    def mend(self, opened: SourceTable) -> SourceTable:
        """Run the query over the opened source; to open it again would infer every type again."""
        rows = plan_query(self.query, {self.name: opened.rows})
        columns = rows.collect_schema()
        time = event_time(self.define(), columns)
        return opened.model_copy(update={"rows": rows, "columns": columns, "time": time})


class Form(Frozen):
    """How a text column writes its values. `number` is SQL that reads them as numbers.

    `tolerant` is the same where texts that are no number are missing. `levels` look like signs for
    missing, but are values here: the minus of plus and minus. `code` is text that is no number,
    though it may read like one: 007, or more digits than a number keeps.
    """

    number: str | None = None
    tolerant: str | None = None
    plain: bool = False
    whole: bool = False
    code: bool = False
    missing: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    note: str = ""
    doubt: str = ""


def read_table(data: str, name: str, project: Path) -> tuple[InferredTypes, SourceTable]:
    """Find out how the files are to be read so that every column gets its type."""
    source, files = sniff_source(data, project)
    reading = InferredTypes(name=name, source=source)
    if source.format != "csv":
        return _read_typed(*_open_lossless(reading, project))
    as_text = open_as_text(source, files)
    _refuse_patterns(as_text)
    forms = study_texts(as_text, source.separator)
    missing = {column: form.missing for column, form in forms.items() if form.missing}
    levels = {token for form in forms.values() for token in form.levels}
    tokens = {token for each in missing.values() for token in each} - levels
    source = source.model_copy(update={"null_values": tuple(sorted(tokens))})
    no_header = find_no_header(as_text, forms)
    if no_header and any("_duplicated_" in column for column in as_text.columns):
        raise SourceError(f"{files[0]}: {no_header}")
    notes = (no_header,) * bool(no_header) + list_notes(forms)
    reading = InferredTypes(
        name=name, source=source, missing=missing, notes=notes, no_header=no_header
    )
    reading, opened = _settle_types(reading, forms, project)
    mended = {  # what stands for missing in one column may be a value in another
        column: form.number if tokens.issuperset(form.missing) else form.tolerant or ""
        for column, form in forms.items()
        if form.number and opened.columns[column] == pl.String
    }
    return reading.model_copy(update={"mended": mended}), opened


def _read_typed(reading: InferredTypes, opened: SourceTable) -> tuple[InferredTypes, SourceTable]:
    """Mend the texts of a file with types: whole numbers that it keeps as text are names."""
    _refuse_patterns(opened)
    forms = {
        column: form
        for column, form in study_texts(opened, reading.source.separator).items()
        if form.doubt or (form.number and (form.missing or not (form.plain and form.whole)))
    }
    change = {
        "missing": {column: form.missing for column, form in forms.items() if form.missing},
        "mended": {
            column: form.tolerant if form.missing else form.number
            for column, form in forms.items()
            if form.number
        },
        "notes": (*reading.notes, *list_notes(forms)),
    }
    return reading.model_copy(update=change), opened


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


def sniff_source(data: str, project: Path) -> tuple[Source, tuple[str, ...]]:
    """Tell format and separator by what the first file holds; its ending may say another thing."""
    try:
        source = Source.model_validate(data)
    except ValidationError as error:
        hint = "give a path, a glob or an address that begins with s3://"
        raise SourceError(f"{hide_password(data)!r} names no data; {hint}") from error
    files = tuple(find_files(source, project, data))
    kind = source.format if is_bucket(files[0]) else _sniff_format(Path(files[0])) or source.format
    found = {"format": kind} | ({"separator": _sniff_separator(files[0])} if kind == "csv" else {})
    return source.model_copy(update=found), files


def give_types(reading: InferredTypes, types: dict[str, str]) -> InferredTypes:
    source = reading.source.model_copy(update={"types": reading.source.types | types})
    return reading.model_copy(update={"source": source})


def study_texts(table: SourceTable, separator: str) -> dict[str, Form]:
    """Tell for each text column whether it holds numbers, and what stands for missing."""
    values = {
        name: (text := pl.col(name).str.strip_chars()).filter(~text.is_in(_MISSING))
        for name, dtype in table.columns.items()
        if dtype == pl.String
    }
    counts = measure(table, {name: count_plain(each) for name, each in values.items()})
    likely = {name: each for name, each in values.items() if is_worth_a_look(counts[name])}
    marks = {name: count_marks(each) for name, each in count_values(table, likely)}
    decimal = tell_decimal(counts.values(), marks.values(), separator)
    scripts = {
        name: settle_script(each, marks.get(name), _share_of_numbers(each), decimal)
        for name, each in counts.items()
    }
    odd = {}
    for name, script in scripts.items():
        different = pl.col(name).unique(maintain_order=True)
        text = different.str.strip_chars()
        strange = text.is_in(_MISSING) | (~script.fits(text) if script else False)
        odd[name] = {"tokens": different.filter(strange).implode()}
    return {
        name: _settle_form(name, each["tokens"], counts[name], marks.get(name), scripts[name])
        for name, each in measure(table, odd).items()
    }


def list_notes(forms: dict[str, Form]) -> tuple[str, ...]:
    """Say what is read otherwise than it is written, and where another reading fits too."""
    mended = [f"{name} ({form.note})" for name, form in forms.items() if form.note]
    codes = [name for name, form in forms.items() if form.code]
    notes = [f"read as numbers: {list_few(mended)}"] if mended else []
    if codes:
        notes.append(f"kept as text, for 007 is not 7: {list_few(codes)}")
    return *notes, *(f"{name}: {form.doubt}" for name, form in forms.items() if form.doubt)


def list_few(words: Sequence[str]) -> str:
    shown = ", ".join(words[:4])
    return f"{shown} and {len(words) - 4} more" if len(words) > 4 else shown


def find_no_header(table: SourceTable, forms: dict[str, Form]) -> str:
    """Say so where the names of a CSV file's columns look like values of its columns."""
    names = {column: re.sub(r"_duplicated_\d+$", "", column).strip() for column in table.columns}
    asked = {
        column: {"": (pl.col(column).str.strip_chars() == name).any()}
        for column, name in names.items()
    }
    among = {column: found[""] for column, found in measure(table, asked).items()}
    numbers = [name for column, name in names.items() if forms[column].number]
    texts = [among[column] for column in names if not forms[column].number]
    if not all(_NUMBER.match(name) for name in numbers):
        return ""
    if numbers and not any(texts) and (len(numbers) < 2 or _are_steps(numbers)):
        return ""  # years and numbered columns are names
    if not numbers and not (len(texts) > 1 and all(texts)):
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
        return 0.0, 0
    if not widths or widths[0] == 1:
        return 0.0, 0
    return widths.count(widths[0]) / len(widths), widths[0]


def _settle_types(
    reading: InferredTypes, forms: dict[str, Form], project: Path
) -> tuple[InferredTypes, SourceTable]:
    """Keep as text what Polars would read as another number, or as none.

    Its first rows promise Polars a column's type; the last ones may not keep it.
    """
    reading, opened = _open_lossless(reading, project)
    texts = {
        column: "text"
        for column, dtype in opened.columns.items()
        if dtype.is_numeric() and column in forms  # the others are of folders
        if forms[column].code or (forms[column].number and not forms[column].plain)
    }
    if texts:
        reading = give_types(reading, texts)
        opened = open_table(reading.define(), project)
    try:
        collect(opened, opened.rows.null_count())
        return reading, opened
    except SourceChanged:
        raise
    except SourceError:
        pass
    types = {}
    for column in opened.columns:
        try:
            collect(opened, opened.rows.select(pl.col(column).null_count()))
        except SourceError:
            types[column] = "number" if forms[column].plain else "text"
    reading = give_types(reading, types)
    return reading, open_table(reading.define(), project)


def _share_of_numbers(counts: dict[str, int]) -> float:
    """Give the share of values that must be numbers; among few codes a word is one more code."""
    return 1.0 if counts["distinct"] <= _MOST_CODES else _NUMBERS


def _open_lossless(reading: InferredTypes, project: Path) -> tuple[InferredTypes, SourceTable]:
    """Open a source with each column as text whose numbers would not be those that are written.

    A column that not every file has, as those that came later, is null where it is missing.
    """
    while True:
        try:
            return reading, open_table(reading.define(), project)
        except NumbersLost as lost:
            reading = give_types(reading, {lost.column: "text"})
        except ColumnsMissing as some:
            source = reading.source.model_copy(update={"missing_columns": "null"})
            note = f"not in every file, and null where missing: {list_few(some.columns)}"
            reading = reading.model_copy(update={"source": source, "notes": (*reading.notes, note)})


def _settle_form(
    name: str,
    found: list[str],
    counts: dict[str, int],
    marks: dict[str, Any] | None,
    script: Script | None,
) -> Form:
    signs = tuple(sorted(token for token in found if token.strip() in _MISSING))
    words = [token for token in found if token.strip() not in _MISSING]
    wordy = len(words) > _MOST_WORDS or any(re.search(r"\d", word) for word in words)
    example = (marks or {}).get("example") or ""
    if script and not wordy:
        return Form(
            number=script.write(name, "CAST"),
            tolerant=script.write(name, "TRY_CAST"),
            plain=script.plain,
            whole=script.whole,
            missing=tuple(sorted(found)),
            note=f"{example!r} is {script.read(example)}" if not script.plain else "",
            doubt=_doubt(script, example),
        )
    levels = [token for token in signs if counts["distinct"] < 2 and token.strip() in _LEVELS]
    code = is_code(counts, _share_of_numbers(counts))
    mixed = f"numbers in more than one form, as in {example!r}: kept as text, mend it in the file"
    return Form(
        missing=tuple(sorted({*signs} - {*levels})),
        levels=tuple(levels),
        code=code,
        doubt=mixed if marks and not code and tell_mixed(counts, marks) else "",
    )


def _doubt(script: Script, example: str) -> str:
    if script.sure:
        return ""
    mark = script.thousands or script.decimal
    other = "a decimal mark" if script.thousands else "a mark of thousands"
    return f"{example!r} is read as {script.read(example)}, but {mark!r} could be {other}, too"


def _refuse_patterns(table: SourceTable) -> None:
    for column in table.columns:
        if _PATTERN.match(column):
            raise SourceError(
                f"column {column!r} reads as a pattern of names; rename it in the file"
            )
