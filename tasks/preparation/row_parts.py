"""Which part each row belongs to: by its time, its group, or a seeded hash of its key.

A row's part is a function of that row alone, so that a version's parts can be told again later, and
new rows move none. Not responsible for where the parts begin in time (`split`).
"""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Any

import polars as pl
from polars.selectors import by_name
from pydantic import Field

from tasks.core.columns import TIME
from tasks.core.definition import Definition, Frozen

_JUDGED_GROUPS = 1 / 3  # of the groups, where rows are split by time, too


class SplitRole(IntEnum):
    """Where a labelled row belongs. Evaluation's model learns from FIT and STOP, never from GAP.

    A GAP row is older than the holdout, but its label was not known yet when the holdout began. A
    GROUP row is of a group that is on the other side.
    """

    FIT, STOP, GAP, HOLDOUT, GROUP = range(5)


class Split(Frozen):
    """Where the parts begin, in event time; None where rows are split by a hash instead.

    `unhashed` are the columns that the hash leaves out; none in versions from before they were.
    """

    stop: datetime | None = None
    gap: datetime | None = None
    holdout: datetime | None = None
    matured: datetime | None = None
    unhashed: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)

    @property
    def timed(self) -> bool:
        """Whether the parts follow each other in time."""
        return self.gap is not None


def split_by_hash(definition: Definition, columns: Iterable[str]) -> Split:
    """Leave the target out of the hash of whole rows, as no key does either.

    Rows that are alike but for their target would else fall apart by it: one part would be taught
    that such a row is a yes, and the other hold that it is a no.
    """
    training, others = definition.training, set(columns)
    target = pl.sql_expr(definition.target.value).meta.root_names()
    others -= {TIME, *target}
    if definition.extract.key or training.group is not None or not others:
        return Split()
    return Split(unhashed=tuple(sorted(set(target))))


def part_of_row(definition: Definition, split: Split, columns: list[str]) -> pl.Expr:
    """Give each row's part: by its time, or by a seeded hash of its key where there is no time.

    Without a key the whole row but its target is hashed, so that its duplicates fall into the same
    part. With [training] group its value is hashed, and no group is on two sides.
    """
    training = definition.training
    if training.group is not None and split.holdout is not None:
        return _part_of_group(definition, split)
    if split.holdout is None:
        assert isinstance(training.holdout, float)
        place = place_of_group(definition)
        if place is None:
            hashed = definition.extract.key or [
                name for name in columns if name not in split.unhashed
            ]
            place = _place(pl.struct(by_name(hashed)), training.seed)
        gap = 1 - training.holdout
        fit = gap * (1 - training.stopping_share) if training.early_stopping else gap
        bounds: list[Any] = [fit, gap, gap]
    else:
        place, bounds = pl.col(TIME), [split.stop, split.gap, split.holdout]
    parts = [(place >= bound).cast(pl.UInt8) for bound in bounds]
    return pl.sum_horizontal(parts).cast(pl.UInt8)


def group_of_row(definition: Definition) -> pl.Expr | None:
    """Give what [training] group says of a row, as text; None without one."""
    group = definition.training.group
    return None if group is None else pl.sql_expr(group).cast(pl.String)


def group_columns(definition: Definition) -> list[str]:
    """List the columns that [training] group is made of."""
    group = group_of_row(definition)
    return [] if group is None else group.meta.root_names()


def place_of_group(definition: Definition) -> pl.Expr | None:
    """Give each row's group a place from 0 to 1, at random and always the same; None without."""
    group = group_of_row(definition)
    return None if group is None else _place(group, definition.training.seed)


def _part_of_group(definition: Definition, split: Split) -> pl.Expr:
    """Split by time and by group: newest rows of some groups judge what older rows of others teach.

    The rest is left out, lest a group be on both sides; whole groups settle early stopping.
    """
    training, time = definition.training, pl.col(TIME)
    place, settled = place_of_group(definition), 1 - _JUDGED_GROUPS
    assert place is not None
    fit = settled * (1 - training.stopping_share) if training.early_stopping else settled
    judged = place >= settled
    old = pl.when(judged).then(SplitRole.GROUP).when(place < fit).then(SplitRole.FIT)
    new = pl.when(judged).then(SplitRole.HOLDOUT).otherwise(SplitRole.GROUP)
    return (
        pl.when(time < split.gap)
        .then(old.otherwise(SplitRole.STOP))
        .when(time < split.holdout)
        .then(SplitRole.GAP)
        .otherwise(new)
        .cast(pl.UInt8)
    )


def _place(value: pl.Expr, seed: int) -> pl.Expr:
    return value.hash(seed).cast(pl.Float64) / 2.0**64
