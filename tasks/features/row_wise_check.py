"""Hold the expressions of a project's own functions to be row-wise, on the data itself.

What expressions are made of was judged before, on rows that are made up (`core.sql`). This is the
same question asked of real ones.
"""

import polars as pl

from tasks.core.errors import DefinitionError
from tasks.core.recomputing import depends_on_other_rows
from tasks.core.sql import OTHER_ROWS
from tasks.features.transform import Features

_ROWS = 100


def hold_row_wise(features: Features, rows: pl.LazyFrame, origin: str) -> None:
    """Compute the first rows together, in another order, in parts and alone.

    DefinitionError names the first feature whose values differ, and its function's file and line.
    """
    if not features.built:
        return
    sample = rows.head(_ROWS).collect()
    for name, built in features.built.items():
        if depends_on_other_rows(features.expression(name), sample):
            raise DefinitionError(f"{origin}: [features] {name}: {built.place}: {OTHER_ROWS}")
