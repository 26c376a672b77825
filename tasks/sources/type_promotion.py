"""Type promotion: the one type of a column that files hold in several types, if it loses no value.

Whether large whole numbers fit floats, or fine times coarse ones, is asked of the values. Not
responsible for reading files: the caller gives a function that asks them.
"""

from collections.abc import Callable, Iterable, Mapping

import polars as pl

from tasks.core.errors import SourceError, SourceRefused
from tasks.core.sql import column_of, is_text

_EXACT = 2**53 - 1  # a float beyond may have been another whole number
_SMALL = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)

Ask = Callable[[str, pl.Expr], bool]  # of one file: does this hold of all its rows?


def promote_types(name: str, types: Mapping[str, pl.DataType], ask: Ask) -> pl.DataType:
    """Find a column's one type; files in which it is all missing have no say.

    `types` are by file. SourceError where they have nothing in common, SourceRefused where the
    common type loses values of a file.

    >>> promote_types("x", {"a.csv": pl.Int64(), "b.csv": pl.Float64()}, lambda file, holds: True)
    Float64
    """
    agreed = _common(types.values())
    if agreed is None:
        types = {
            file: dtype for file, dtype in types.items() if not ask(file, column_of(name).is_null())
        }
        agreed = _common(types.values())
    if agreed is None:
        raise _explain_strangers(name, types)
    return _narrow(name, types, _keep_values(name, types, agreed, ask), ask)


def fits(column: pl.Expr, held: pl.DataType, wanted: pl.DataType) -> pl.Expr | None:
    """Tell which values another type holds as they are; None where it surely holds them all."""
    if held == wanted or wanted.is_decimal():  # what a decimal cannot hold fails aloud
        return None
    if held.is_integer() and wanted.is_float():
        return None if held in _SMALL else column.is_between(-_EXACT, _EXACT)
    if held.is_float() and wanted.is_integer():
        return (column == column.round()) & column.is_between(-_EXACT, _EXACT)
    if held.is_decimal() or (held.is_temporal() and wanted.is_temporal()):
        again = column.cast(wanted, strict=False).cast(held, strict=False)
        return (again == column).fill_null(False)
    return None


def _common(dtypes: Iterable[pl.DataType]) -> pl.DataType | None:
    """Find the type that can hold all of these; None where there is none."""
    common, *others = dict.fromkeys(dtypes) or [pl.Null()]
    for dtype in others:
        if (wider := _wider(common, dtype)) is None:
            return None
        common = wider
    return common


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    if one.is_numeric() and other.is_numeric():
        both = pl.DataFrame([pl.Series("a", [None], one), pl.Series("b", [None], other)])
        return both.select(pl.coalesce("a", "b")).dtypes[0]
    if is_text(one) and is_text(other):
        return pl.String()
    zones = {getattr(dtype, "time_zone", None) for dtype in (one, other)}
    if {one.base_type(), other.base_type()} <= {pl.Date, pl.Datetime} and len(zones) == 1:
        return pl.Datetime("us", zones.pop())
    return None


def _keep_values(
    name: str, types: Mapping[str, pl.DataType], agreed: pl.DataType, ask: Ask
) -> pl.DataType:
    """Refuse a type that loses values of one of the files, with another one that does not."""
    for file, dtype in types.items():
        kept = fits(column_of(name), dtype, agreed)
        if kept is None or ask(file, kept | column_of(name).is_null()):
            continue
        other = next((each for each in types if types[each] != dtype), file)
        blamed, beside = (other, file) if types[other].is_float() else (file, other)
        kind = "number" if agreed.is_numeric() else "time"
        raise SourceRefused(
            f"{blamed}: column {name!r} is {types[blamed]}, but {types[beside]} in {beside}, and "
            f"{agreed} does not hold all values of {file}; write the column as one type, or have "
            f"them rounded by types = {{ {name} = {kind!r} }}"
        )
    return agreed


def _narrow(
    name: str, types: Mapping[str, pl.DataType], agreed: pl.DataType, ask: Ask
) -> pl.DataType:
    """Take the usual 64 bits where whole numbers without a sign and with one both fit in."""
    if agreed != pl.Int128 or pl.Int128 in types.values():
        return agreed
    column = column_of(name)
    wide = [file for file, dtype in types.items() if dtype == pl.UInt64]
    fit = all(ask(file, (column < 2**63) | column.is_null()) for file in wide)
    return pl.Int64() if fit else agreed


def _explain_strangers(name: str, types: Mapping[str, pl.DataType]) -> SourceError:
    first, *others = types
    file = next((each for each in others if _common([types[first], types[each]]) is None), "")
    file = file or others[-1]
    return SourceError(
        f"{file}: column {name!r} is {types[file]}, but {types[first]} in {first}; mend the file, "
        "or give the column's type in types"
    )
