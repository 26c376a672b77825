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

from tasks.definition import Frozen, Kind
from tasks.errors import DefinitionError, SourceError, nearest
from tasks.expressions import compile_expression, is_text, quote_name
from tasks.reading import Reading, find_date_formats, measure, read_otherwise, read_table
from tasks.sources import Table, collect

_LISTED = 30  # text with more levels is not listed
_SAMPLE = 20_000  # rows on which columns are tried alone
_FEWEST_TIMES = 20  # different ones that the event time has at least


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
    note += read_otherwise(reading, table, column)
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


def slug(text: str, joint: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", joint, plain)[:60].strip(joint)


def list_few(words: Sequence[str]) -> str:
    shown = ", ".join(words[:4])
    return f"{shown} and {len(words) - 4} more" if len(words) > 4 else shown


def write_column(column: str, schema: pl.Schema) -> str:
    """Write a column in SQL, without quotes where it needs none."""
    if re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII):
        try:
            if compile_expression(column, schema, "").meta == pl.col(column):
                return column
        except DefinitionError:
            pass  # a word that SQL keeps for itself
    return quote_name(column)


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
