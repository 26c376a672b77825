"""What a table turns out to be when nobody has described it: how to read it, what columns hold.

Owns separators, what stands for missing, numbers and dates written as text, the event time, and
which columns give the target away, alone or added up. Refuses to know what a definition says:
that is drafting's.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field, ValidationError

from tasks.definition import Definition, Extract, Frozen, Kind, Source, Target
from tasks.errors import DefinitionError, SourceError, first_line, nearest
from tasks.expressions import compile_expression, is_text, quote_name
from tasks.files import find_files
from tasks.metrics import Array, area_under_curve
from tasks.sources import Table, collect, event_time, open_table, plan_query
from tasks.store import is_bucket, scan_options

LISTED = 30  # text with more levels is not listed
SAMPLE = 20_000  # rows on which columns are tried alone

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
_PATTERN = re.compile(r"\*$|\^.*\$$", re.DOTALL)  # names that Polars takes for many columns
_FEWEST, _BIN_ROWS = 100, {"regression": 5}
_FEWEST_DIGITS, _FEWEST_TIMES = 4, 20  # digits as in 1/2/13
_EXACT = 1e-6  # of the target's spread: what is left where columns add up to the target


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


class Facts(Frozen, arbitrary_types_allowed=True):
    """What one column holds. `nulls` counts NaN too; `levels` are counted where they are few."""

    dtype: pl.DataType
    rows: int
    nulls: int = 0
    distinct: int = 0
    infinite: int = 0
    first: Any = None
    least: float | None = None
    greatest: float | None = None
    levels: dict[str, int] | None = None

    @property
    def values(self) -> int:
        return self.rows - self.nulls


class Event(Frozen):
    """The column with the event time, if there is one, and what was seen of it."""

    column: str | None = None
    note: str = ""
    future: int = 0


class Survey(Frozen, arbitrary_types_allowed=True):
    """A table as it is to be read, and what was seen in it."""

    data: str
    target: str
    reading: Reading
    table: Table
    facts: dict[str, Facts]
    event: Event

    @property
    def rows(self) -> int:
        return self.facts[self.target].rows


def survey_table(
    data: str, target: str, time: str | None, key: tuple[str, ...], project: Path
) -> Survey:
    """Look at a table that was never described; refuse it where no model can come of it."""
    name = re.sub(r"^(?=\d)", "t", slug(Path(data).name.partition(".")[0], "_")) or "data"
    reading, opened = read_table(data, name, project)
    table = reading.mend(opened)
    _refuse_unknown(table, target, time, key)
    facts = gather_facts(table)
    if not facts[target].rows:
        raise SourceError(f"{data}: holds no rows")
    reading, event = settle_time(reading, table, facts, target, time)
    table = reading.mend(opened)
    if event.column and reading.query:
        facts = gather_facts(table)
    return Survey(data=data, target=target, reading=reading, table=table, facts=facts, event=event)


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
    rows = pl.concat(parts, how="diagonal")
    sources, listed = {"data": source}, {"data": files}
    try:
        columns = rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{source.uri}: cannot be read: {first_line(error)}") from error
    return Table(rows=rows, columns=columns, time=None, sources=sources, files=listed)


def sniff_source(data: str, project: Path) -> tuple[Source, tuple[str, ...]]:
    """Tell format and separator by what the first file holds; its ending may say another thing."""
    try:
        source = Source.model_validate(data)
    except ValidationError as error:
        hint = "give a path, a glob or an address that begins with s3://"
        raise SourceError(f"{data!r} names no data; {hint}") from error
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
    counts = _measure(table, {name: _count_forms(text, comma) for name, text in trimmed.items()})
    odd = {}
    for name, text in trimmed.items():
        expected = text.str.contains(_PLAIN if _is_plain(counts[name]) else comma)
        strange = text.is_in(_MISSING) | (~expected & _is_number(counts[name]))
        odd[name] = {"tokens": pl.col(name).filter(strange).unique().implode()}
    return {
        name: _settle_form(name, found["tokens"], counts[name], instead)
        for name, found in _measure(table, odd).items()
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


def find_dates(table: Table, facts: dict[str, Facts], given: str | None = None) -> dict[str, str]:
    """Find the columns that hold dates, and the SQL that reads each of them as a date."""
    dates = {}
    for column, fact in facts.items():
        sql = write_column(column, table.columns)
        if isinstance(fact.dtype, pl.Datetime) or fact.dtype == pl.Date:
            dates[column] = sql
        elif fact.values and (fact.dtype == pl.String or column == given):
            formats = find_date_formats(table, column, str(fact.first))
            text = sql if fact.dtype == pl.String else f"CAST({sql} AS VARCHAR)"
            if formats:
                dates[column] = f"STRPTIME({text}, '{formats[0]}')"
    return dates


def gather_facts(table: Table) -> dict[str, Facts]:
    """Measure every column in one pass over the table, and count the levels of short lists."""
    rows = collect(table, table.rows.select(pl.len())).item()
    measured = _measure(table, {name: _facts(name, each) for name, each in table.columns.items()})
    few = [
        name
        for name, dtype in table.columns.items()
        if is_text(dtype) and measured[name]["distinct"] <= LISTED
    ]
    levels = {name: count_levels(table, pl.col(name)) for name in few}
    return {
        name: Facts(dtype=dtype, rows=rows, levels=levels.get(name), **measured[name])
        for name, dtype in table.columns.items()
    }


def settle_time(
    reading: Reading, table: Table, facts: dict[str, Facts], target: str, given: str | None
) -> tuple[Reading, Event]:
    """Find the event time, and mend the query so that every row has one."""
    dates = find_dates(table, facts, given)
    dates.pop(target, None)
    if given is not None and given not in dates:
        dtype = facts[given].dtype
        said = "holds text in no date format known here" if is_text(dtype) else f"is {dtype}"
        raise DefinitionError(f"--time: column {given!r} {said}; a date or time is needed")
    future = _count_future(table, dates)
    unfit = {name: _why_no_time(facts[name], future[name]) for name in dates}
    fit = [name for name in dates if not unfit[name]]
    if given is None and not fit:
        why = "".join(f"; {name} is {reason}" for name, reason in unfit.items())
        note = "rows are split at random: no column says when they happened"
        return reading, Event(note=f"{note}{why}")
    column = given or max(fit, key=lambda name: facts[name].distinct)
    others = [name for name in fit if name != column and given is None]
    missing, sql = facts[column].nulls, dates[column]
    note = f"{facts[column].distinct:,} different values"
    note += f", more than {', '.join(others)}" if others else ""
    note += f"; the query leaves out {missing:,} rows that lack it" if missing else ""
    note += _read_otherwise(reading, table, column)
    mended = reading.mended | ({column: sql} if "STRPTIME" in sql else {})
    change = {"time": column, "mended": mended, "timed_rows_only": bool(missing)}
    event = Event(column=column, note=note, future=future[column])
    return reading.model_copy(update=change), event


def count_levels(table: Table, value: pl.Expr, rows: pl.Expr | bool = True) -> dict[str, int]:
    """Count the rows of each value, as text, frequent ones first."""
    counts = table.rows.filter(rows).group_by(value.cast(pl.String).alias("level")).len()
    known = collect(table, counts.filter(pl.col("level").is_not_null()))
    return dict(known.sort(["len", "level"], descending=[True, False]).iter_rows())


def count_unique(table: Table, groups: Iterable[Sequence[str]]) -> list[int]:
    """Count the different rows that each group of columns gives."""
    counts = [pl.struct(group).n_unique().alias(str(place)) for place, group in enumerate(groups)]
    return list(collect(table, table.rows.select(counts)).row(0)) if counts else []


def draw_sample(
    table: Table, target: pl.Expr, kind: Kind, features: dict[str, str]
) -> pl.DataFrame:
    """Draw about SAMPLE labelled rows, shuffled, equally many of each class; the target first."""
    value = target.cast(pl.String if kind == "multiclass" else pl.Float64)
    value = value if kind == "multiclass" else value.fill_nan(None)
    if kind == "regression":
        share = pl.lit(SAMPLE / collect(table, table.rows.select(value.count())).item())
    else:
        counts = count_levels(table, value)
        wanted = [SAMPLE / len(counts) / count for count in counts.values()]
        share = value.cast(pl.String).replace_strict(list(counts), wanted, default=0.0)
    drawn = pl.int_range(pl.len()).hash(1).cast(pl.Float64) / 2.0**64 < share
    rows = table.rows.filter(value.is_not_null() & drawn)
    expressions = [pl.sql_expr(sql).alias(name) for name, sql in features.items()]
    sample = collect(table, rows.select(value.alias("\0"), *expressions))
    return sample.sample(fraction=1, shuffle=True, seed=1)


def judge_alone(sample: pl.DataFrame, kind: Kind) -> dict[str, float]:
    """Tell how well each column alone foretells the target in rows it was not learned from.

    What is learned is the target's mean in each level, or in narrow bins of a number. The score
    is R², AUC, or the share of a blind guess's errors that the column avoids.
    """
    half = len(sample) // 2
    if len(sample) < _FEWEST:
        return {}
    target, *columns = sample.get_columns()
    wanted = (target.to_dummies() if kind == "multiclass" else target.to_frame()).to_numpy()
    scores = {}
    for column in columns:
        bins = _bin(column, half, half // _BIN_ROWS.get(kind, 20))
        scores[column.name] = _score(kind, wanted[half:], _learn_means(bins, wanted[:half])[half:])
    return scores


def find_sum(sample: pl.DataFrame) -> tuple[str, ...]:
    """Find the numbers that, each times a number of its own, add up to the target in every row."""
    numbers = [
        pl.col(column.name).cast(pl.Float64)
        for column in sample.get_columns()[1:]
        if (column.dtype.is_numeric() or column.dtype == pl.Boolean)
        and column.null_count() <= len(sample) / 5
    ]
    target = pl.col(sample.columns[0]).cast(pl.Float64, strict=False)
    known = sample.select(target, *numbers).drop_nulls()
    known = known.filter(pl.all_horizontal(pl.all().is_finite()))
    if len(known) < max(_FEWEST, 10 * known.width):
        return ()
    table = known.to_numpy()
    centred, spread = table - table.mean(axis=0), table.std(axis=0)
    y, x = centred[:, 0], centred[:, 1:] / np.where(spread[1:] > 0, spread[1:], 1)
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    if np.abs(y - x @ weights).max() > _EXACT * spread[0]:
        return ()
    used = np.abs(weights) > 1e-3 * np.abs(weights).max()
    return tuple(name for name, each in zip(known.columns[1:], used, strict=True) if each)


def slug(text: str, joint: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", joint, plain)[:60].strip(joint)


def write_column(column: str, schema: pl.Schema) -> str:
    """Write a column in SQL, without quotes where it needs none."""
    if re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII):
        try:
            if compile_expression(column, schema, "").meta == pl.col(column):
                return column
        except DefinitionError:
            pass  # a word that SQL keeps for itself
    return quote_name(column)


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


def _measure(table: Table, measures: dict[str, dict[str, pl.Expr]]) -> dict[str, dict[str, Any]]:
    """Measure several things of several columns in one pass."""
    structs = [
        pl.struct(what.alias(key) for key, what in each.items()).alias(str(place))
        for place, each in enumerate(measures.values())
    ]
    found = collect(table, table.rows.select(structs)).row(0) if structs else ()
    return dict(zip(measures, found, strict=True))


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


def _refuse_unknown(table: Table, target: str, time: str | None, key: tuple[str, ...]) -> None:
    asked = [("--time", time)] * (time is not None) + [("--key", column) for column in key]
    for option, column in [("--target", target), *asked]:
        if column not in table.columns:
            hint = nearest(str(column), table.columns)
            raise DefinitionError(f"{option}: there is no column {column!r}; {hint}")
    for option, column in asked:
        if column == target:
            raise DefinitionError(f"{option}: column {column!r} is the target")
    if len(table.columns) < 2:
        raise DefinitionError(f"{target!r} is the only column: there is nothing to learn from")


def _why_no_time(fact: Facts, future: int) -> str:
    if fact.nulls:
        return f"missing in {fact.nulls:,} rows"
    if future:
        return f"later than now in {future:,} rows"
    return "" if fact.distinct >= _FEWEST_TIMES else f"one of {fact.distinct} dates only"


def _count_future(table: Table, dates: dict[str, str]) -> dict[str, int]:
    now = int(datetime.now(UTC).timestamp() * 1e6)
    ahead = [
        (pl.sql_expr(sql).dt.timestamp("us") > now).sum().alias(name) for name, sql in dates.items()
    ]
    return collect(table, table.rows.select(ahead)).row(0, named=True) if ahead else {}


def _read_otherwise(reading: Reading, table: Table, column: str) -> str:
    """Say when a date's text could be read in a second way."""
    if reading.source.format != "csv":
        return ""
    table = open_as_text(reading.source, table.files[reading.name])
    first = collect(table, table.rows.select(pl.col(column).drop_nulls().first())).item()
    formats = find_date_formats(table, column, first)
    return f"; read as {formats[0]}, and {formats[1]} fits too" if len(formats) > 1 else ""


def _facts(name: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    column = pl.col(name)
    if dtype.is_nested():
        return {"nulls": column.null_count()}
    values = (column.fill_nan(None) if dtype.is_float() else column).drop_nulls()
    facts = {
        "nulls": pl.len() - values.len(),
        "distinct": values.n_unique(),
        "first": values.first(),
    }
    if not dtype.is_numeric():
        return facts
    finite = values.filter(values.is_finite()) if dtype.is_float() else values
    return facts | {
        "infinite": values.len() - finite.len(),
        "least": finite.min().cast(pl.Float64),
        "greatest": finite.max().cast(pl.Float64),
    }


def _bin(column: pl.Series, half: int, bins: int) -> Array:
    """Give each value's level or bin; bins hold equally many of the first half, 0 is missing."""
    if not column.dtype.is_numeric():
        return column.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = values[:half][np.isfinite(values[:half])]
    edges = known
    if len(known):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1), method="lower"))
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values))


def _learn_means(bins: Array, wanted: Array) -> Array:
    """Give each row the mean of its bin among the rows to learn from, or the mean of them all."""
    learned, size = bins[: len(wanted)], bins.max() + 1
    counts = np.bincount(learned, minlength=size)[:, None]
    sums = np.stack([np.bincount(learned, part, size) for part in wanted.T], axis=1)
    return np.where(counts, sums / np.maximum(counts, 1), wanted.mean(axis=0))[bins]


def _score(kind: Kind, wanted: Array, told: Array) -> float:
    if kind == "binary":
        return area_under_curve(wanted[:, 0], told[:, 0])
    if kind == "multiclass":
        right = (wanted.argmax(axis=1) == told.argmax(axis=1)).mean()
        blind = wanted.mean(axis=0).max()
        return float((right - blind) / (1 - blind)) if blind < 1 else 0.0
    spread = ((wanted - wanted.mean()) ** 2).sum()
    return float(1 - ((wanted - told) ** 2).sum() / spread) if spread else 0.0
