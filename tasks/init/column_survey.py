"""Survey: what is seen in a table that nobody has described, before anything is decided of it.

Owns facts about columns, counts of levels and rows, samples, and which column says when a row
happened. Refuses to know how files are written (reading's) and what a definition says (draft's).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.definition import Frozen, TargetKind
from tasks.core.errors import DefinitionError, SourceError, nearest
from tasks.core.sql import is_text, quote_name
from tasks.init.column_measures import measure
from tasks.init.date_formats import COLUMN, Dating, date_numbers, date_texts, is_named_like_a_time
from tasks.init.type_inference import InferredTypes, give_types, open_as_text, read_table
from tasks.sources.query import SourceTable, collect, open_table

_LISTED = 30  # text with more levels is not listed
_SAMPLE = 20_000  # rows on which columns are tried alone
_FEWEST_TIMES = 20  # different ones that the event time has at least
_MOST_TIMELESS = 0.1  # share of rows without a time that are left out rather than split at random
_ISO = ("%Y-%m-%d", "%Y/%m/%d")
_EPOCH = datetime(1971, 1, 1)  # what lies before was counted in a smaller unit


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
    doubt: str = ""
    future: int = 0


class ColumnSurvey(Frozen, arbitrary_types_allowed=True):
    """A table as it is to be read, and what was seen in it."""

    data: str
    target: str
    reading: InferredTypes
    table: SourceTable
    facts: dict[str, Facts]
    event: Event
    dates: dict[str, str]

    @property
    def rows(self) -> int:
        return self.facts[self.target].rows


def survey_table(
    data: str, target: str, time: str | None, key: tuple[str, ...], project: Path
) -> ColumnSurvey:
    """Look at a table that was never described; refuse it where no model can come of it."""
    name = re.sub(r"^(?=\d)", "t", slug(name_table(data), "_")) or "data"
    reading, opened = read_table(data, name, project)
    table = reading.mend(opened)
    _refuse_unknown(reading, table, target, time, key)
    facts = gather_facts(table)
    if not facts[target].rows:
        raise SourceError(f"{data}: holds no rows")
    reading, event, dates = settle_time(reading, table, facts, target, time)
    if event.column:
        if reading.source != opened.sources[name]:
            opened = open_table(reading.define(timed=False), project)
        table = reading.mend(opened)
        dates[event.column] = write_column(event.column, table.columns)
        facts = gather_facts(table) if reading.query else facts
    return ColumnSurvey(
        data=data,
        target=target,
        reading=reading,
        table=table,
        facts=facts,
        event=event,
        dates=dates,
    )


def find_dates(
    table: SourceTable, facts: dict[str, Facts], given: str | None = None
) -> dict[str, Dating]:
    """Find the columns that hold dates, and the SQL that reads each of them as a date."""
    dates: dict[str, Dating] = {}
    texts: dict[str, str] = {}
    numbers: dict[str, tuple[str, pl.DataType]] = {}
    for column, fact in facts.items():
        dtype = fact.dtype
        named = column == given or is_named_like_a_time(column)
        if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
            dates[column] = Dating(sql=COLUMN, values=fact.values)
        elif fact.values and (dtype == pl.String or (column == given and is_text(dtype))):
            texts[column] = COLUMN if dtype == pl.String else f"CAST({COLUMN} AS VARCHAR)"
            if named:
                numbers[column] = f"TRY_CAST({COLUMN} AS BIGINT)", pl.Int64()
        elif fact.values and named and dtype.is_numeric():
            numbers[column] = COLUMN, dtype
            if dtype.is_integer():  # 20211231 is a day
                texts[column] = f"CAST({COLUMN} AS VARCHAR)"
    found = dates | date_texts(table, texts) | date_numbers(table, numbers)
    return {column: found[column] for column in facts if column in found}


def gather_facts(table: SourceTable) -> dict[str, Facts]:
    """Measure every column in one pass over the table, and count the levels of short lists."""
    rows = collect(table, table.rows.select(pl.len())).item()
    measured = measure(table, {name: _facts(name, each) for name, each in table.columns.items()})
    few = [
        name
        for name, dtype in table.columns.items()
        if is_text(dtype) and measured[name]["distinct"] <= _LISTED
    ]
    levels = {name: count_levels(table, pl.col(name)) for name in few}
    return {
        name: Facts(dtype=dtype, rows=rows, levels=levels.get(name), **measured[name])
        for name, dtype in table.columns.items()
    }


def settle_time(
    reading: InferredTypes,
    table: SourceTable,
    facts: dict[str, Facts],
    target: str,
    given: str | None,
) -> tuple[InferredTypes, Event, dict[str, str]]:
    """Find the event time, and mend the query so that every row has one; give all dates' SQL."""
    found = find_dates(table, facts, given)
    found.pop(target, None)
    if given is not None and not (given in found and found[given].sql):
        raise DefinitionError(f"--time: column {given!r} {_explain_no_date(given, found, facts)}")
    unfit = {name: _tell_most(each) for name, each in found.items() if _is_no_date(each, facts)}
    dates = {
        name: each.write(write_column(name, table.columns))
        for name, each in found.items()
        if name not in unfit or name == given
    }
    spans = _measure_spans(table, dates)
    lacking = {name: facts[name].nulls + found[name].lacking for name in dates}
    unfit |= {name: _why_no_time(facts[name], lacking[name], spans[name]) for name in dates}
    fit = [name for name in dates if not unfit[name]]
    fit = [name for name in fit if not lacking[name]] or fit
    if given is None and not fit:
        why = "".join(f"; {name} is {reason}" for name, reason in unfit.items())
        note = f"rows are split at random: no column says when they happened{why}"
        return reading, Event(note=note, doubt=note), dates
    column = given or max(fit, key=lambda name: facts[name].distinct)
    others = [name for name in fit if name != column and given is None]
    reading, dating = _write_down(reading, table, column, found)
    doubts = _list_doubts(dating, facts[column], lacking[column])
    more = f", more than {', '.join(others)}" if others else ""
    span = f"{facts[column].distinct:,} different values{more}, {_tell_span(spans[column])}"
    told = (span, dating.note, *doubts)
    mended = reading.mended.get(column)
    sql = dating.write(f"({mended})" if mended else write_column(column, table.columns))
    change = {
        "time": column,
        "mended": reading.mended | ({column: sql} if dating.sql != COLUMN else {}),
        "timed_rows_only": bool(lacking[column]),
    }
    doubt = f"[extract] time = {column}: {'; '.join(doubts)}" if doubts else ""
    event = Event(
        column=column,
        note="; ".join(filter(None, told)),
        doubt=doubt,
        future=spans[column]["future"],
    )
    return reading.model_copy(update=change), event, dates


def count_levels(table: SourceTable, value: pl.Expr, rows: pl.Expr | bool = True) -> dict[str, int]:
    """Count the rows of each value, as text, frequent ones first."""
    counts = table.rows.filter(rows).group_by(value.cast(pl.String).alias("level")).len()
    known = collect(table, counts.filter(pl.col("level").is_not_null()))
    return dict(known.sort(["len", "level"], descending=[True, False]).iter_rows())


def count_unique(table: SourceTable, groups: Iterable[Sequence[str]]) -> list[int]:
    """Count the different rows that each group of columns gives."""
    counts = [pl.struct(group).n_unique().alias(str(place)) for place, group in enumerate(groups)]
    return list(collect(table, table.rows.select(counts)).row(0)) if counts else []


def draw_sample(
    table: SourceTable, target: pl.Expr, kind: TargetKind, features: dict[str, str]
) -> pl.DataFrame:
    """Draw about _SAMPLE labelled rows, shuffled, equally many of each class; the target first."""
    value = target.cast(pl.String if kind == "multiclass" else pl.Float64)
    value = value if kind == "multiclass" else value.fill_nan(None)
    if kind == "regression":
        share = pl.lit(_SAMPLE / collect(table, table.rows.select(value.count())).item())
    else:
        counts = count_levels(table, value)
        wanted = [_SAMPLE / len(counts) / count for count in counts.values()]
        share = value.cast(pl.String).replace_strict(list(counts), wanted, default=0.0)
    drawn = pl.int_range(pl.len()).hash(1).cast(pl.Float64) / 2.0**64 < share
    rows = table.rows.filter(value.is_not_null() & drawn)
    expressions = [pl.sql_expr(sql).alias(name) for name, sql in features.items()]
    sample = collect(table, rows.select(value.alias("\0"), *expressions))
    return sample.sample(fraction=1, shuffle=True, seed=1)


def name_table(data: str) -> str:
    """Name a table by its file, or by the folder where any file of a folder is meant."""
    words = [part.partition(".")[0] for part in reversed(Path(data).parts)]
    plain = (word for word in words if slug(word.partition("=")[0], "") and "=" not in word)
    return next(plain, "")


def slug(text: str, joint: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", joint, plain)[:60].strip(joint)


def write_column(column: str, schema: pl.Schema) -> str:
    """Write a column in SQL, without quotes where it needs none."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII) and names_column(column, column)
    return column if plain else quote_name(column)


def names_column(sql: str, column: str) -> bool:
    """Tell whether SQL is read as a column, and not as a word that SQL keeps for itself."""
    try:
        return bool(pl.sql_expr(sql).meta == pl.col(column))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False


def _refuse_unknown(
    reading: InferredTypes, table: SourceTable, target: str, time: str | None, key: tuple[str, ...]
) -> None:
    asked = [("--time", time)] * (time is not None) + [("--key", column) for column in key]
    for option, column in [("--target", target), *asked]:
        if column not in table.columns:
            hint = reading.no_header or nearest(str(column), table.columns)
            raise DefinitionError(f"{option}: there is no column {column!r}; {hint}")
    for option, column in asked:
        if column == target:
            raise DefinitionError(f"{option}: column {column!r} is the target")
    if len(table.columns) < 2:
        raise DefinitionError(f"{target!r} is the only column: there is nothing to learn from")


def _write_down(
    reading: InferredTypes, table: SourceTable, column: str, found: dict[str, Dating]
) -> tuple[InferredTypes, Dating]:
    """Write down which is day and which is month, where Polars has found that out by itself.

    It does so anew for every file, and would read the next one otherwise without a word.
    """
    if reading.source.format != "csv" or not table.columns[column].is_temporal():
        return reading, found[column]
    as_text = open_as_text(reading.source, table.files[reading.name])
    texts = [  # what a folder carries is no text of the file
        name for name in found if name in as_text.columns and not table.columns[name].is_numeric()
    ]
    written = date_texts(as_text, dict.fromkeys(texts, COLUMN))
    dating = written.get(column)
    if dating is None or not dating.sql or dating.formats[0].startswith(_ISO):
        return reading, found[column]
    return give_types(reading, {column: "text"}), dating


def _is_no_date(dating: Dating, facts: dict[str, Facts]) -> bool:
    return not dating.sql or dating.lacking > _MOST_TIMELESS * dating.values


def _tell_most(dating: Dating) -> str:
    share = 1 - dating.lacking / dating.values
    form = f" as {dating.formats[0]}" if dating.formats else ""
    return f"a date{form} in {share:.1%} of its rows only, not as {dating.odd!r}"


def _explain_no_date(column: str, found: dict[str, Dating], facts: dict[str, Facts]) -> str:
    if column in found:
        return f"is {_tell_most(found[column])}; mend it in the file"
    dtype = facts[column].dtype
    said = "holds text in no date format known here" if is_text(dtype) else f"is {dtype}"
    return f"{said}; a date or time is needed"


def _list_doubts(dating: Dating, fact: Facts, lacking: int) -> list[str]:
    """Say how the event time may be misread, and which rows do without."""
    doubts = []
    if dating.lacking:
        form = f" by {dating.formats[0]}" if dating.formats else ""
        doubts.append(f"{dating.lacking:,} rows hold no date{form}, as {dating.odd!r}")
    if lacking:
        doubts.append(f"the query leaves out {lacking:,} of {fact.rows:,} rows that lack it")
    if len(dating.formats) > 1:
        doubts.append(f"read as {dating.formats[0]}, and {dating.formats[1]} fits too")
    return doubts


def _why_no_time(fact: Facts, lacking: int, span: dict[str, Any]) -> str:
    if lacking > _MOST_TIMELESS * fact.rows:
        return f"missing in {lacking:,} rows"
    if span["future"]:
        return f"later than now in {span['future']:,} rows"
    if span["last"] < _EPOCH:
        return f"{_tell_span(span)}: is its unit right?"
    return "" if fact.distinct >= _FEWEST_TIMES else f"one of {fact.distinct} dates only"


def _tell_span(span: dict[str, Any]) -> str:
    return f"{span['first']:%Y-%m-%d} to {span['last']:%Y-%m-%d}"


def _measure_spans(table: SourceTable, dates: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Tell the first and last time of each column, and how many are later than now."""
    now, asked = datetime.now(UTC).replace(tzinfo=None), {}
    for name, sql in dates.items():
        moment = pl.sql_expr(sql).cast(pl.Datetime("us")).dt.replace_time_zone(None)
        asked[name] = {
            "first": moment.min(),
            "last": moment.max(),
            "future": (moment > now).sum(),
        }
    return measure(table, asked)


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
