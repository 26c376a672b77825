"""Naive predictions of [gate] naive for the holdout: what anybody could have said.

Not responsible for whether a candidate beats them: the gate is.
"""

import polars as pl

from tasks.core.errors import DefinitionError, first_line
from tasks.evaluation.slices import read_rows
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
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


def predict_naively(plan: Plan, snapshot: Snapshot, numbers: pl.Series) -> list[pl.Series]:
    """Give each naive prediction of the numbered rows; DefinitionError where SQL fails on them."""
    columns = naive_columns(plan, snapshot.scan().collect_schema())
    try:
        return read_rows(snapshot, numbers, columns).get_columns() if columns else []
    except FAILURES as error:
        raise DefinitionError(
            f"{plan.origin}: [gate] naive: fails on the data: {first_line(error)}; let TRY_CAST or "
            "NULLIF make such values missing"
        ) from error
