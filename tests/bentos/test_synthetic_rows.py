"""Made-up rows reach every type's edges, and are the same each time."""

import polars as pl

from bentos.column_values import frame_rows
from bentos.columns import Column
from bentos.synthetic_rows import make_synthetic_rows

COLUMNS = (
    Column(name="n", dtype=pl.Int8()),
    Column(name="w", dtype=pl.String()),
    Column(name="t", dtype=pl.Datetime("us", "UTC")),
    Column(name="p", dtype=pl.Decimal(6, 2)),
)


def test_rows_fit_their_types_and_the_first_is_all_null() -> None:
    rows = make_synthetic_rows(COLUMNS, 300, ["level"])
    assert rows[0] == (None,) * 4
    frame = frame_rows(COLUMNS, rows)
    assert len(frame) == 301
    assert {frame["n"].min(), frame["n"].max()} == {-128, 127}
    assert "level" in frame["w"]
    assert all(frame[name].null_count() > 1 for name in frame.columns)


def test_rows_are_the_same_each_time() -> None:
    assert make_synthetic_rows(COLUMNS, 20) == make_synthetic_rows(COLUMNS, 20)
