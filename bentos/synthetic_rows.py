"""Made-up rows that a model tests itself with before it answers anyone."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from bentos.columns import Column, Row, integer_range


def make_synthetic_rows(
    columns: Sequence[Column], count: int, levels: Sequence[str] = ()
) -> list[Row]:
    """Make rows up that reach every type's edges and hold missing values; the first is all null."""
    chance = random.Random(0)
    words = [*levels, "", "never seen", "ÄÖ", "0"]
    rows = [
        tuple(_make_value(column.dtype, words, chance) for column in columns) for _ in range(count)
    ]
    return [(None,) * len(columns), *rows]


def _make_value(dtype: Any, words: Sequence[str], chance: random.Random) -> Any:
    if chance.random() < 0.1 or dtype == pl.Null:
        return None
    if dtype == pl.String:
        return chance.choice(words)
    if dtype == pl.Boolean:
        return chance.random() < 0.5
    if dtype.is_integer():
        least, most = integer_range(dtype)
        least, most = max(least, -(2**63)), min(most, 2**63 - 1)
        some = (least, most, 0, 1, chance.randint(0, 100), chance.randint(-2400, 2400))
        return min(max(chance.choice(some), least), most)
    if dtype.is_decimal():
        most = min(10.0 ** (dtype.precision - dtype.scale) - 1, 1e15)
        return chance.choice((0.0, most, -most, chance.uniform(-most, most)))
    if dtype.is_numeric():
        return chance.choice(
            (0.0, -0.0, 1e-30, 1e15, -1.5, chance.gauss(0, 1), chance.gauss(0, 1e3))
        )
    moment = datetime(1970, 1, 1) + timedelta(seconds=chance.randint(-(2**31), 2**33))
    if isinstance(dtype, pl.Datetime):
        return moment.replace(tzinfo=UTC) if dtype.time_zone else moment
    if dtype == pl.Date:
        return date(moment.year, moment.month, moment.day)
    if dtype == pl.Time:
        return time(moment.hour, moment.minute, moment.second)
    return timedelta(seconds=chance.randint(-(10**6), 10**6))
