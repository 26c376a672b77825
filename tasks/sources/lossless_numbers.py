"""Lossless numbers: columns of CSV and NDJSON whose inferred type would change their values.

A whole number beyond 2^53 in a column of floats would be rounded, and 00123 among whole numbers
would be the same as 123. Both are refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from tasks.core.errors import NumbersLost
from tasks.core.sql import column_of

_LONG, _EXACT = r"^\s*[+-]?\d+\s*$", 2**53 - 1

Types = Mapping[str, pl.DataType]
Read = Callable[[str, Types], pl.LazyFrame]  # some columns of a file, read as these types
Recall = Callable[[str, str, Callable[[], Any]], Any]


def refuse_lost(schemas: Mapping[str, Types], read: Read, recall: Recall) -> None:
    """Refuse columns of files whose inferred numbers are not those that are written."""
    zero_led: dict[str, str] = {}
    for file, numbers in schemas.items():
        odd = recall(file, f"odd {numbers}", partial(_find_odd, numbers, file, read))
        for name in odd:
            if numbers[name].is_float():
                raise _lost(file, name, "whole numbers beyond 2^53 beside fractions", "rounded")
            zero_led.setdefault(name, file)
    for name, file in zero_led.items():
        held = [each for each, numbers in schemas.items() if name in numbers]
        if _have_twins([read(each, {name: pl.String()}) for each in held]):
            raise _lost(file, name, "numbers that differ by leading zeros alone", "one")


def _lost(file: str, name: str, what: str, fate: str) -> NumbersLost:
    hint = f"give its type in types, as {name} = 'text'"
    said = f"column {name!r} has {what}, and as numbers they would be {fate}; {hint}"
    return NumbersLost(f"{file}: {said}", name)


def _find_odd(numbers: Types, file: str, read: Read) -> list[str]:
    """Find floats that were rounded whole numbers, and whole numbers that begin with a zero."""
    if not numbers:
        return []
    kinds = {k: kind if kind.is_float() else pl.String() for k, kind in numbers.items()}
    asked = [
        (column_of(name).abs() > _EXACT if kind.is_float() else _is_zero_led(column_of(name))).any()
        for name, kind in kinds.items()
    ]
    odd = _ask(read(file, kinds), numbers, asked)
    large = {name: pl.String() for name in odd if numbers[name].is_float()}
    if not large:
        return odd
    whole = [column_of(name).str.contains(_LONG) & _is_beyond(column_of(name)) for name in large]
    rounded = _ask(read(file, large), large, [each.any() for each in whole])
    return [name for name in odd if name not in large or name in rounded]


def _ask(rows: pl.LazyFrame, names: Iterable[str], asked: Iterable[pl.Expr]) -> list[str]:
    (row,) = rows.select(asked).collect(engine="streaming").rows()
    return [name for name, told in zip(names, row, strict=True) if told]


def _is_beyond(text: pl.Expr) -> pl.Expr:
    whole = text.str.strip_chars().cast(pl.Int128, strict=False)  # none: with more digits still
    return ~whole.is_between(-_EXACT, _EXACT).fill_null(False)


def _is_zero_led(text: pl.Expr) -> pl.Expr:
    return text.str.starts_with("0") & (text.str.len_bytes() > 1)


def _have_twins(texts: Sequence[pl.LazyFrame]) -> bool:
    values = pl.concat(texts).collect().to_series().drop_nulls().unique()
    return values.str.strip_chars_start("0").n_unique() < len(values)
