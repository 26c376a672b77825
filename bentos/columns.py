"""The columns that a row is made of: their Polars types, and what JSON they accept.

Owns the mapping from a published column type to strict JSON types. Refuses to know requests.
"""

import ast
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import polars as pl
from msgspec import Meta

from tasks.definition import Definition, Frozen
from tasks.errors import StoreError
from tasks.features import Features
from tasks.tables import asked_columns, tabled_values

TEXT = (pl.String, pl.Categorical, pl.Enum)
_SIMPLE = {"String", "Boolean", "Date", "Time", "Null", "Float32", "Float64"}
_WITH_OPTIONS = {"Decimal", "Datetime", "Duration"}
_LARGEST_FLOAT32 = 3.4028234663852886e38
_LARGEST = 1.7976931348623157e308


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
    needed = [
        Column(name=name, dtype=parse_dtype(types[name]))
        for name in asked_columns(definition, features.columns)
    ]
    asked = [*definition.extract.key, *filter(None, [definition.extract.time])]
    known = {column.name for column in needed}
    extra = [name for name in dict.fromkeys(asked) if name not in known]
    return (
        *needed,
        *(
            Column(name=name, dtype=parse_dtype(profiled[name]["dtype"]), required=False)
            for name in extra
            if name in profiled
        ),
    )


def read_values(definition: Definition, features: Features) -> tuple[Column, ...]:
    """List the columns that features need and that are looked up in feature tables."""
    values = tabled_values(definition)
    return tuple(
        Column(name=name, dtype=parse_dtype(text))
        for name, text in features.columns.items()
        if name in values
    )


def parse_dtype(text: str) -> pl.DataType:
    """Read a type as Polars writes it; StoreError for one that a request cannot hold.

    Categories are read as text: a level that training never saw is to be answered, not refused.
    """
    if text.startswith(("Categorical", "Enum")):
        return pl.String()
    node = ast.parse(text, mode="eval").body
    name = node.func if isinstance(node, ast.Call) else node
    known = isinstance(name, ast.Name) and (
        name.id in _SIMPLE | _WITH_OPTIONS or name.id.startswith(("Int", "UInt"))
    )
    if not known:
        raise StoreError(f"a column of type {text} cannot be sent in a request")
    options = node.keywords if isinstance(node, ast.Call) else []
    given = {str(option.arg): ast.literal_eval(option.value) for option in options}
    dtype: pl.DataType = getattr(pl, ast.unparse(name))(**given)
    return dtype


def json_type(dtype: pl.DataType) -> Any:
    """Give the type that msgspec holds a JSON value to: no number as text, no true as a number."""
    if dtype == pl.String:
        return str
    if dtype == pl.Boolean:
        return bool
    if dtype.is_integer():
        return _integer_type(dtype)
    if dtype.is_numeric():
        largest = (
            _LARGEST_FLOAT32 if dtype == pl.Float32 else _LARGEST if dtype == pl.Float64 else 1e15
        )
        return Annotated[float, Meta(ge=-largest, le=largest)]
    if isinstance(dtype, pl.Datetime):
        return Annotated[datetime, Meta(tz=dtype.time_zone is not None)]
    if dtype == pl.Null:
        return None
    return date if dtype == pl.Date else time if dtype == pl.Time else timedelta


def outer_limits(dtype: pl.DataType) -> tuple[Any, Any] | None:
    """Give the least and most that Polars can hold where JSON's type alone allows more."""
    if isinstance(dtype, pl.Datetime):
        zone = UTC if dtype.time_zone else None
        return datetime(1678, 1, 1, tzinfo=zone), datetime(2261, 12, 31, tzinfo=zone)
    if isinstance(dtype, pl.Duration):
        return -timedelta(days=100_000), timedelta(days=100_000)
    return (0, 2**64 - 1) if dtype in (pl.UInt64, pl.UInt128) else None


def integer_range(dtype: pl.DataType) -> tuple[int, int]:
    name = str(dtype)
    bits = int(name.lstrip("UInt"))
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _integer_type(dtype: pl.DataType) -> Any:
    """Give an integer type's range, as far as msgspec can compare: 64 bits with a sign."""
    least, most = integer_range(dtype)
    if most >= 2**63 and least == 0:
        return Annotated[int, Meta(ge=0)]
    return Annotated[int, Meta(ge=max(least, -(2**63)), le=min(most, 2**63 - 1))]
