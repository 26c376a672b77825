"""Swapped columns: two columns whose new values are each other's old ones.

Not responsible for whether the alarm is quiet when they are put back (`root_cause`).
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from tasks.causes.mapping import Mapping, to_numbers
from tasks.causes.number_shapes import describe_usual
from tasks.core.sql import is_text

_HALVED = 0.5  # of the distance must be gone, on both sides


def propose_swaps(
    name: str, others: Iterable[str], usual: pl.DataFrame, struck: pl.DataFrame
) -> Iterator[Mapping]:
    """Propose the columns that a column may be swapped with."""
    for other in others:
        alike = usual[name].dtype.is_numeric() == usual[other].dtype.is_numeric()
        text = is_text(usual[name].dtype) == is_text(usual[other].dtype)
        if other == name or not alike or not text or isinstance(usual[name].dtype, pl.Datetime):
            continue
        pairs = ((name, other), (other, name))
        if all(
            _measure(usual[one], struck[two]) < _HALVED * _measure(usual[one], struck[one])
            for one, two in pairs
        ):
            yield Mapping(kind="swap", columns=(name, other), about="swapped")


def _measure(old: pl.Series, new: pl.Series) -> float:
    """Measure the Hellinger distance of two columns' values."""
    if old.dtype.is_numeric():
        before, now = (each[np.isfinite(each)] for each in map(to_numbers, (old, new)))
        if not len(before) or not len(now):
            return 1.0
        return describe_usual(before).distance(now, np.ones(len(now)))
    shares = [
        dict(each.cast(pl.String).drop_nulls().value_counts(normalize=True).iter_rows())
        for each in (old, new)
    ]
    overlap = sum(np.sqrt(share * shares[1].get(level, 0.0)) for level, share in shares[0].items())
    return float(np.sqrt(max(0.0, 1 - overlap)))
