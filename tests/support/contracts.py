"""Rows that break a data contract, and the checks of one by name."""

import polars as pl
from tables import ROWS, Project

from tasks.analysis.data_contract import check_contract
from tasks.analysis.profile import profile_table
from tasks.core.checks import Check

ID = pl.col("id")


def check(made: Project, rows: pl.DataFrame = ROWS, **sections: str) -> dict[str, Check]:
    plan, snapshot = made.extract(rows, **sections)
    checks = check_contract(plan, snapshot, profile_table(snapshot.scan()))
    return {each.name: each for each in checks}


def some(column: str, value: object) -> dict[str, pl.Expr]:
    """Put a value into the first four rows of a column."""
    return {column: pl.when(ID < 4).then(value).otherwise(column)}
