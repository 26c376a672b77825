"""Convert columns to the types that a model was trained on, without losing any value.

Responsible for the one rule by which rows for prediction are read: a value that the type can hold
is converted, any other is refused. Not responsible for where values come from.
"""

import ast
from collections.abc import Sequence
from typing import Any

import polars as pl

from tasks.core.errors import StoreError
from tasks.core.sql import is_text
from tasks.core.text_parsing import guess_times, read_plain, read_times

_SIMPLE = {"String", "Boolean", "Date", "Time", "Null", "Float32", "Float64"}
_WITH_OPTIONS = {"Decimal", "Datetime", "Duration"}
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800  # in seconds from 1970
_JSON = {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64(), str: pl.String()}


class CoercionError(ValueError):
    """A column that cannot be converted; `row` is the index of the first value that is at fault."""

    def __init__(self, said: str, row: int | None = None) -> None:
        super().__init__(said)
        self.row = row


def parse_dtype(text: str) -> pl.DataType:
    """Parse a type as Polars prints it; StoreError for one that a request cannot hold.

    Categories become text: a level that training never saw is predicted, not refused.

    >>> parse_dtype("Datetime(time_unit='us', time_zone='UTC')")
    Datetime(time_unit='us', time_zone='UTC')
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


def exact_range(dtype: pl.DataType) -> int:
    """Give the whole number above which a float type has gaps: 2**24 or 2**53."""
    return 2**24 if dtype == pl.Float32 else 2**53


def take_values(
    given: pl.Series, wanted: pl.DataType, *, written: bool = False, guessed: bool = False
) -> pl.Series:
    """Convert a column to `wanted`; CoercionError where a value would change.

    A float becomes the nearest that its type holds. With `written`, text may stand for any type,
    as a cell of CSV does; with `guessed`, times in text may also have the forms that Polars infers
    in sources, day first. A column of nulls always fits.

    >>> take_values(pl.Series("x", [1.0, 2.0]), pl.Int8()).to_list()
    [1, 2]
    >>> take_values(pl.Series("x", ["2013-10-01"]), pl.Date()).to_list()
    [datetime.date(2013, 10, 1)]
    """
    _refuse_impossible_time(given)
    if given.dtype == wanted:
        return given
    if given.dtype.is_float() and not wanted.is_float():
        given = given.fill_nan(None)
    if given.is_null().all():
        return pl.Series(given.name, [None], wanted).new_from_index(0, len(given))
    if not is_kin(given.dtype, wanted, written):
        said = f"is {given.dtype}, and must be {wanted} as in training; give {describe(wanted)}"
        raise CoercionError(said)
    if not is_text(given.dtype):
        taken, lost = _cast(given, wanted)
    elif is_text(wanted):
        return given.cast(wanted)
    else:
        taken, lost = _read(given.cast(pl.String), wanted)
        if guessed and lost.any() and wanted in (pl.Date, pl.Datetime):
            taken, lost = _cast_times(guess_times(given, wanted), given, wanted)
    if lost.any():
        row = lost.arg_max() or 0
        shown, kind = str(given[row])[:80], given.dtype
        said = f"is {kind} and holds {shown!r}, which {wanted} as in training cannot"
        raise CoercionError(f"{said}; give {describe(wanted)}", row)
    return taken.alias(given.name)


def _refuse_impossible_time(given: pl.Series) -> None:
    """Refuse a time outside the years 1 to 9999: Polars panics when asked for its hour."""
    if given.dtype == pl.Date:
        second = 1 / 86_400
    elif isinstance(given.dtype, pl.Datetime) and given.dtype.time_unit != "ns":
        second = {"us": 1_000_000, "ms": 1_000}[given.dtype.time_unit]
    else:
        return
    ticks = given.to_physical()
    odd = ((ticks < _YEAR_1 * second) | (ticks >= _YEAR_10000 * second)).fill_null(False)
    if odd.any():
        raise CoercionError("holds a time that is not in the years 1 to 9999", odd.arg_max())


def take_objects(name: str, values: Sequence[Any], wanted: pl.DataType, **how: bool) -> pl.Series:
    """Convert a list of JSON values; values of different kinds are converted kind by kind."""
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) == 1:
        return take_values(_hold(name, values, kinds.pop(), wanted), wanted, **how)
    taken = pl.Series(name, [None], wanted).new_from_index(0, len(values))
    for kind in kinds:
        mine = [value if type(value) is kind else None for value in values]
        found = take_values(_hold(name, mine, kind, wanted), wanted, **how)
        taken = taken.zip_with(taken.is_not_null(), found)
    return taken


def is_kin(given: pl.DataType, wanted: pl.DataType, written: bool = False) -> bool:
    """Tell by its type alone whether a column may hold values that can be converted."""
    if given in (wanted, pl.Null):
        return True
    if is_text(given):
        return is_text(wanted) or wanted.is_temporal() or (written and not wanted.is_nested())
    if wanted.is_numeric():
        return given.is_numeric()
    if isinstance(wanted, pl.Datetime):
        zoned = isinstance(given, pl.Datetime) and given.time_zone is not None
        return given in (pl.Date, pl.Datetime) and zoned == (wanted.time_zone is not None)
    if wanted == pl.Date:
        return isinstance(given, pl.Datetime) and given.time_zone is None
    return wanted == pl.Duration and given == pl.Duration


def describe(wanted: pl.DataType) -> str:
    """Say in words which values a type takes, for an error message."""
    if is_text(wanted):
        return "text"
    if wanted.is_numeric():
        return "whole numbers in its range" if wanted.is_integer() else "numbers that it holds"
    if isinstance(wanted, pl.Datetime):
        zoned = "with a zone, or ISO text with Z or an offset"
        return f"times {zoned if wanted.time_zone else 'or ISO text, without a zone'}"
    if wanted == pl.Boolean:
        return "true or false"
    kinds = {"Date": "days", "Time": "times of day", "Duration": "durations"}
    return f"{kinds[str(wanted.base_type())]}, or ISO text" if wanted.is_temporal() else "nulls"


def _hold(name: str, values: Sequence[Any], kind: type, wanted: pl.DataType) -> pl.Series:
    if kind not in _JSON:
        raise CoercionError(f"holds a list or an object, and must be {wanted} as in training")
    dtype = _JSON[kind]
    if kind is int and max(abs(each) for each in values if each is not None) >= 2**63:
        dtype = pl.Int128()
    try:
        return pl.Series(name, values, dtype)
    except (OverflowError, TypeError):  # beyond 128 bits, or 127 with a sign
        raise CoercionError(f"holds a number that {wanted} as in training cannot") from None


def _cast(given: pl.Series, wanted: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Cast, and mark the values that are not the same when they are cast back."""
    taken = given.cast(wanted, strict=False)
    if given.dtype.is_float() and wanted.is_float():
        return taken, given.is_finite().fill_null(False) & ~taken.is_finite().fill_null(True)
    lost = taken.cast(given.dtype, strict=False).ne_missing(given)
    if given.dtype.is_float() and wanted.is_integer():  # from there on, neighbours are one already
        lost |= (given.abs() >= exact_range(given.dtype)).fill_null(False)
    return taken, lost


def _read(text: pl.Series, wanted: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Parse text as another type, and mark the values that cannot be."""
    if wanted.is_numeric():
        return _read_numbers(text.str.strip_chars(), wanted)
    if wanted in (pl.Date, pl.Datetime):
        zoned = getattr(wanted, "time_zone", None) is not None
        return _cast_times(read_times(text, wanted, zoned), text, wanted)
    taken = read_plain(text, wanted)
    return taken, text.is_not_null() & taken.is_null()


def _cast_times(
    read: pl.Series, text: pl.Series, wanted: pl.DataType
) -> tuple[pl.Series, pl.Series]:
    taken, lost = _cast(read, wanted)
    return taken, lost | (text.is_not_null() & read.is_null())


def _read_numbers(text: pl.Series, wanted: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Parse whole numbers exactly (as 128 bits), and all others as floats."""
    plain = text if wanted.is_float() else text.str.replace(r"\.0*$", "")
    whole = plain.cast(pl.Int128, strict=False)
    number = text.cast(pl.Float64, strict=False)
    known = whole.is_not_null() | number.is_finite() | text.str.contains("(?i)^[+-]?(nan|inf)")
    odd = text.is_not_null() & ~known.fill_null(False)
    if not wanted.is_float():
        number = number.fill_nan(None)
    wholes, lost = _cast(whole, wanted)
    others, rounded = _cast(number, wanted)
    return wholes.zip_with(whole.is_not_null(), others), odd | lost | (whole.is_null() & rounded)
