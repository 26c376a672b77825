"""Slices: groups of rows by the value of a column or an expression, and how their rows are read.

Responsible for which slices are watched and which rows belong to them. Not responsible for what is
measured on them.
"""

from collections.abc import Mapping
from typing import cast

import polars as pl

from tasks.core.definition import Definition
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import Features, Vocabulary, compile_expression
from tasks.preparation.split import Prepared

SLICE = "slice:"  # what the columns of a slice begin with in scored rows
FAIR = "fairness:"  # and those of groups that must fare alike
SLICE_LEVELS = 20
Slices = Mapping[str, str | pl.Expr]  # SQL, or what a function of the project gave


def choose_slices(definition: Definition, features: Features, vocabulary: Vocabulary) -> Slices:
    """Name the slices to watch, with what they are: those asked for, or the small categories."""
    if definition.gate.slices is not None:
        return {sql: sql for sql in definition.gate.slices}
    return {
        name: features.expression(name) if name in features.built else features.expressions[name]
        for name, levels in vocabulary.categories.items()
        if 2 <= len(levels) <= SLICE_LEVELS
    }


def slice_columns(slices: Slices, schema: pl.Schema, origin: str) -> list[pl.Expr]:
    """Give each slice's value as text; DefinitionError where its SQL does not fit the columns."""
    expressions = {
        name: compile_expression(each, schema, f"{origin}: [gate] slices")
        if isinstance(each, str)
        else each
        for name, each in slices.items()
    }
    return [
        each.cast(pl.String).fill_null("(missing)").alias(SLICE + name)
        for name, each in expressions.items()
    ]


def slice_rows(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, numbers: pl.Series
) -> list[pl.Series]:
    """Give each slice's value for the numbered rows, and their groups that must fare alike."""
    slices = choose_slices(plan.definition, plan.features, prepared.vocabulary)
    schema, fairness = snapshot.scan().collect_schema(), plan.definition.gate.fairness
    expressions = slice_columns(slices, schema, plan.origin)
    if fairness is not None:
        groups = slice_columns({sql: sql for sql in fairness.by}, schema, plan.origin)
        expressions += [
            each.alias(FAIR + sql) for each, sql in zip(groups, fairness.by, strict=True)
        ]
    return read_rows(snapshot, numbers, expressions).get_columns() if expressions else []


def read_rows(snapshot: Snapshot, numbers: pl.Series, expressions: list[pl.Expr]) -> pl.DataFrame:
    """Evaluate expressions over the numbered rows of a snapshot, and read little else of it."""
    first, last = cast(int, numbers.min()), cast(int, numbers.max())
    rows = snapshot.scan().slice(first, last - first + 1).select(expressions).collect()
    return rows[numbers - first]


def list_levels(rows: pl.DataFrame, prefix: str, least: int) -> list[tuple[str, str]]:
    """List the values of columns that begin with a prefix which have so many rows, by column.

    >>> list_levels(pl.DataFrame({"slice:k": ["b", "a", "a", None]}), SLICE, 2)
    [('slice:k', 'a')]
    """
    return [
        (column, level)
        for column in sorted(name for name in rows.columns if name.startswith(prefix))
        for level, count in rows[column].value_counts().sort(column).iter_rows()
        if level is not None and count >= least
    ]
