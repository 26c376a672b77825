"""Values of a request's columns, turned into each column's Polars type or refused by its name.

Not responsible for how a request is written: `request_validation` reads JSON and Arrow.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
from msgspec import UNSET
from polars import selectors as cs

from bentos.columns import TEXT, Column, Row, json_type
from bentos.errors import RequestRefused
from bentos.refusals import describe_sent, refuse_missing, refuse_unknown, refuse_value
from tasks.core.type_coercion import CoercionError, take_objects, take_values

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND, _MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)
_MOST_TEXT = 64_000_000  # bytes of all rows of an Arrow stream together


def make_frame(columns: Sequence[Column], values: Iterable[Sequence[Any]]) -> pl.DataFrame:
    """Put columns' values into a frame of their types."""
    pairs = zip(columns, values, strict=True)
    return pl.DataFrame([_make_column(column, each) for column, each in pairs])


def frame_rows(columns: Sequence[Column], rows: Sequence[Row]) -> pl.DataFrame:
    """Put rows into a frame of their columns' types."""
    return make_frame(columns, zip(*rows, strict=True))


def _make_column(column: Column, values: Sequence[Any]) -> pl.Series:
    try:
        if column.dtype.is_decimal():  # JSON's number is the nearest decimal, or none that fits
            return pl.Series(column.name, values, dtype=pl.Float64).cast(column.dtype)
        if isinstance(column.dtype, pl.Datetime):  # Polars takes 2 µs for each datetime of Python
            since = _count_since_epoch(column.dtype, values)
            return pl.Series(column.name, since, dtype=pl.Int64).cast(column.dtype)
        return pl.Series(column.name, values, dtype=column.dtype)
    except (pl.exceptions.PolarsError, OverflowError, TypeError, ValueError):
        raise refuse_value(column, "it holds a value that is not") from None


def _count_since_epoch(dtype: pl.Datetime, moments: Sequence[Any]) -> list[int | None]:
    """Count the units of a type between 1970 and each moment, both with a zone or without."""
    epoch = _EPOCH if dtype.time_zone else _EPOCH.replace(tzinfo=None)
    unit = _MILLISECOND if dtype.time_unit == "ms" else _MICROSECOND
    times = 1_000 if dtype.time_unit == "ns" else 1
    return [None if each is None else (each - epoch) // unit * times for each in moments]


def check_frame(columns: Sequence[Column], frame: pl.DataFrame) -> pl.DataFrame:
    """Give a frame that a client sent in the types of the model's columns."""
    types = {column.name for column in columns}
    for name in frame.columns:
        if name not in types:
            raise refuse_unknown(columns, name)
    for column in columns:
        if column.required and column.name not in frame.columns:
            raise refuse_missing(columns, column.name)
    # A text that many rows share is sent once, but would be written out for each of them.
    if sum(_count_bytes(each) for each in frame.select(cs.by_dtype(*TEXT))) > _MOST_TEXT:
        raise RequestRefused(413, f"the text of all rows is longer than {_MOST_TEXT} bytes")
    return pl.DataFrame([_check_column(frame, column) for column in columns])


def _check_column(frame: pl.DataFrame, column: Column) -> pl.Series:
    if column.name not in frame.columns:
        return pl.Series(column.name, [None] * len(frame), dtype=column.dtype)
    given = frame[column.name]
    try:
        return take_values(given, column.dtype)
    except CoercionError as why:
        raise RequestRefused(400, f"{column.name} {why}", column.name) from None


def make_whole(values: list[Any]) -> list[Any]:
    """Turn floats into the whole numbers that they are; ValidationError where one is none."""
    if float not in map(type, values):
        return values
    if not all(value.is_integer() for value in values if type(value) is float):
        raise msgspec.ValidationError("Expected `int`, got `float`")
    return [int(value) if type(value) is float else value for value in values]


def take_list(column: Column, values: Sequence[Any]) -> list[Any]:
    """Give values as they are decoded where they are usual, or else by the rule."""
    held = [None if value is UNSET else value for value in values]
    kind: Any = json_type(column.dtype)
    kinds: Any = list[kind if kind is None else kind | None]  # type: ignore[misc]
    try:
        usual = list(msgspec.convert(held, kinds))
        return make_whole(usual) if column.dtype.is_integer() else usual
    except msgspec.ValidationError:
        try:
            taken = take_objects(column.name, held, column.dtype)
        except CoercionError as why:
            raise refuse_value(column, describe_sent(held, why.row)) from None
        return (taken.cast(pl.Float64) if column.dtype.is_decimal() else taken).to_list()


def _count_bytes(text: pl.Series) -> int:
    lengths = text.str.len_bytes() if text.dtype == pl.String else text.cat.len_bytes()
    return int(lengths.sum())
