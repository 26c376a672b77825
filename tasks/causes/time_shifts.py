"""Shifts of time: a column of times that is whole hours off, by the hours of the day.

Not responsible for whether the alarm is quiet when it is shifted back (`root_cause`).
"""

import numpy as np
import polars as pl

from tasks.causes.mapping import Mapping
from tasks.causes.number_mappings import shift_hours
from tasks.causes.onset import Array

_MOST = 3
_HALVED = 0.5  # of the distance must be gone


def propose_shifts(name: str, old: pl.Series, new: pl.Series) -> list[Mapping]:
    """Propose by how many hours times moved on, the likeliest first."""
    was, is_ = (_share(each) for each in (old, new))
    apart = np.array([_measure(np.roll(was, hours), is_) for hours in range(24)])
    likely = [int(hours) for hours in np.argsort(apart, kind="stable") if hours]
    return [
        shift_hours(name, hours if hours <= 12 else hours - 24)
        for hours in likely[:_MOST]
        if apart[hours] <= _HALVED * apart[0]
    ]


def _share(times: pl.Series) -> Array:
    hours = times.drop_nulls().dt.hour().to_numpy()
    counts = np.bincount(hours, minlength=24).astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1))


def _measure(one: Array, other: Array) -> float:
    return float(np.sqrt(max(0.0, 1 - np.sqrt(one * other).sum())))
