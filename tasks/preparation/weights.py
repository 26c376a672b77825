"""Weights: how much each labelled row counts, by the definition's own SQL.

Responsible for the column of weights, and for refusing weights that mean nothing. Not responsible
for what is done with them: fitting, metrics and the gate's bootstrap.
"""

import logging

import polars as pl

from tasks.core.columns import WEIGHT
from tasks.core.errors import DataRefused, DefinitionError, first_line
from tasks.extraction.run_plan import Plan
from tasks.features.transform import compile_weight

log = logging.getLogger("perennial.preparation")


def weigh_rows(plan: Plan, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add each row's weight, where the definition has one, and leave out rows of weight 0.

    Such a row adds nothing to any sum; left in, a group of them would be drawn by a bootstrap.
    """
    weight = compile_weight(plan.definition, rows.collect_schema(), plan.origin)
    if weight is None:
        return rows
    where = f"{plan.origin}: [training] weight"
    weighed = rows.with_columns(weight.cast(pl.Float64).alias(WEIGHT))
    try:
        _refuse_meaningless(weighed, where)
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(f"{where}: fails on the data: {first_line(error)}") from error
    return weighed.filter(pl.col(WEIGHT) > 0)


def weight_columns(plan: Plan) -> tuple[str, ...]:
    """Name the column of weights; nothing where all rows count alike."""
    return () if plan.definition.training.weight is None else (WEIGHT,)


def _refuse_meaningless(weighed: pl.LazyFrame, where: str) -> None:
    value = pl.col(WEIGHT)
    rows, missing, negative, endless, zero = weighed.select(
        pl.len().alias("rows"),
        (value.is_null() | value.is_nan()).sum().alias("missing"),
        (value < 0).sum().alias("negative"),
        (value == float("inf")).sum().alias("endless"),
        (value == 0).sum().alias("zero"),
    ).collect().row(0)  # fmt: skip
    for count, is_so, mend in (
        (missing, "is null", "say what such a row counts, by COALESCE"),
        (negative, "is negative", "a weight is 0 or more; 0 leaves a row out"),
        (endless, "is infinite", "a weight is a number; divide by what cannot be 0"),
    ):
        if count:
            raise DataRefused(f"{where}: {is_so} in {count:,} of {rows:,} labelled rows; {mend}")
    if rows and zero == rows:
        raise DataRefused(
            f"{where}: is 0 in all {rows:,} labelled rows, which leaves nothing to learn from; "
            "leave it out, or give some rows a weight above 0"
        )
    if zero:
        log.info("%s of %s labelled rows weigh nothing and are left out", f"{zero:,}", f"{rows:,}")
