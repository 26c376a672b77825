"""Types in plain words: what a column's values must be, and what was sent instead.

Responsible for the words alone, which the API's description and refusals share.
"""

from typing import Any

import polars as pl

from bentos.columns import Column, integer_range

_LONGEST_VALUE = 60
_MORE_THAN_ANYONE_COUNTS = 2**63 - 1
_TIMES = {
    "Date": "a date, as 2013-07-31",
    "Time": "a time of day, as 18:30:00",
    "Duration": "a length of time, as PT90M",
}
_KINDS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def name_type(dtype: pl.DataType) -> str:
    """Say what a column's values are.

    >>> name_type(pl.Int8()), name_type(pl.Datetime("us", "UTC"))
    ('a whole number from -128 to 127', 'a date and time with its zone, as 2013-07-31T18:30:00Z')
    """
    if dtype == pl.Boolean:
        return "true or false"
    if dtype.is_integer():
        least, most = integer_range(dtype)
        if most >= _MORE_THAN_ANYONE_COUNTS:
            return "a whole number" if least else "a whole number, not below 0"
        return f"a whole number from {least} to {most}"
    if isinstance(dtype, pl.Decimal):
        return f"a number with at most {dtype.scale} decimals"
    if dtype.is_numeric():
        return "a number"
    if isinstance(dtype, pl.Datetime):
        zone, mark = ("with its", "Z") if dtype.time_zone else ("without a", "")
        return f"a date and time {zone} zone, as 2013-07-31T18:30:00{mark}"
    if dtype == pl.Null:
        return "null, as training saw no value of it"
    return _TIMES.get(str(dtype.base_type()), "text")


def describe_column(column: Column) -> str:
    """Say in one line what a column takes; any of its values may be missing."""
    needed = "" if column.required else "; kept in the prediction log, not used by the model"
    if column.dtype == pl.Null:
        return f"always missing{needed}"
    return f"{name_type(column.dtype).removeprefix('a ')}, may be missing{needed}"


def name_kind(kind: str) -> str:
    """Say what kind of JSON value was sent, by msgspec's name of it."""
    return _KINDS.get(kind, kind)


def show_value(value: Any) -> str:
    """Show a value that was sent, cut to what a message may hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)[:_LONGEST_VALUE]
    return "the text " + repr(value[:_LONGEST_VALUE])
