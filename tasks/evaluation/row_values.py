"""What a mistake on rows costs, read off their columns."""

import polars as pl

from tasks.core.columns import FALSE_ALARM, MISSED
from tasks.core.definition import Definition
from tasks.evaluation.metrics import Array, Costs


def read_costs(definition: Definition, rows: pl.DataFrame) -> Costs | None:
    """Give what mistakes cost: a row's own costs, or those that all have; None without any."""
    if FALSE_ALARM in rows.columns:
        return rows[FALSE_ALARM].to_numpy(), rows[MISSED].to_numpy()
    return definition.constant_costs


def pick_costs(costs: Costs | None, inside: Array) -> Costs | None:
    """Take the costs of some rows."""
    if costs is None:
        return None
    one, other = (each if isinstance(each, float) else each[inside] for each in costs)
    return one, other
