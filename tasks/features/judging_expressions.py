"""Expressions that say how a row is judged: what it counts, what a mistake costs, and its groups.

Responsible for compiling them over the columns that there are. Not responsible for their values
(`preparation.weights`), and for features.
"""

import polars as pl

from tasks.core.columns import FALSE_ALARM, MISSED
from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError
from tasks.core.sql import compile_expression, expression_type


def check_judging(definition: Definition, schema: pl.Schema, origin: str) -> None:
    """Raise DefinitionError for the first of them that cannot be, with its key."""
    compile_weight(definition, schema, origin)
    compile_costs(definition, schema, origin)
    gate = definition.gate
    for sql in gate.slices or ():
        compile_expression(sql, schema, f"{origin}: [gate] slices")
    for sql in gate.fairness.by if gate.fairness else ():
        compile_expression(sql, schema, f"{origin}: [gate.fairness] by")
    for name, sql in gate.naive.items():
        _compile_number(sql, schema, f"{origin}: [gate] naive {name!r}")


def compile_weight(definition: Definition, schema: pl.Schema, origin: str) -> pl.Expr | None:
    """Compile what says how much a row counts; None where all rows count alike."""
    if definition.training.weight is None:
        return None
    return _compile_number(definition.training.weight, schema, f"{origin}: [training] weight")


def compile_costs(definition: Definition, schema: pl.Schema, origin: str) -> dict[str, pl.Expr]:
    """Compile what a mistake on a row costs, by the name of its column; nothing without costs."""
    cost = definition.serving.cost
    given = {} if cost is None else {FALSE_ALARM: cost.false_alarm, MISSED: cost.missed}
    keys = {FALSE_ALARM: "false_alarm", MISSED: "missed"}
    return {
        name: _compile_number(price, schema, f"{origin}: [serving.cost] {keys[name]}")
        if isinstance(price, str)
        else pl.lit(float(price))
        for name, price in given.items()
    }


def _compile_number(sql: str, schema: pl.Schema, where: str) -> pl.Expr:
    value = compile_expression(sql, schema, where)
    dtype = expression_type(value, schema, where)
    if not dtype.is_numeric():
        meant = f"CASE WHEN {sql} THEN 2 ELSE 1 END" if dtype == pl.Boolean else "CAST(… AS DOUBLE)"
        raise DefinitionError(f"{where}: gives {dtype}, and must be a number; write {meant}")
    return value
