"""Parse text as dates, times, durations and booleans, in ISO 8601 forms.

Responsible for the forms that are read; text of another form becomes null. Not responsible for
refusing nulls (`type_coercion`).
"""

from datetime import timedelta
from typing import Literal

import msgspec
import polars as pl

Unit = Literal["ms", "us", "ns"]

_CLOCK = r"(\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?"
_TIMESTAMP = rf"^(\d{{4}}-\d{{2}}-\d{{2}})(?:[Tt ]{_CLOCK} ?([Zz]|[+-]\d{{2}}:?\d{{2}})?)?$"
_STAMP = "%Y-%m-%dT%H:%M:%S%.f"
_DIGITS: dict[Unit, int] = {"ms": 3, "us": 6, "ns": 9}


def read_times(text: pl.Series, wanted: pl.DataType, zoned: bool) -> pl.Series:
    """Parse ISO dates and times; null where a zone is missing (`zoned`) or not wanted."""
    unit = _unit_of(wanted)
    day, clock, seconds, zone = _split(text, _TIMESTAMP)
    known = _is_exact(seconds, unit) & (zone.is_not_null() if zoned else zone.is_null())
    stamp, form = day + "T" + clock.fill_null("00:00") + seconds.fill_null(":00"), _STAMP
    if zoned:
        offset = zone.str.to_uppercase().str.replace("Z", "+00:00").str.replace(":", "")
        stamp, form = stamp + offset, form + "%z"
    read = stamp.str.to_datetime(form, time_unit=unit, strict=False)
    if unit == "ns":  # what is beyond the range of nanoseconds wraps around silently
        wide = stamp.str.to_datetime(form, time_unit="us", strict=False)
        known &= read.dt.cast_time_unit("us") == wide
    return read.set(~known, None)


def guess_times(text: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Parse times in the form that Polars infers for the column: year first, or day first."""
    unit = _unit_of(wanted)
    try:
        read = text.str.to_datetime(time_unit=unit, strict=False)
    except pl.exceptions.PolarsError:
        read = pl.Series(text.name, [None], pl.Datetime(unit)).new_from_index(0, len(text))
    zones = [getattr(dtype, "time_zone", None) is not None for dtype in (read.dtype, wanted)]
    return read if zones[0] == zones[1] else read.set(read.is_not_null(), None)


def read_plain(text: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Parse booleans (true, false), times of day (07:30), and durations (PT90M)."""
    if wanted == pl.Boolean:
        words = {"true": True, "false": False}
        return text.str.to_lowercase().replace_strict(words, default=None, return_dtype=wanted)
    if wanted == pl.Time:
        clock, seconds = _split(text, f"^{_CLOCK}$")
        return (clock + seconds.fill_null(":00")).str.to_time("%H:%M:%S%.f", strict=False)
    return pl.Series(text.name, [_read_duration(each) for each in text], wanted)


def _split(text: pl.Series, form: str) -> list[pl.Series]:
    return text.str.extract_groups(form).struct.unnest().get_columns()


def _unit_of(dtype: pl.DataType) -> Unit:
    return dtype.time_unit if isinstance(dtype, pl.Datetime) else "us"


def _is_exact(seconds: pl.Series, unit: Unit) -> pl.Series:
    """Tell whether a time unit holds these fractions of a second without rounding."""
    return ~seconds.str.contains(rf"\.\d{{{_DIGITS[unit]}}}\d*[1-9]").fill_null(False)


def _read_duration(text: str | None) -> timedelta | None:
    try:
        return None if text is None else msgspec.convert(text, timedelta)
    except msgspec.ValidationError:
        return None
