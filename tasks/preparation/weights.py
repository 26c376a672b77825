"""Weights and costs: how much each labelled row counts, and a mistake on it, by the definition.

Responsible for the column of weights, and for refusing weights that mean nothing. Not responsible
for what is done with them: fitting, metrics and the gate's bootstrap.
"""

import logging

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.columns import FALSE_ALARM, MISSED, WEIGHT
from tasks.core.errors import DataRefused, DefinitionError, first_line
from tasks.extraction.run_plan import Plan
from tasks.features.judging_expressions import compile_costs, compile_weight

log = logging.getLogger("perennial.preparation")


def weigh_rows(plan: Plan, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add each row's weight and costs, where there are any, and leave out rows of weight 0.

    Such a row adds nothing to any sum; left in, a group of them would be drawn by a bootstrap.
    """
    schema = rows.collect_schema()
    weight = compile_weight(plan.definition, schema, plan.origin)
    if weight is not None:
        rows = rows.with_columns(weight.cast(pl.Float64).alias(WEIGHT))
        _refuse_meaningless(rows, WEIGHT, f"{plan.origin}: [training] weight")
        rows = rows.filter(pl.col(WEIGHT) > 0)
    for name, cost in compile_costs(plan.definition, schema, plan.origin).items():
        rows = rows.with_columns(cost.cast(pl.Float64).alias(name))
        _refuse_meaningless(rows, name, f"{plan.origin}: [serving.cost] {name.partition('.')[2]}")
    return rows


def read_weights(rows: pl.DataFrame) -> NDArray[np.float64] | None:
    """Give what each row counts; None where all count alike."""
    return rows[WEIGHT].to_numpy() if WEIGHT in rows.columns else None


def weight_columns(plan: Plan) -> tuple[str, ...]:
    """Name the column of weights; nothing where all rows count alike."""
    return () if plan.definition.training.weight is None else (WEIGHT,)


def counted_columns(plan: Plan) -> tuple[str, ...]:
    """Name the columns that say how much a row counts, and what a mistake on it costs."""
    costs = () if plan.definition.serving.cost is None else (FALSE_ALARM, MISSED)
    return (*weight_columns(plan), *costs)


def _refuse_meaningless(weighed: pl.LazyFrame, name: str, where: str) -> None:
    try:
        _refuse_values(weighed, name, where)
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(f"{where}: fails on the data: {first_line(error)}") from error


def _refuse_values(weighed: pl.LazyFrame, name: str, where: str) -> None:
    value = pl.col(name)
    rows, missing, negative, endless, zero = weighed.select(
        pl.len().alias("rows"),
        (value.is_null() | value.is_nan()).sum().alias("missing"),
        (value < 0).sum().alias("negative"),
        (value == float("inf")).sum().alias("endless"),
        (value == 0).sum().alias("zero"),
    ).collect().row(0)  # fmt: skip
    for count, is_so, mend in (
        (missing, "is null", "say what it is there, by COALESCE"),
        (negative, "is negative", "it must be 0 or more"),
        (endless, "is infinite", "divide by what cannot be 0"),
    ):
        if count:
            raise DataRefused(f"{where}: {is_so} in {count:,} of {rows:,} labelled rows; {mend}")
    if rows and zero == rows:
        means = "leaves nothing to learn or judge"
        if name != WEIGHT:
            means = "makes one answer always best"
        raise DataRefused(
            f"{where}: is 0 in all {rows:,} labelled rows, which {means}; leave it out, or give "
            "some rows more than 0"
        )
    if zero and name == WEIGHT:
        log.info("%s of %s labelled rows weigh nothing and are left out", f"{zero:,}", f"{rows:,}")
