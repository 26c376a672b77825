"""What a split by [training] group asks of the data: a group for each row, and enough of them.

Not responsible for which part a group falls into (`row_parts`).
"""

from pathlib import Path

import polars as pl

from tasks.core.columns import GROUP, ROLE
from tasks.core.errors import DataRefused
from tasks.extraction.run_plan import Plan
from tasks.preparation.row_parts import SplitRole, group_of_row

_FEWEST_GROUPS = 20  # fewer are no sample to draw from


def refuse_ungrouped(plan: Plan, known: pl.LazyFrame) -> None:
    """Refuse rows of which [training] group says nothing: nobody knows what they go with."""
    group = group_of_row(plan.definition)
    if group is None:
        return
    without = known.select(group.is_null().sum()).collect().item()
    if without:
        raise DataRefused(
            f"{_where(plan)} is missing in {without:,} labelled rows; leave them out by [target] "
            "value or [extract] query, or give each a group of its own by COALESCE"
        )


def refuse_few_groups(plan: Plan, path: Path) -> None:
    """Refuse prepared rows of so few groups that nothing is learned or judged by them."""
    if plan.definition.training.group is None:
        return
    training = pl.col(ROLE) <= SplitRole.STOP
    parts = {"training": training, "the holdout": pl.col(ROLE) == SplitRole.HOLDOUT}
    asked = [pl.col(GROUP).filter(inside).n_unique().alias(name) for name, inside in parts.items()]
    for name, count in pl.scan_ipc(path).select(asked).collect().row(0, named=True).items():
        if count < _FEWEST_GROUPS:
            raise DataRefused(
                f"{_where(plan)} has {count} different values in {name}, and {_FEWEST_GROUPS} are "
                "needed; give more data, change [training] holdout, or group by what has more"
            )


def _where(plan: Plan) -> str:
    return f"{plan.origin}: [training] group: {plan.definition.training.group!r}"
