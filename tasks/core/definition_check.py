"""Check a definition against the columns of its data: keys that would do nothing are refused.

A rule for a column that is not there looks like a guard and is none. Responsible for keys that name
or judge columns of the extracted table. Not responsible for names in sources, feature tables and
expressions, which are checked where those are opened. Published definitions are not checked again.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.core.data_sections import Checks, ColumnCheck
from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError, nearest
from tasks.core.schedule import check_zone
from tasks.core.sql import compile_expression, expression_type


def check_keys(definition: Definition, columns: Mapping[str, pl.DataType]) -> None:
    """Raise DefinitionError for the first key that names no column, or would do nothing.

    `columns` are those of the extracted table, with their types.
    """
    check_zone(definition.schedule)
    check_rules(definition.checks, columns)
    for name in definition.serving.log_without:
        _check_column("[serving] log_without", name, columns)
    if definition.training.group is not None:
        check_group(definition.training.group, columns)
    for key, needed in _find_idle(definition):
        raise DefinitionError(f"{key}: does nothing without {needed}")
    if definition.gate.second_metric == definition.metric:
        raise DefinitionError(
            f"[gate] second_metric: {definition.metric} is judged first already; name another"
        )


def check_group(sql: str, columns: Mapping[str, pl.DataType]) -> None:
    """Raise DefinitionError for a [training] group that is not row-wise, or names no groups."""
    where, schema = "[training] group", pl.Schema(columns)
    dtype = expression_type(compile_expression(sql, schema, where), schema, where)
    if dtype.is_float() or dtype.is_nested() or dtype in (pl.Boolean, pl.Null):
        raise DefinitionError(
            f"{where}: {sql!r} gives {dtype}; what names a group is text, whole or a date"
        )


def check_rules(checks: Checks, columns: Mapping[str, pl.DataType]) -> None:
    """Raise DefinitionError for a rule whose column is missing, or is of another type."""
    for name, rule in checks.columns.items():
        where = f"[checks.columns] {name}"
        _check_column(where, name, columns)
        for key, needed in _find_idle_rules(rule):
            raise DefinitionError(f"{where}: {key} does nothing without {needed}")
        if "infinite" in rule.model_fields_set and not columns[name].is_numeric():
            raise DefinitionError(
                f"{where}: infinite is for numbers, and {name!r} is {columns[name]}"
            )


def _check_column(where: str, name: str, columns: Mapping[str, pl.DataType]) -> None:
    if name not in columns:
        raise DefinitionError(f"{where}: there is no column {name!r}; {nearest(name, columns)}")


def _find_idle(definition: Definition) -> Iterator[tuple[str, str]]:
    """Give each key that was set in vain, and what it needs."""
    checks, extract = definition.checks, definition.extract
    if extract.time is None:
        for key in sorted({"max_silence", "allow_future"} & checks.model_fields_set):
            yield f"[checks] {key}", "[extract] time"
    if definition.gate.worst_fold is not None and definition.training.folds is None:
        yield "[gate] worst_fold", "[training] folds"
    if "materialise" in definition.schedule.model_fields_set and not definition.tables:
        yield "[schedule] materialise", "[tables]"
    if not extract.key and "duplicates" in checks.model_fields_set:
        yield "[checks] duplicates", "[extract] key"


def _find_idle_rules(rule: ColumnCheck) -> Iterator[tuple[str, str]]:
    given = rule.model_fields_set
    if "outside" in given and rule.min is None and rule.max is None:
        yield "outside", "min or max"
    if "unseen" in given and rule.values is None:
        yield "unseen", "values"
