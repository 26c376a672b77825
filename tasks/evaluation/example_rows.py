"""Example rows: a few rows of the holdout, written as the service of this version takes them.

Responsible for which rows are shown and how they are written; the service's page shows them. The
same run chooses the same ones.
"""

import json
from typing import Any

import msgspec
import polars as pl
from polars import selectors as cs

from tasks.core.columns import ROW
from tasks.evaluation.slices import read_rows
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.feature_tables import asked_columns
from tasks.preparation.split import Prepared, SplitRole

_EXAMPLES, _LOOKED_AT, _LONG = 3, 500, 2_000


def write_examples(plan: Plan, snapshot: Snapshot, prepared: Prepared) -> str:
    """Write the first rows of the holdout that lack little and are not long, as a list in JSON.

    What only the log would keep, as a key, is left out: an example is no real prediction.
    """
    numbers = prepared.scan(SplitRole.HOLDOUT).select(ROW).collect()[ROW].sort()
    asked = asked_columns(plan.definition, plan.features.columns)
    rows = read_rows(snapshot, numbers.head(_LOOKED_AT), [pl.col(name) for name in asked])
    # As a request can say them: JSON has no NaN, no infinity, and one kind of number.
    sayable = pl.all_horizontal(pl.lit(True), cs.float().is_finite().fill_null(True))
    short = cs.by_dtype(pl.Float32).cast(pl.String)  # as few digits as tell a number of 32 bits
    plain = cs.decimal().cast(pl.Float64), short.cast(pl.Float64)
    said = rows.filter(sayable).with_columns(*plain).unique(maintain_order=True)
    ranked = sorted(said.to_dicts(), key=_rank)
    return json.dumps(ranked[:_EXAMPLES], default=msgspec.to_builtins, indent=1)


def _rank(row: dict[str, Any]) -> tuple[bool, int]:
    long = len(json.dumps(row, default=msgspec.to_builtins)) > _LONG
    return long, sum(value is None for value in row.values())
