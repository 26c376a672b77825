"""How sure a bin of calibration is: intervals of what came true among rows of near predictions.

By runs of whole days, as all intervals (`bootstrap`): rows of one day stray together. Not
responsible for the bins themselves (`calibration`).
"""

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition
from tasks.evaluation.bootstrap import compare_means
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array, rank_bins, read_certainty
from tasks.evaluation.row_groups import group_widely
from tasks.preparation.weights import read_weights

_FEWEST = 20  # rows of a bin: fewer have no spread to judge by


def bound_misses(
    definition: Definition, rows: pl.DataFrame, predicted: Array, together: bool = False
) -> tuple[Interval | None, ...]:
    """Bound by how much more came true than was predicted, in each bin; None of too few rows.

    Quantiles have none here: they are bounded by the rows below each (`quantile_shares`).
    With `together`, the intervals are sure of all bins at once: of ten, one strays by chance.
    """
    if definition.pinball is not None:
        return ()
    observed, expected = read_certainty(rows[TARGET].to_numpy(), predicted)
    tenths, weights = rank_bins(expected), read_weights(rows)
    known, confidence = np.unique(tenths), definition.gate.confidence
    sure = 1 - (1 - confidence) / len(known) if together else confidence
    found: list[Interval | None] = []
    for tenth in known:
        inside = tenths == tenth
        if inside.sum() < _FEWEST:
            found.append(None)
            continue
        pair = (expected[inside], observed[inside])
        groups = group_widely(rows.filter(pl.Series(inside)), pair, definition.training.seed)
        counts = None if weights is None else weights[inside]
        found.append(compare_means(*pair, groups, confidence=sure, weights=counts))
    return tuple(found)
