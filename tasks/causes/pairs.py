"""Exact mappings: what single values became, where each is known beside the one it should be.

Of rows whose values differ, nearly all must agree on one factor, offset, shift or name. Not
responsible for how rows were paired (`monitoring.skew`).
"""

from collections.abc import Mapping as Pairs

import numpy as np
import polars as pl

from tasks.causes.mapping import Array, Kind, Mapping, find_grain, find_standing, to_numbers
from tasks.causes.number_mappings import say_factor, say_offset, shift_hours
from tasks.causes.unit_factors import list_conversions
from tasks.core.wording import list_few

_ALL = 0.99  # of the rows that differ
_LEAST = 20  # of them
_MOST_LEVELS = 100
_NAMED = 3


def map_pairs(
    name: str, old: pl.Series, new: pl.Series, others: Pairs[str, pl.Series]
) -> Mapping | None:
    """Find what made each new value of the old one beside it, among rows that differ.

    `others` are the old values of other columns: that of a swapped one is found among them.
    """
    if len(old) < _LEAST:
        return None
    for value in (None, *new.drop_nulls().mode().head(1).to_list()):
        if not isinstance(value, str | int | float | None):
            continue
        if (value is None or old.n_unique() > 1) and _hold(find_standing(new, value)):
            about = "missing" if value is None else repr(value)
            return _tell("stand-in", name, f"{about} in these rows, where another value should be")
    for other, values in others.items():
        if other != name and values.dtype == new.dtype and _hold((values == new).fill_null(False)):
            return Mapping(kind="swap", columns=(name, other), about=f"what {other} should be")
    if isinstance(old.dtype, pl.Datetime) and isinstance(new.dtype, pl.Datetime):
        return _map_times(name, old, new)
    if old.dtype.is_numeric() and new.dtype.is_numeric():
        return _map_numbers(name, to_numbers(old), to_numbers(new))
    return _map_levels(name, old.cast(pl.String), new.cast(pl.String))


def _map_times(name: str, old: pl.Series, new: pl.Series) -> Mapping | None:
    hours = (new.dt.epoch("us") - old.dt.epoch("us")) / 3_600_000_000
    usual = hours.median()
    if not isinstance(usual, float) or usual != round(usual) or not _hold(hours == usual):
        return None
    return shift_hours(name, round(usual))


def _map_numbers(name: str, old: Array, new: Array) -> Mapping | None:
    """Try known conversions, then the usual ratio and the usual difference."""
    grain = find_grain(np.unique(new[np.isfinite(new)]))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.nanmedian(np.where(old != 0, new / old, np.nan)))
    apart = float(np.nanmedian(new - old))
    known = [
        (factor, offset, f"{say_factor(factor)} ({units})" if not offset else f"converted: {units}")
        for factor, offset, units in list_conversions()
    ]
    free = [(ratio, 0.0, say_factor(ratio)), (1.0, apart, say_offset(apart))]
    for factor, offset, about in (*known, *free):
        made = old * factor + offset
        rounds = find_grain(made) < grain or find_grain(made) == 0
        forgiven = grain if rounds and _is_told(grain, old, new) else 1e-9
        if np.mean(np.abs(made - new) <= forgiven + 1e-6 * np.abs(new)) >= _ALL:
            return _tell("linear", name, about, factor=factor, offset=offset)
    return None


def _is_told(grain: float, old: Array, new: Array) -> bool:
    """Tell whether what happened to values is far more than the rounding that is forgiven."""
    return grain < 0.1 * min(float(np.nanstd(new)), float(np.nanmedian(np.abs(new - old))))


def _map_levels(name: str, old: pl.Series, new: pl.Series) -> Mapping | None:
    pairs = pl.DataFrame({"old": old, "new": new}).drop_nulls()
    counted = pairs.group_by("old", "new").len().sort("len", descending=True)
    first = counted.unique("old", keep="first", maintain_order=True)
    if not len(first) or len(first) > _MOST_LEVELS or first["new"].n_unique() < len(first):
        return None
    if first["len"].sum() < _ALL * len(old):
        return None
    levels = dict(first.select("old", "new").iter_rows())
    named = list_few([f"{one!r} is {other!r}" for one, other in levels.items()], _NAMED)
    return _tell("levels", name, f"renamed: {named}", levels=levels)


def _hold(same: pl.Series) -> bool:
    return float(same.sum()) >= _ALL * len(same)


def _tell(kind: Kind, name: str, about: str, **found: object) -> Mapping:
    return Mapping.model_validate({"kind": kind, "columns": (name,), "about": about, **found})
