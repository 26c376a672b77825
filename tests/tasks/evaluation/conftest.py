"""Some flights, as metrics and intervals are tried on them."""

from pathlib import Path

import polars as pl
import pytest

DATA = Path(__file__).parents[3] / "data" / "nycflights13"


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    table = pl.read_parquet(DATA / "flights-2013-*.parquet").filter(
        pl.col("arr_delay").is_not_null()
    )
    return table.gather_every(40).with_columns(late=pl.col("arr_delay") > 15)
