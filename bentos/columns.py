"""The columns that a row is made of: their Polars types, and what JSON they accept.

Responsible for the mapping from a published column type to strict JSON types.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import polars as pl
from msgspec import Meta

from tasks.core.definition import Definition, Frozen
from tasks.core.type_coercion import exact_range
from tasks.core.type_coercion import parse_dtype as parse_dtype
from tasks.features.feature_tables import asked_columns, tabled_values
from tasks.features.transform import Features

Row = tuple[Any, ...]
Rows = Sequence[Row] | pl.DataFrame
TEXT = (pl.String, pl.Categorical, pl.Enum)
_LARGEST_DECIMAL = 1e15
_TIME = Annotated[time, Meta(tz=False)]


class Column(Frozen, arbitrary_types_allowed=True):
    """One column of a row. What no feature needs, such as a key, may be left out of a request."""

    name: str
    dtype: pl.DataType
    required: bool = True

    @property
    def is_time(self) -> bool:
        return self.dtype.is_temporal()

    @property
    def is_written_as_text(self) -> bool:
        return self.is_time or self.dtype == pl.String


def read_columns(
    definition: Definition, features: Features, profiled: Mapping[str, Any]
) -> tuple[Column, ...]:
    """List the columns that features need, then the key and time that only the log wants.

    What is looked up is not sent: the columns that name the entity are, and the time where it has
    a say.
    """
    types = {name: each["dtype"] for name, each in profiled.items()} | features.columns
    needed = asked_columns(definition, features.columns)
    logged = [*definition.extract.key, *filter(None, [definition.extract.time])]
    names = dict.fromkeys([*needed, *(name for name in logged if name in profiled)])
    return tuple(
        Column(name=name, dtype=parse_dtype(types[name]), required=name in needed) for name in names
    )


def read_values(definition: Definition, features: Features) -> tuple[Column, ...]:
    """List the columns that features need and that are looked up in feature tables."""
    values = tabled_values(definition)
    return tuple(
        Column(name=name, dtype=parse_dtype(text))
        for name, text in features.columns.items()
        if name in values
    )


def json_type(dtype: pl.DataType) -> Any:
    """Give the type that msgspec holds a JSON value to: no number as text, no true as a number.

    It takes less than the rule (`core.type_coercion`), and takes it as the rule does: what is left
    over, as numbers that a float cannot tell apart, is decoded as `loose`. Only whether a float
    is a whole number, as 2.0, it cannot tell: `RequestSchema` does.
    """
    if dtype == pl.String:
        return str
    if dtype == pl.Boolean:
        return bool
    if dtype.is_integer():
        return _integer_type(dtype)
    if dtype.is_numeric():
        largest = exact_range(dtype) - 1 if dtype.is_float() else _LARGEST_DECIMAL
        return Annotated[float, Meta(ge=-largest, le=largest)]
    if isinstance(dtype, pl.Datetime):
        return Annotated[datetime, Meta(tz=dtype.time_zone is not None)]
    if dtype == pl.Null:
        return None
    return date if dtype == pl.Date else _TIME if dtype == pl.Time else timedelta


def loose_type(dtype: pl.DataType) -> Any:
    """Give the kinds of JSON values that a column may hold, whatever they are."""
    if dtype.is_numeric():
        return int | float
    return str if dtype.is_temporal() else json_type(dtype)


def outer_limits(dtype: pl.DataType) -> tuple[Any, Any] | None:
    """Give the least and most that Polars can hold where JSON's type alone allows more."""
    if isinstance(dtype, pl.Datetime):
        zone = UTC if dtype.time_zone else None
        if dtype.time_unit == "ns":
            return datetime(1678, 1, 1, tzinfo=zone), datetime(2261, 12, 31, tzinfo=zone)
        return datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)
    if isinstance(dtype, pl.Duration):
        return -timedelta(days=100_000), timedelta(days=100_000)
    return (0, 2**64 - 1) if dtype in (pl.UInt64, pl.UInt128) else None


def find_rounding(dtype: pl.DataType) -> Callable[[Any], bool] | None:
    """Give what tells whether a type would round a value of JSON; None where it never does."""
    if isinstance(dtype, pl.Decimal):
        scale = dtype.scale
        return lambda value: bool(round(value, scale) != value)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms":
        return lambda value: bool(value.microsecond % 1000)
    if isinstance(dtype, pl.Duration) and dtype.time_unit == "ms":
        return lambda value: bool(value.microseconds % 1000)
    return None


def integer_range(dtype: pl.DataType) -> tuple[int, int]:
    """Give the least and most that an integer type holds.

    >>> integer_range(pl.Int8()), integer_range(pl.UInt16())
    ((-128, 127), (0, 65535))
    """
    name = str(dtype)
    bits = int(name.lstrip("UInt"))
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _integer_type(dtype: pl.DataType) -> Any:
    """Give an integer type's range, as far as msgspec can compare: 64 bits with a sign.

    Of a float, it is the part where neighbouring whole numbers are still told apart.
    """
    least, most = integer_range(dtype)
    exact = exact_range(pl.Float64()) - 1
    floats = Annotated[float, Meta(ge=max(least, -exact), le=min(most, exact))]
    if most >= 2**63 and least == 0:
        return Annotated[int, Meta(ge=0)] | floats
    return Annotated[int, Meta(ge=max(least, -(2**63)), le=min(most, 2**63 - 1))] | floats
