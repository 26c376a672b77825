"""Check a definition against the columns of its data: keys that would do nothing are refused.

A rule for a column that is not there looks like a guard and is none. Responsible for keys that name
or judge columns of the extracted table. Not responsible for names in sources, feature tables and
expressions, which are checked where those are opened. Published definitions are not checked again.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.core.data_sections import Checks, ColumnCheck
from tasks.core.definition import Definition
from tasks.core.deviances import OBJECTIVE, POWER
from tasks.core.errors import DefinitionError, nearest
from tasks.core.gate_bounds import find_vain_bounds
from tasks.core.model_sections import Training
from tasks.core.schedule import check_zone
from tasks.core.sql import compile_expression, expression_type

_OF_OBJECTIVES = {POWER: "tweedie", "poisson_max_delta_step": "poisson", "fair_c": "fair"}


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
    for said in find_vain_bounds(definition.gate, definition.metric):
        raise DefinitionError(said)
    _check_trainable(definition.training)
    _check_named_twice(definition)
    _check_naive(definition, columns)
    if definition.gate.second_metric == definition.metric:
        raise DefinitionError(
            f"[gate] second_metric: {definition.metric} is judged first already; name another"
        )


def _check_trainable(training: Training) -> None:
    """Refuse what LightGBM would take, and then break on or learn nothing by."""
    sets = "[training] interactions" if training.interactions else ""
    if "interaction_constraints" in training.params:
        sets = "[training.params] interaction_constraints"
    if sets and training.engine == "dask":  # LightGBM's issue 5680
        raise DefinitionError(
            f"{sets}: LightGBM breaks on them where several processes train together; leave them "
            "out, or set [training] engine = 'local'"
        )
    if training.params.get(POWER) == 1:
        raise DefinitionError(
            f"[training.params] {POWER}: of 1, LightGBM computes no loss to stop by; that is the "
            "variance of counts: set objective = 'poisson', or more than 1"
        )


def _check_named_twice(definition: Definition) -> None:
    """Refuse what is judged twice over, or joined to itself."""
    gate, fairness = definition.gate, definition.gate.fairness
    named: dict[str, tuple[str, ...]] = {"[gate] slices": gate.slices or ()}
    if fairness is not None:
        named |= {"[gate.fairness] by": fairness.by, "[gate.fairness] rates": fairness.rates}
    for each in definition.training.interactions:
        named[f"[training] interactions: {list(each)}"] = each
    for where, given in named.items():
        for name in given:
            if given.count(name) > 1:
                raise DefinitionError(
                    f"{where}: {name!r} stands there twice; leave one of them out"
                )


def _check_naive(definition: Definition, columns: Mapping[str, pl.DataType]) -> None:
    """Refuse a naive prediction that is made of what is to be predicted."""
    for name, sql in definition.gate.naive.items():
        target = _list_columns(definition.target.value, columns, "[target] value")
        read = _list_columns(sql, columns, f"[gate] naive {name!r}")
        if len(target) == 1 and target[0] in read:
            raise DefinitionError(
                f"[gate] naive {name!r}: {sql!r} reads {target[0]!r}, which is to be predicted; "
                "take what was known before, as a value of [tables] is"
            )


def _list_columns(sql: str, columns: Mapping[str, pl.DataType], where: str) -> list[str]:
    return compile_expression(sql, pl.Schema(columns), where).meta.root_names()


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
    if definition.target.kind != "binary" and "threshold" in definition.serving.model_fields_set:
        yield "[serving] threshold", "a binary target"
    if (
        definition.target.kind == "regression"
        and "calibrate" in definition.training.model_fields_set
    ):
        yield "[training] calibrate", "probabilities, and a regression has none"
    for name, objective in _OF_OBJECTIVES.items():
        if name in definition.training.params and not _aims_at(definition, objective):
            yield f"[training.params] {name}", f"objective = '{objective}'"
    if "materialise" in definition.schedule.model_fields_set and not definition.tables:
        yield "[schedule] materialise", "[tables]"
    if not extract.key and "duplicates" in checks.model_fields_set:
        yield "[checks] duplicates", "[extract] key"


def _aims_at(definition: Definition, objective: str) -> bool:
    return objective in (definition.training.params.get(name) for name in OBJECTIVE)


def _find_idle_rules(rule: ColumnCheck) -> Iterator[tuple[str, str]]:
    given = rule.model_fields_set
    if "outside" in given and rule.min is None and rule.max is None:
        yield "outside", "min or max"
    if "unseen" in given and rule.values is None:
        yield "unseen", "values"
