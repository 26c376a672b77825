"""Hive folders: columns that the names of folders carry, as in `month=1/part.parquet`.

Only the unbroken run of such folders right above a file counts: a project's own folders say nothing
of its tables. Not responsible for reading files.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from urllib.parse import unquote

import polars as pl

from tasks.core.errors import SourceError, SourceRefused

_NULL = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"-?\d{1,18}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def read_folders(file: str) -> dict[str, str | None]:
    """Give the columns that a file's folders carry, outermost first, as text.

    >>> read_folders("data/year=2013/month=__HIVE_DEFAULT_PARTITION__/part.parquet")
    {'year': '2013', 'month': None}
    """
    found: list[tuple[str, str | None]] = []
    for folder in reversed(re.split(r"/+", file)[:-1]):
        name, sign, value = folder.partition("=")
        if not (name and sign):
            break
        found.append((unquote(name), None if value == _NULL else unquote(value)))
    columns = dict(reversed(found))
    if len(columns) < len(found):
        raise SourceError(f"{file}: two of its folders are of one column; rename one")
    return columns


def type_folders(
    carried: Mapping[str, Mapping[str, str | None]], given: Mapping[str, pl.DataType]
) -> dict[str, dict[str, pl.Series]]:
    """Give each file's values, one row each: of a given type, or whole numbers, dates, or text."""
    names = dict.fromkeys(name for each in carried.values() for name in each)
    typed: dict[str, dict[str, pl.Series]] = {file: {} for file in carried}
    for name in names:
        texts = {file: each[name] for file, each in carried.items() if name in each}
        dtype = given.get(name) or _infer_type(text for text in texts.values() if text is not None)
        for file, text in texts.items():
            typed[file][name] = parse_value(name, text, dtype, file)
    return typed


def parse_value(name: str, text: str | None, dtype: pl.DataType, file: str) -> pl.Series:
    """Read a folder's value as a type; SourceRefused where it is none."""
    value = pl.Series(name, [text], pl.String)
    try:
        if dtype == pl.Boolean:
            kinds = {"true": True, "false": False}
            return value.str.to_lowercase().replace_strict(kinds, return_dtype=pl.Boolean)
        if dtype == pl.Date:
            return value.str.to_date()
        if isinstance(dtype, pl.Datetime):
            return value.str.to_datetime(time_unit=dtype.time_unit, time_zone=dtype.time_zone)
        return value.cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise SourceRefused(
            f"{file}: its folder says {name} = {text!r}, which is no {dtype}; rename it, or give "
            "the column another type in types"
        ) from error


def _infer_type(texts: Iterable[str]) -> pl.DataType:
    """Find the type that loses none of these: 01 beside 1 would fall together as numbers."""
    known = set(texts)
    if known and all(map(_WHOLE.fullmatch, known)) and len(set(map(int, known))) == len(known):
        return pl.Int64()
    if known and all(map(_is_day, known)):
        return pl.Date()
    return pl.String()


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False
