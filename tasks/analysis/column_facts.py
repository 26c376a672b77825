"""Exact facts of a column: counts and limits, which sketches would only estimate.

Responsible for their types, and for merging those of two profiles. Times are counted in seconds,
since 1970 in UTC where they have a date.
"""

from typing import Any, Literal

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.errors import PerennialError

ColumnKind = Literal["number", "category", "other"]
_PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9}


class ProfileError(PerennialError):
    """A profile cannot be read, or profiles cannot be put together."""


class ColumnFacts(Frozen):
    """What is known of a column exactly, and stays exact when profiles are merged."""

    dtype: str
    kind: ColumnKind
    rows: int
    nulls: int
    nans: int = 0
    infinite: int = 0
    trues: int = 0
    falses: int = 0
    min: int | float | None = None
    max: int | float | None = None

    @property
    def values(self) -> int:
        """How many rows hold something that can be counted or measured."""
        return self.rows - self.nulls - self.nans - self.infinite

    @property
    def null_share(self) -> float | None:
        return self.nulls / self.rows if self.rows else None


def kind_of(dtype: pl.DataType) -> ColumnKind:
    """Tell whether a column is measured as numbers, counted by level, or neither.

    >>> [kind_of(dtype) for dtype in (pl.Date(), pl.Boolean(), pl.Binary())]
    ['number', 'category', 'other']
    """
    if dtype.is_numeric() or dtype.is_temporal():
        return "number"
    level = pl.String, pl.Categorical, pl.Enum, pl.Boolean
    return "category" if isinstance(dtype, level) else "other"


def split_finite(values: pl.Series) -> tuple[dict[str, Any], pl.Series]:
    """Count NaN and infinity and leave them out: either would swallow every moment."""
    if not values.dtype.is_float():
        return {}, values
    odd = {"nans": int(values.is_nan().sum()), "infinite": int(values.is_infinite().sum())}
    return odd, values.filter(values.is_finite()) if any(odd.values()) else values


def as_numbers(values: pl.Series) -> pl.Series:
    """Turn times into seconds; whole numbers stay whole, so that their limits are exact."""
    dtype, physical = values.dtype, values.to_physical()
    if isinstance(dtype, pl.Date):
        return physical.cast(pl.Int64) * 86_400
    if dtype.is_temporal():
        unit = getattr(dtype, "time_unit", "ns")
        return pl.Series(physical.to_numpy() / _PER_SECOND[unit])  # polars' division may round
    return values if dtype.is_integer() else values.cast(pl.Float64)


def merge_facts(name: str, left: ColumnFacts, right: ColumnFacts) -> ColumnFacts:
    """Merge the facts of two parts of a column; ProfileError where their types differ."""
    if left.dtype == "Null":  # a column without one value says nothing of its type
        left, right = right, left
    if right.dtype not in (left.dtype, "Null"):
        raise ProfileError(
            f"column {name!r} is {left.dtype} in one profile and {right.dtype} in another: "
            "they cannot be merged"
        )
    added = ("rows", "nulls", "nans", "infinite", "trues", "falses")
    sums = {fact: getattr(left, fact) + getattr(right, fact) for fact in added}
    least = min((x for x in (left.min, right.min) if x is not None), default=None)
    greatest = max((x for x in (left.max, right.max) if x is not None), default=None)
    return left.model_copy(update=sums | {"min": least, "max": greatest})
