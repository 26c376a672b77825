"""Feature tables: what an entity has lived through or is, as it was known at a row's time.

Responsible for what the definition says of them: which values are whose, what is taken of each
event, and what may not be as it would leak the target. Not responsible for where sources lie, and
for whether rows are trained on or served.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate

import polars as pl

from tasks.core.columns import EVENTS, SINCE
from tasks.core.data_sections import FeatureTable
from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError, nearest
from tasks.core.sql import compile_expression, expression_type, is_text
from tasks.core.timestamps import UTC_TIME, utc_time
from tasks.features.point_in_time_join import Events, give_values, settle

_AGGREGATE = re.compile(r"\s*(AVG|SUM|COUNT)\s*\((.+)\)\s*", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_MOMENTOUS = (pl.Boolean, pl.Date)


def tabled_values(definition: Definition) -> dict[str, str]:
    """Name the table of each value; DefinitionError where two tables give one name."""
    found: dict[str, str] = {}
    for name, table in definition.tables.items():
        for value in table.values:
            if value in found:
                where = f"[tables.{name}] values"
                already = f"{value!r} is a value of {found[value]!r} already"
                raise DefinitionError(f"{where}: {already}; name one of them otherwise")
            found[value] = name
    return found


def used_tables(definition: Definition, columns: Iterable[str]) -> dict[str, FeatureTable]:
    """Give the tables that these columns are looked up in."""
    values = tabled_values(definition)
    used = {values[column] for column in columns if column in values}
    return {name: table for name, table in definition.tables.items() if name in used}


def asked_columns(definition: Definition, columns: Iterable[str]) -> list[str]:
    """List the columns that a caller sends: those that are not looked up, and what they hang on."""
    needed, values = dict.fromkeys(columns), tabled_values(definition)
    asked = [column for column in needed if column not in values]
    for table in used_tables(definition, needed).values():
        asked += table.entity
        if table.time is not None and definition.extract.time is not None:
            asked.append(definition.extract.time)
    return list(dict.fromkeys(asked))


def tables_digest(definition: Definition) -> str:
    """Identify how a definition makes its tables, whatever the sources hold."""
    sources = {table.source for table in definition.tables.values()}
    made_of = {
        "tables": {k: v.model_dump(mode="json") for k, v in definition.tables.items()},
        "sources": {name: definition.sources[name].model_dump() for name in sorted(sources)},
        "time_zone": definition.extract.time_zone,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def plan_tables(
    definition: Definition, frames: Mapping[str, pl.LazyFrame], rows: pl.Schema
) -> dict[str, pl.LazyFrame]:
    """Plan every table over its source; nothing but schemas is read."""
    planned = plan_events(definition, frames, rows)
    return {name: give_values(events, settle(events)) for name, events in planned.items()}


def plan_events(
    definition: Definition, frames: Mapping[str, pl.LazyFrame], rows: pl.Schema
) -> dict[str, Events]:
    """Plan what every table is made of."""
    for value, name in tabled_values(definition).items():
        if value in rows:
            where = f"[tables.{name}] values"
            already = f"{value!r} is a column of [extract] query already"
            raise DefinitionError(f"{where}: {already}; name one of them otherwise")
    return {
        name: _plan_events(definition, name, table, frames, rows)
        for name, table in definition.tables.items()
    }


def _plan_events(
    definition: Definition,
    name: str,
    table: FeatureTable,
    frames: Mapping[str, pl.LazyFrame],
    rows: pl.Schema,
) -> Events:
    where = f"[tables.{name}]"
    if table.source not in frames:
        hint = nearest(table.source, frames)
        raise DefinitionError(f"{where} source: there is no source {table.source!r}; {hint}")
    frame = frames[table.source]
    schema = frame.collect_schema()
    entity = [_entity(column, schema, rows, where) for column in table.entity]
    known = frame.filter(pl.lit(True), *(pl.col(each).is_not_null() for each in table.entity))
    if table.over is not None:
        values = [part for k, v in table.values.items() for part in _parts(k, v, schema, where)]
        values.append(pl.lit(1, pl.Int64).alias(EVENTS))
    else:
        values = [_latest(k, v, schema, where) for k, v in table.values.items()]
    _refuse_leak(definition, table, schema, where)
    found = {value: _aggregate(sql) for value, sql in table.values.items()}
    kinds = {value: each[0] for value, each in found.items() if each is not None}
    if table.time is None:
        return Events(table, known.select(*entity, *values), kinds)
    moment = _moment(definition, table, schema, where)
    return Events(table, known.select(*entity, moment, *values).drop_nulls(SINCE), kinds)


def _parts(value: str, sql: str, schema: pl.Schema, where: str) -> list[pl.Expr]:
    """Give what an aggregate is added up from: each event's number, and whether it has one."""
    where = f"{where} values.{value}"
    found = _aggregate(sql)
    if found is None:
        raise DefinitionError(
            f"{where}: {sql} is no aggregate; write one AVG(…), SUM(…) or COUNT(…), and compute "
            "with several in [features]; or leave out over to take the latest event's"
        )
    kind, inside = found
    if inside.lower().startswith("distinct ") or (inside == "*" and kind != "COUNT"):
        raise DefinitionError(f"{where}: {sql} cannot be kept up; {kind} takes what an event holds")
    if kind == "COUNT" and inside == "*":
        return [pl.lit(1, pl.Int64).alias(f"{value}.count")]
    expression = compile_expression(inside, schema, where)
    dtype = expression_type(expression, schema, where)
    if kind == "COUNT":
        return [expression.is_not_null().cast(pl.Int64).alias(f"{value}.count")]
    if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
        raise DefinitionError(f"{where}: {inside} gives {dtype}, and {kind} takes numbers")
    number = expression.cast(pl.Float64)
    number = pl.when(number.is_finite()).then(number)  # one infinity would stay in every sum after
    return [
        number.fill_null(0).alias(f"{value}.sum"),
        number.is_not_null().cast(pl.Int64).alias(f"{value}.count"),
    ]


def _aggregate(sql: str) -> tuple[str, str] | None:
    """Take an aggregate apart; None where SQL is anything but one."""
    found = _AGGREGATE.fullmatch(sql)
    if found is None:
        return None
    depths = accumulate({"(": 1, ")": -1}.get(each, 0) for each in _QUOTED.sub("", found[2]))
    whole = min(depths, default=0) >= 0  # or it closes before another opens, as in AVG(x) / AVG(y)
    return (found[1].upper(), found[2].strip()) if whole else None


def _latest(value: str, sql: str, schema: pl.Schema, where: str) -> pl.Expr:
    where = f"{where} values.{value}"
    if _aggregate(sql):
        raise DefinitionError(
            f"{where}: {sql} is an aggregate; say of how long a time, as in over = '7d'"
        )
    return compile_expression(sql, schema, where).alias(value)


def _moment(definition: Definition, table: FeatureTable, schema: pl.Schema, where: str) -> pl.Expr:
    assert table.time is not None
    if definition.extract.time is None:
        raise DefinitionError(f"{where} time: needs [extract] time, the time of the rows")
    if table.time not in schema:
        hint = nearest(table.time, schema)
        raise DefinitionError(f"{where} time: there is no column {table.time!r}; {hint}")
    zone = definition.extract.time_zone
    mend = f"read it as one by types in [sources] {table.source}, or name another column"
    moment = utc_time(table.time, schema, zone, f"{where} time", mend)
    return moment.cast(UTC_TIME).alias(SINCE)


def _entity(column: str, schema: pl.Schema, rows: pl.Schema, where: str) -> pl.Expr:
    """Take an entity's column in the type that rows have it in."""
    where = f"{where} entity"
    for known, what in ((rows, "[extract] query"), (schema, "the source")):
        if column not in known:
            hint = nearest(column, known)
            raise DefinitionError(f"{where}: there is no column {column!r} in {what}; {hint}")
    theirs, ours = schema[column], rows[column]
    alike = theirs == ours or (is_text(theirs) and is_text(ours))
    alike = alike or (theirs.is_integer() and ours.is_integer())
    if not alike:
        raise DefinitionError(f"{where}: {column!r} is {ours} in rows and {theirs} in the source")
    if not (is_text(ours) or ours.is_integer() or ours in _MOMENTOUS):
        raise DefinitionError(
            f"{where}: {column!r} is {ours}; what names an entity is text or whole"
        )
    return pl.col(column).cast(ours)


def _refuse_leak(
    definition: Definition, table: FeatureTable, schema: pl.Schema, where: str
) -> None:
    """Refuse what the target is made of where it is not yet known."""
    target = set(pl.sql_expr(definition.target.value).meta.root_names())
    matures = definition.target.matures_after
    if table.time is not None and table.known_after >= matures and table.known_after:
        return
    for value, sql in table.values.items():
        found = _aggregate(sql)
        inside = found[1] if found else sql
        if inside == "*":
            continue
        used = compile_expression(inside, schema, f"{where} values.{value}").meta.root_names()
        for column in sorted(target & set(used)):
            raise DefinitionError(
                f"{where} values.{value}: the target is made of {column!r}, which is not known at "
                "a row's own time; give time, and known_after of [target] matures_after at least"
            )
