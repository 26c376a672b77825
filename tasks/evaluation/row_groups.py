"""Groups of rows that a resample draws, where rows hang together by entity as well as by time.

Not responsible for intervals (`bootstrap`), nor for groups by time alone.
"""

import numpy as np
import polars as pl

from tasks.core.columns import GROUP, TIME
from tasks.evaluation.bootstrap import MOST_GROUPS, group_rows, standard_error
from tasks.evaluation.metrics import Array

_FEWEST_ENTITIES = 3  # in fewer, there is no spread to judge by


def group_entities(entities: pl.Series) -> Array:
    """Group rows by entity, several to a group where there are very many of them."""
    place, different = entities.rank("dense").to_numpy().astype(np.int64) - 1, entities.n_unique()
    return place * min(different, MOST_GROUPS) // different


def group_widely(rows: pl.DataFrame, losses: tuple[Array, Array], seed: int) -> Array:
    """Group rows by time or by entity, whichever the difference of two losses hangs on more.

    Rows of one customer are as alike as those of one day: the wider of both intervals counts
    (clustering in two ways, after Cameron, Gelbach and Miller 2011, bounds it from below by each).
    """
    by_time = group_rows(rows[TIME], seed)
    if GROUP not in rows.columns or rows[GROUP].n_unique() < _FEWEST_ENTITIES:
        return by_time
    by_entity, difference = group_entities(rows[GROUP]), losses[1] - losses[0]
    if rows[TIME].null_count() == len(rows):
        return by_entity
    return max(by_time, by_entity, key=lambda groups: standard_error(difference, groups))
