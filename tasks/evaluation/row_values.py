"""What rows count, and what a mistake on them costs, read off their columns."""

import polars as pl

from tasks.core.columns import FALSE_ALARM, MISSED, WEIGHT
from tasks.core.definition import Definition
from tasks.evaluation.metrics import Array, Costs


def read_weights(rows: pl.DataFrame) -> Array | None:
    """Give what each row counts; None where all count alike."""
    return rows[WEIGHT].to_numpy() if WEIGHT in rows.columns else None


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
