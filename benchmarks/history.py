"""A long history made from the flights of one year: shifted dates and jittered distances.

Owns the made-up data that benchmarks of large tables share. Up to ten copies of the flights, each
with flight numbers of its own, make a year; further years lie before it, 53 weeks apart, each with
its own weather. There is one file a month, as the flights have it; of as many rows as there are
flights, it is the flights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import ROOT

if TYPE_CHECKING:
    import polars as pl

DATA = ROOT / "data/nycflights13"
DEFINITION = ROOT / "deployments/flight_delay.toml"
FLIGHTS = 336_776
_COPIES = 10
ROUNDS = 100  # of any size, so that what grows is the rows and not the trees
_MORE_FEATURES = """
number = "flight % 10000"
dep_hour = "sched_dep_time // 100"
arr_hour = "sched_arr_time // 100"
spread = "temp - dewp"
day = "DATE_PART('day', time_hour)"
"""


def make_project(folder: str, rows: str) -> Callable[[], object]:
    """Write a project with so many rows of history, and the definition with 24 features."""
    project = Path(folder)

    def write() -> None:
        data = project / "data/nycflights13"
        data.mkdir(parents=True)
        left, years = int(rows), 0
        copies = min(_COPIES, math.ceil(left / FLIGHTS))
        while left > 0:
            left = _write_year(data, years, copies, left)
            years += 1
        _write_weather(data, years)
        (data / "planes.parquet").write_bytes((DATA / "planes.parquet").read_bytes())
        (project / "deployments").mkdir()
        text = re.sub(r"\n\[checks\]\n", lambda at: _MORE_FEATURES + at[0], DEFINITION.read_text())
        text = text.replace("[training]\n", f"[training]\nrounds = {ROUNDS}\n")
        (project / "deployments/flight_delay.toml").write_text(text)

    return write


def _write_year(data: Path, back: int, copies: int, rows: int) -> int:
    """Write so many copies of a year, the newest rows first; give how many rows are left."""
    import polars as pl

    for month in reversed(range(1, 13)):
        flights = pl.read_parquet(DATA / f"flights-2013-{month:02}.parquet")
        copied = pl.concat([_jitter(flights, copy) for copy in range(copies)])
        shifted = copied.with_columns(_shift(back)).sort("time_hour", maintain_order=True)
        kept = shifted.tail(rows)
        if len(kept):
            kept.write_parquet(data / f"flights-{2013 - back}-{month:02}.parquet")
        rows -= len(kept)
    return rows


def _write_weather(data: Path, years: int) -> None:
    import polars as pl

    weather = pl.read_parquet(DATA / "weather.parquet")
    every = [weather.with_columns(_shift(back)) for back in range(years)]
    pl.concat(every).write_parquet(data / "weather.parquet")


def _jitter(flights: pl.DataFrame, copy: int) -> pl.DataFrame:
    import polars as pl

    noise = pl.int_range(pl.len(), dtype=pl.UInt32).hash(copy) % 7
    return flights.with_columns(
        flight=pl.col("flight").cast(pl.Int32) + 10_000 * copy,
        distance=pl.col("distance") + (noise.cast(pl.Int16) if copy else 0),
    )


def _shift(back: int) -> pl.Expr:
    import polars as pl

    return pl.col("time_hour").dt.offset_by(f"-{back * 371}d")
