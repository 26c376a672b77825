"""Spellings: what CSV and NDJSON write that the type found for a column would not hold.

A whole number beyond 2^53 in a column of floats would become another one, and 00123 among whole
numbers would fall together with 123. Owns both refusals. Refuses to know how files are read.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from tasks.errors import SourceRefused
from tasks.expressions import column_of

_LONG, _EXACT = r"^\s*[+-]?\d{16,}\s*$", 2**53 - 1
_LONGEST = 16  # digits, from which on a whole number may be beyond
_ZERO_LED = "^0[0-9]"

Read = Callable[[str, Sequence[str]], pl.LazyFrame]  # some columns of a file, as text
Recall = Callable[[str, str, Callable[[], Any]], Any]


def refuse_lost(
    schemas: Mapping[str, pl.Schema], settled: Mapping[str, Any], read: Read, recall: Recall
) -> None:
    """Refuse columns whose inferred numbers are not those that are written; not `settled` ones."""
    zero_led: dict[str, str] = {}
    for file, schema in schemas.items():
        numbers = {k: v for k, v in schema.items() if v.is_numeric() and k not in settled}
        if not numbers:
            continue
        odd = recall(file, f"odd {numbers}", partial(_find_odd, numbers, file, read))
        for name in odd:
            if numbers[name].is_float():
                raise SourceRefused(
                    f"{file}: column {name!r} has whole numbers beyond 2^53 beside fractions, and "
                    f"as numbers they would be rounded; give its type in types, as {name} = 'text'"
                )
            zero_led.setdefault(name, file)
    for name, file in zero_led.items():
        if _have_twins([read(each, [name]) for each in schemas if name in schemas[each]]):
            raise SourceRefused(
                f"{file}: column {name!r} has numbers that differ by leading zeros alone, and as "
                f"numbers they would be one; give its type in types, as {name} = 'text'"
            )


def _find_odd(numbers: Mapping[str, pl.DataType], file: str, read: Read) -> list[str]:
    found = read(file, [*numbers]).select(
        _is_long(column_of(name)).any() if dtype.is_float() else _is_zero_led(column_of(name)).any()
        for name, dtype in numbers.items()
    )
    (row,) = found.collect().rows()
    return [name for name, odd in zip(numbers, row, strict=True) if odd]


def _is_long(text: pl.Expr) -> pl.Expr:
    long = (text.str.len_bytes() >= _LONGEST) & text.str.contains(_LONG)
    whole = pl.when(long).then(text.str.strip_chars()).cast(pl.Int128, strict=False)
    return long & ~whole.is_between(-_EXACT, _EXACT).fill_null(False)


def _is_zero_led(text: pl.Expr) -> pl.Expr:
    return (text.str.len_bytes() > 1) & text.str.contains(_ZERO_LED)


def _have_twins(texts: Sequence[pl.LazyFrame]) -> bool:
    values = pl.concat(texts).collect().to_series().drop_nulls().unique()
    return values.str.strip_chars_start("0").n_unique() < len(values)
