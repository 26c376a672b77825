"""Event time: which column says when a row happened, and the SQL that reads it.

Not responsible for the formats of dates: `date_formats` is.
"""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError
from tasks.core.sql import is_text
from tasks.init.column_statistics import ColumnStats, measure
from tasks.init.csv_dialect import open_as_text
from tasks.init.date_formats import (
    COLUMN,
    DateFormat,
    date_numbers,
    date_texts,
    is_named_like_a_time,
)
from tasks.init.names import write_column
from tasks.init.type_inference import InferredTypes, give_types
from tasks.sources.query import SourceTable

Span = dict[str, Any]  # `first` and `last` time of a column, and how many are in the `future`

_FEWEST_TIMES = 20  # different ones that the event time has at least
_MOST_TIMELESS = 0.1  # share of rows without a time that are left out rather than split at random
_ISO = ("%Y-%m-%d", "%Y/%m/%d")
_EPOCH = datetime(1971, 1, 1)  # what lies before was counted in a smaller unit


class EventTime(Frozen):
    """The column with the event time, if there is one, and what was seen of it."""

    column: str | None = None
    note: str = ""
    doubt: str = ""
    future: int = 0


def find_dates(
    table: SourceTable, facts: dict[str, ColumnStats], given: str | None = None
) -> dict[str, DateFormat]:
    """Find the columns that hold dates, and the SQL that reads each of them as a date.

    DefinitionError where the column that is `given` as `--time` holds none.
    """
    dates: dict[str, DateFormat] = {}
    texts: dict[str, str] = {}
    numbers: dict[str, tuple[str, pl.DataType]] = {}
    for column, fact in facts.items():
        dtype = fact.dtype
        named = column == given or is_named_like_a_time(column)
        if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
            dates[column] = DateFormat(sql=COLUMN, values=fact.values)
        elif fact.values and (dtype == pl.String or (column == given and is_text(dtype))):
            texts[column] = COLUMN if dtype == pl.String else f"CAST({COLUMN} AS VARCHAR)"
            if named:
                numbers[column] = f"TRY_CAST({COLUMN} AS BIGINT)", pl.Int64()
        elif fact.values and named and dtype.is_numeric():
            numbers[column] = COLUMN, dtype
            if dtype.is_integer():  # 20211231 is a day
                texts[column] = f"CAST({COLUMN} AS VARCHAR)"
    found = dates | date_texts(table, texts) | date_numbers(table, numbers)
    if given is not None and not (given in found and found[given].sql):
        raise DefinitionError(f"--time: column {given!r} {_explain_no_date(given, found, facts)}")
    return {column: found[column] for column in facts if column in found}


def find_event_time(
    inferred: InferredTypes,
    table: SourceTable,
    facts: dict[str, ColumnStats],
    target: str,
    given: str | None,
) -> tuple[InferredTypes, EventTime, dict[str, str]]:
    """Find the event time, and convert it in the query so that every row has one.

    The last result is the SQL of every column that holds dates.
    """
    others = {name: fact for name, fact in facts.items() if name != target}
    found = find_dates(table, others, given)
    dates = {
        name: each.write(write_column(name, table.columns))
        for name, each in found.items()
        if name == given or not _is_no_date(each)
    }
    spans = _measure_spans(table, dates)
    lacking = {name: facts[name].nulls + found[name].lacking for name in dates}
    unfit = {name: _tell_most(each) for name, each in found.items() if name not in dates}
    unfit |= {name: _why_no_time(facts[name], lacking[name], spans[name]) for name in dates}
    fit = [name for name in dates if not unfit[name]]
    fit = [name for name in fit if not lacking[name]] or fit
    if given is None and not fit:
        why = "".join(f"; {name} is {reason}" for name, reason in unfit.items())
        note = f"rows are split at random: no column says when they happened{why}"
        return inferred, EventTime(note=note, doubt=note), dates
    column = given or max(fit, key=lambda name: facts[name].distinct)
    also_fit = [name for name in fit if name != column and given is None]
    inferred, date_format = _write_down(inferred, table, column, found)
    event = _describe(column, date_format, facts[column], lacking[column], spans[column], also_fit)
    before = inferred.conversions.get(column)
    sql = date_format.write(f"({before})" if before else write_column(column, table.columns))
    change = {
        "time": column,
        "conversions": inferred.conversions | ({column: sql} if date_format.sql != COLUMN else {}),
        "timed_rows_only": bool(lacking[column]),
    }
    return inferred.model_copy(update=change), event, dates


def _describe(
    column: str, form: DateFormat, fact: ColumnStats, lacking: int, span: Span, others: list[str]
) -> EventTime:
    """Say why this column is the event time rather than others, and what is doubtful about it."""
    doubts = _list_doubts(form, fact, lacking)
    more = f", more than {', '.join(others)}" if others else ""
    seen = f"{fact.distinct:,} different values{more}, {_tell_span(span)}"
    return EventTime(
        column=column,
        note="; ".join(filter(None, (seen, form.note, *doubts))),
        doubt=f"[extract] time = {column}: {'; '.join(doubts)}" if doubts else "",
        future=span["future"],
    )


def _write_down(
    inferred: InferredTypes, table: SourceTable, column: str, found: dict[str, DateFormat]
) -> tuple[InferredTypes, DateFormat]:
    """Write down which is day and which is month, where Polars has found that out by itself.

    It does so anew for every file, and would read the next one otherwise without a word.
    """
    if inferred.source.format != "csv" or not table.columns[column].is_temporal():
        return inferred, found[column]
    as_text = open_as_text(inferred.source, table.files[inferred.name])
    texts = [  # what a folder carries is no text of the file
        name for name in found if name in as_text.columns and not table.columns[name].is_numeric()
    ]
    written = date_texts(as_text, dict.fromkeys(texts, COLUMN))
    date_format = written.get(column)
    if date_format is None or not date_format.sql or date_format.formats[0].startswith(_ISO):
        return inferred, found[column]
    return give_types(inferred, {column: "text"}), date_format


def _is_no_date(date_format: DateFormat) -> bool:
    return not date_format.sql or date_format.lacking > _MOST_TIMELESS * date_format.values


def _tell_most(date_format: DateFormat) -> str:
    share = 1 - date_format.lacking / date_format.values
    form = f" as {date_format.formats[0]}" if date_format.formats else ""
    return f"a date{form} in {share:.1%} of its rows only, not as {date_format.odd!r}"


def _explain_no_date(
    column: str, found: dict[str, DateFormat], facts: dict[str, ColumnStats]
) -> str:
    if column in found:
        return f"is {_tell_most(found[column])}; mend it in the file"
    dtype = facts[column].dtype
    said = "holds text in no date format known here" if is_text(dtype) else f"is {dtype}"
    return f"{said}; a date or time is needed"


def _list_doubts(date_format: DateFormat, fact: ColumnStats, lacking: int) -> list[str]:
    """Say how the event time may be misread, and which rows do without."""
    doubts = []
    if date_format.lacking:
        form = f" by {date_format.formats[0]}" if date_format.formats else ""
        doubts.append(f"{date_format.lacking:,} rows hold no date{form}, as {date_format.odd!r}")
    if lacking:
        doubts.append(f"the query leaves out {lacking:,} of {fact.rows:,} rows that lack it")
    if len(date_format.formats) > 1:
        doubts.append(f"read as {date_format.formats[0]}, and {date_format.formats[1]} fits too")
    return doubts


def _why_no_time(fact: ColumnStats, lacking: int, span: Span) -> str:
    if lacking > _MOST_TIMELESS * fact.rows:
        return f"missing in {lacking:,} rows"
    if span["future"]:
        return f"later than now in {span['future']:,} rows"
    if span["last"] < _EPOCH:
        return f"{_tell_span(span)}: is its unit right?"
    return "" if fact.distinct >= _FEWEST_TIMES else f"one of {fact.distinct} dates only"


def _tell_span(span: Span) -> str:
    return f"{span['first']:%Y-%m-%d} to {span['last']:%Y-%m-%d}"


def _measure_spans(table: SourceTable, dates: dict[str, str]) -> dict[str, Span]:
    """Tell the first and last time of each column, and how many are later than now."""
    now, asked = datetime.now(UTC).replace(tzinfo=None), {}
    for name, sql in dates.items():
        moment = pl.sql_expr(sql).cast(pl.Datetime("us")).dt.replace_time_zone(None)
        asked[name] = {"first": moment.min(), "last": moment.max(), "future": (moment > now).sum()}
    return measure(table, asked)
