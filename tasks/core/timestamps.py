"""Timestamps: a column of times or dates converted to UTC, in microseconds.

Responsible for time zones and for the hours that clocks skip or repeat. Not responsible for what a
time is used for.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import available_timezones

import polars as pl

from tasks.core.errors import DefinitionError, nearest
from tasks.core.sql import quote_name

UTC_TIME = pl.Datetime("us", "UTC")


def utc_time(
    name: str, columns: Mapping[str, pl.DataType], zone: str, where: str, hint: str = ""
) -> pl.Expr:
    """Give an expression for a column's time in UTC, in microseconds.

    Times without a zone are in `zone`. A local time that clocks skip is null; of one that clocks
    repeat, the first is taken. A date is its first moment there. Raises DefinitionError, which
    begins with `where`, for a column of another type (`hint` replaces its advice) or zone.

    >>> from datetime import date
    >>> table = pl.DataFrame({"day": [date(2024, 7, 1)]})
    >>> table.select(utc_time("day", table.schema, "Europe/Berlin", "[extract] time")).item()
    datetime.datetime(2024, 6, 30, 22, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC'))
    """
    dtype, column = columns[name], pl.col(name)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if dtype not in (pl.Datetime, pl.Date, pl.Null):
        hint = hint or f"make it one in [extract] query, as in {_as_time(name, dtype)}"
        raise DefinitionError(f"{where}: column {name!r} is {dtype}, not a date or time; {hint}")
    try:
        pl.select(pl.lit(datetime(2020, 1, 1)).dt.replace_time_zone(zone))
    except pl.exceptions.PolarsError as error:
        hint = nearest(zone, available_timezones(), "write one as in 'Europe/Berlin'")
        raise DefinitionError(f"[extract] time_zone: there is no zone {zone!r}; {hint}") from error
    naive = column.cast(pl.Datetime("us"))
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if dtype == pl.Date:  # some days begin at one in the morning
        later = naive + pl.duration(hours=1)
        local = local.fill_null(later.dt.replace_time_zone(zone, ambiguous="earliest"))
    return local.dt.convert_time_zone("UTC")


def _as_time(name: str, dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        number = quote_name(name) if dtype == pl.Int64 else f"CAST({quote_name(name)} AS BIGINT)"
        return f"CAST({number} * 1000000 AS TIMESTAMP) from seconds since 1970"
    return f"STRPTIME({quote_name(name)}, '%Y-%m-%d %H:%M')"
