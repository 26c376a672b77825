"""A mapping of a column's old values onto its new ones: undone on raw rows, and said in words.

Responsible for its form, for taking it back, and for its sentence. Not responsible for which
mapping fits (`number_mappings`, `level_mappings`, `stand_ins`).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from tasks.core.definition import Frozen

Array = npt.NDArray[np.float64]
Kind = Literal["linear", "hours", "levels", "stand-in", "swap"]
Clock = Literal["", "hour", "hhmm"]

_MOST_DECIMALS = 6


class Mapping(Frozen):
    """What new values are of old ones; `about` says so in words, "multiplied by 60 (…)".

    `linear`: `factor` * old + `offset`, `cut` where fractions were cut off and not rounded;
    `known` for a conversion between units, `proven` where single values speak for it.
    `hours`: moved on by `hours` round the clock; a number is an hour or, as `clock` says, HHMM.
    `levels`: each old level by its new name. `stand-in`: `value` stands in `share` of rows, where
    `usual` of them had it; `whole` if all others are missing. `swap`: the values of the second
    column in `columns`, and vice versa.
    """

    kind: Kind
    columns: tuple[str, ...]
    about: str
    factor: float = 1.0
    offset: float = 0.0
    cut: bool = False
    known: bool = False
    proven: bool = False
    hours: int = 0
    clock: Clock = ""
    levels: dict[str, str] = Field(default_factory=dict)
    value: str | float | None = None
    share: float = 0.0
    usual: float = 0.0
    whole: bool = False


def undo(mapping: Mapping, rows: pl.DataFrame, affected: pl.Series, known: Array) -> pl.DataFrame:
    """Take a mapping back in the affected rows; `known` are the numbers that there were before.

    Of rows with a stand-in, as many are left out as are more than usual.
    """
    name = mapping.columns[0]
    if mapping.kind == "stand-in":
        return rows.filter(_thin_out(mapping, rows[name], affected))
    if mapping.kind == "swap":
        one, other = (rows[each] for each in mapping.columns)
        turned = [one.zip_with(~affected, other.cast(one.dtype, strict=False))]
        turned += [other.zip_with(~affected, one.cast(other.dtype, strict=False))]
        return rows.with_columns(turned)
    if mapping.kind == "levels":
        back = {new: old for old, new in mapping.levels.items()}
        undone = rows[name].cast(pl.String).replace(back)
        return rows.with_columns(rows[name].cast(pl.String).zip_with(~affected, undone))
    if isinstance(rows.schema[name], pl.Datetime):
        undone = rows.select(pl.col(name) - pl.duration(hours=mapping.hours)).to_series()
        return rows.with_columns(rows[name].zip_with(~affected, undone))
    numbers = rows[name].cast(pl.Float64)
    grain = find_grain(np.unique(to_numbers(numbers.filter(affected))))
    undone = pl.Series(name, undo_numbers(mapping, to_numbers(numbers), known, grain))
    undone = undone.zip_with(numbers.is_not_null(), pl.Series([None], dtype=pl.Float64))
    return rows.with_columns(numbers.zip_with(~affected, undone))


def undo_numbers(mapping: Mapping, values: Array, known: Array, grain: float) -> Array:
    """Take a mapping of numbers back, that were rounded to a `grain` (0: they were not).

    What was rounded goes to the nearest of the sorted `known` values, if that is as near as
    rounding can tell.
    """
    if mapping.kind == "hours":
        if mapping.clock == "hour":
            return np.asarray((values - mapping.hours) % 24)
        return np.asarray((values // 100 - mapping.hours) % 24 * 100 + values % 100)
    undone = take_back(mapping, values, grain)
    if not len(known):
        return undone
    nearest = find_nearest(known, undone)
    return np.where(np.abs(undone - nearest) <= tolerate(mapping, undone, grain), nearest, undone)


def take_back(mapping: Mapping, values: Array, grain: float) -> Array:
    """Take a linear mapping back, as far as rounding to a `grain` lets it be known."""
    lost = grain / 2 if mapping.cut else 0.0
    return np.asarray((values + lost - mapping.offset) / mapping.factor)


def tolerate(mapping: Mapping, undone: Array, grain: float) -> Array:
    """Give how far off a value may be that was rounded to a `grain` and taken back."""
    return np.asarray(grain / 2 / abs(mapping.factor) + 1e-6 * np.abs(undone) + 1e-12)


def find_nearest(known: Array, values: Array) -> Array:
    """Find the nearest of sorted known values."""
    places = np.clip(np.searchsorted(known, values), 1, max(len(known) - 1, 1))
    low, high = known[places - 1], known[np.minimum(places, len(known) - 1)]
    return np.where(values - low <= high - values, low, high)


def find_grain(values: Array) -> float:
    """Find the decimal place to which values are rounded; 0 where they are not.

    >>> find_grain(np.array([1.5, 2.25])), find_grain(np.array([3.0, 1 / 3]))
    (0.01, 0.0)
    """
    finite = values[np.isfinite(values)]
    for decimals in range(_MOST_DECIMALS + 1):
        if (np.abs(finite - np.round(finite, decimals)) <= 1e-9 + 1e-12 * np.abs(finite)).all():
            return float(f"1e-{decimals}")
    return 0.0


def to_numbers(column: pl.Series) -> Array:
    """Give a column as numbers; what is missing is NaN."""
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _thin_out(mapping: Mapping, column: pl.Series, affected: pl.Series) -> pl.Series:
    stands = find_standing(column, mapping.value) & affected
    others = int((affected & ~stands).sum())
    kept = round(mapping.usual / max(1 - mapping.usual, 1e-9) * others)
    count = int(stands.sum())
    place = stands.cum_sum() * kept // max(count, 1)
    return ~stands | (place > place.shift(1, fill_value=0))


def find_standing(column: pl.Series, value: str | float | None) -> pl.Series:
    """Tell where a value stands; what is not a number is missing."""
    if value is None:
        missing = column.is_null()
        return missing | column.is_nan().fill_null(False) if column.dtype.is_float() else missing
    if isinstance(value, str):
        return (column.cast(pl.String) == value).fill_null(False)
    return (column.cast(pl.Float64) == value).fill_null(False)
