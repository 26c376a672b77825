"""A made-up table whose values are the less sure the larger `s` is, for models with intervals."""

from typing import Any

import numpy as np
import polars as pl
from tables import START, Project

from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared, prepare_rows

_DRAW = np.random.default_rng(7)
COUNT = 6_000
_X, _S = _DRAW.uniform(0, 10, (2, COUNT))
UNCERTAIN = pl.DataFrame(
    {
        "id": range(COUNT),
        "x": _X,
        "s": _S,
        "c": np.where(_S > 5, "wide", "narrow"),
        "y": 3 * _X + _DRAW.normal(size=COUNT) * (0.3 + _S / 2),
    }
).with_columns(t=START + pl.duration(hours=pl.col("id")))
SECTIONS = {
    "target": 'value = "y"\nkind = "regression"',
    "features": 'x = "x"\ns = "s"\nc = "c"',
    "training": "threads = 1\nrounds = 100\nparams = { min_data_in_leaf = 50, num_leaves = 15 }",
    "serving": "interval = 0.9",
}


def prepare_uncertain(
    made: Project, rows: pl.DataFrame = UNCERTAIN, **sections: str
) -> tuple[Plan, Snapshot, Prepared]:
    given: dict[str, Any] = SECTIONS | sections
    plan, snapshot = made.extract(rows, **given)
    return plan, snapshot, prepare_rows(plan, snapshot, snapshot.parts[0].parent)
