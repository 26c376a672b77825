"""Naive predictions of [gate] naive for the holdout: what anybody could have said.

Not responsible for whether a candidate beats them: the gate is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from tasks.core.errors import DefinitionError, first_line
from tasks.extraction.run_plan import Plan
from tasks.features.transform import compile_expression
from tasks.sources.file_formats import FAILURES

NAIVE = "naive:"  # what their columns begin with in scored rows


def naive_columns(plan: Plan, schema: pl.Schema) -> list[pl.Expr]:
    """Give each naive prediction as a column; null where it has nothing to say."""
    return [
        compile_expression(sql, schema, f"{plan.origin}: [gate] naive {name!r}")
        .cast(pl.Float64)
        .fill_nan(None)
        .alias(NAIVE + name)
        for name, sql in plan.definition.gate.naive.items()
    ]


@contextmanager
def naming_naive(plan: Plan) -> Iterator[None]:
    """Say where SQL that is right for the columns fails on what they hold."""
    try:
        yield
    except FAILURES as error:
        raise DefinitionError(
            f"{plan.origin}: [gate] naive: fails on the data: {first_line(error)}; let TRY_CAST or "
            "NULLIF make such values missing"
        ) from error
