"""Drift of each column between two profiles: PSI, Hellinger distance and the share of new levels.

PSI is the population stability index, a symmetric Kullback–Leibler divergence over deciles or
levels. Not responsible for thresholds: how much drift is too much is decided in `alarms`.
"""

import math
from typing import Any, Literal

import numpy as np

from tasks.analysis.column_facts import ColumnKind
from tasks.analysis.profile import Column, Profile
from tasks.core.definition import Frozen

Change = Literal["none", "added", "removed", "retyped"]
Counts = np.ndarray[tuple[int], np.dtype[np.float64]]

FREQUENT = 0.01  # rarer levels share a bin: with many of them chance alone would look like drift

_DECILES = [tenth / 10 for tenth in range(1, 10)]


class ColumnDrift(Frozen):
    """How far a column has moved; None where the two sides cannot be compared.

    `noise` is about the PSI that two samples of these sizes from one population would show.
    `unseen` is the share of current values whose level the reference does not have.
    """

    column: str
    kind: ColumnKind
    change: Change
    reference_dtype: str | None = None
    current_dtype: str | None = None
    reference_nulls: float | None = None
    current_nulls: float | None = None
    psi: float | None = None
    noise: float | None = None
    hellinger: float | None = None
    unseen: float | None = None


def measure_drift(reference: Profile, current: Profile) -> list[ColumnDrift]:
    """Compare two profiles column by column, in effect sizes that more rows do not inflate.

    >>> import polars as pl
    >>> from tasks.analysis.profile import profile_table
    >>> old = profile_table(pl.LazyFrame({"c": ["a"] * 50 + ["b"] * 50}))
    >>> new = profile_table(pl.LazyFrame({"c": ["a"] * 90 + ["d"] * 10}))
    >>> (drift,) = measure_drift(old, new)
    >>> round(drift.hellinger or 0, 2), round(drift.unseen or 0, 2)
    (0.57, 0.1)
    """
    old, new = reference.columns, current.columns
    return [_measure_column(name, old.get(name), new.get(name)) for name in old | new]


def _measure_column(name: str, old: Column | None, new: Column | None) -> ColumnDrift:
    facts = {"reference": old and old.facts, "current": new and new.facts}
    known = {side: fact for side, fact in facts.items() if fact}
    found: dict[str, Any] = {f"{side}_dtype": fact.dtype for side, fact in known.items()}
    found |= {f"{side}_nulls": fact.null_share for side, fact in known.items()}
    change: Change = "removed" if old else "added"
    if old and new:
        change = "none" if old.facts.dtype == new.facts.dtype else "retyped"
        if old.facts.rows and new.facts.rows and old.facts.kind == new.facts.kind:
            found |= _measure_kind(old, new)
    kinds = [fact.kind for fact in known.values()]
    return ColumnDrift(column=name, kind=kinds[-1], change=change, **found)


def _measure_kind(old: Column, new: Column) -> dict[str, float | None]:
    if new.facts.kind == "number":
        cuts = _cut_points(old)
        return _measure_bins(_count_numbers(old, cuts), _count_numbers(new, cuts))
    frequent = sorted(_frequent(old) | _frequent(new))
    sizes = _measure_bins(_count_by_level(old, frequent), _count_by_level(new, frequent))
    return sizes | {"unseen": _unseen_share(old, new)}


def _measure_bins(old: Counts, new: Counts) -> dict[str, float | None]:
    """Add half a row to every bin for PSI, so that an empty one leaves it finite."""
    filled = old + new > 0
    old, new = old[filled], new[filled]
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (old, new))
    overlap = np.sqrt(old / old.sum() * new / new.sum()).sum()
    return {
        "psi": float(((p - q) * np.log(p / q)).sum()),
        "noise": float((len(old) - 1) * (1 / old.sum() + 1 / new.sum())),
        "hellinger": math.sqrt(max(0.0, 1 - overlap)),
    }


def _cut_points(reference: Column) -> list[float]:
    """Give the upper ends of the bins: the deciles and the limits.

    A value that is several deciles at once gets a bin of its own, so that a column of few values
    cannot move unseen inside one bin.
    """
    kll = reference.distribution.kll.value
    if kll.is_empty():
        return []
    deciles, repeats = np.unique(kll.get_quantiles(_DECILES), return_counts=True)
    lowest = [kll.get_min_value(), *deciles[repeats > 1]]
    below = [math.nextafter(value, -math.inf) for value in lowest]
    return [float(cut) for cut in np.unique([*below, *deciles, kll.get_max_value()])]


def _count_numbers(column: Column, cuts: list[float]) -> Counts:
    facts, shares = column.facts, [1.0] + [0.0] * len(cuts)
    if cuts and facts.values:  # an empty sketch, or an empty list, crashes the interpreter
        shares = column.distribution.kll.value.get_pmf(cuts, True)
    return np.array([facts.nulls, facts.nans, facts.infinite, *np.array(shares) * facts.values])


def _frequent(column: Column) -> set[str]:
    least = FREQUENT * column.facts.values
    return {level for level, count in column.levels.items() if count >= least}


def _count_by_level(column: Column, frequent: list[str]) -> Counts:
    levels, facts = column.levels, column.facts
    known = [levels.get(level, 0) for level in frequent]
    return np.array([facts.nulls, *known, max(0, facts.values - sum(known))], dtype=np.float64)


def _unseen_share(old: Column, new: Column) -> float | None:
    """Count rows of new levels; only frequent ones where the reference cannot hold all of its."""
    before, after, values = old.levels, new.levels, new.facts.values
    if not values or new.facts.kind == "other":
        return None
    if sum(before.values()) == old.facts.values:
        return max(0.0, 1 - sum(after.get(level, 0) for level in before) / values)
    return sum(after[level] for level in _frequent(new) - before.keys()) / values
