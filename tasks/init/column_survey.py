"""Survey of a table: all that is measured before anything is proposed from it.

Not responsible for types (`type_inference`), the event time (`event_time`), or choices (`propose`).
"""

import re
from pathlib import Path

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError, SourceError, nearest
from tasks.core.model_sections import TargetKind
from tasks.init.column_statistics import ColumnStats, count_levels, measure_columns
from tasks.init.event_time import EventTime, find_event_time
from tasks.init.names import name_table, slug, write_column
from tasks.init.type_inference import InferredTypes, read_table
from tasks.sources.query import SourceTable, collect, open_table

_SAMPLE = 20_000  # rows on which columns are tried alone


class ColumnSurvey(Frozen, arbitrary_types_allowed=True):
    """A table as it is to be read, and what was seen in it."""

    data: str
    target: str
    inferred: InferredTypes
    table: SourceTable
    facts: dict[str, ColumnStats]
    event: EventTime
    dates: dict[str, str]

    @property
    def rows(self) -> int:
        return self.facts[self.target].rows

    def number_rows(self, name: str) -> "ColumnSurvey":
        """Let the query number the rows, beside all else that it does."""
        numbered = self.inferred.model_copy(update={"row_number": name})
        return self.model_copy(update={"inferred": numbered})


def survey_table(
    data: str, target: str, time: str | None, key: tuple[str, ...], project: Path
) -> ColumnSurvey:
    """Look at a table that was never described; refuse it where no model can come of it."""
    name = re.sub(r"^(?=\d)", "t", slug(name_table(data), "_")) or "data"
    inferred, opened = read_table(data, name, project)
    table = inferred.convert(opened)
    _refuse_unknown(inferred, table, target, time, key)
    facts = measure_columns(table)
    if not facts[target].rows:
        raise SourceError(f"{data}: holds no rows")
    inferred, event, dates = find_event_time(inferred, table, facts, target, time)
    if event.column:
        if inferred.source != opened.sources[name]:
            opened = open_table(inferred.define(timed=False), project)
        table = inferred.convert(opened)
        dates[event.column] = write_column(event.column, table.columns)
        facts = measure_columns(table) if inferred.query else facts
    return ColumnSurvey(
        data=data,
        target=target,
        inferred=inferred,
        table=table,
        facts=facts,
        event=event,
        dates=dates,
    )


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


def _refuse_unknown(
    inferred: InferredTypes, table: SourceTable, target: str, time: str | None, key: tuple[str, ...]
) -> None:
    asked = [("--time", time)] * (time is not None) + [("--key", column) for column in key]
    for option, column in [("--target", target), *asked]:
        if column not in table.columns:
            hint = inferred.no_header or nearest(str(column), table.columns)
            raise DefinitionError(f"{option}: there is no column {column!r}; {hint}")
    for option, column in asked:
        if column == target:
            raise DefinitionError(f"{option}: column {column!r} is the target")
    if len(table.columns) < 2:
        raise DefinitionError(f"{target!r} is the only column: there is nothing to learn from")
