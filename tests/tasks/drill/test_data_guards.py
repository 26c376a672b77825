"""What is spoiled of the data: the newest window, or a month in the middle."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.core.columns import TIME
from tasks.core.definition_file import load_definition
from tasks.drill.data_guards import find_edge, lose_partition

REPOSITORY = Path(__file__).parents[3]


def test_history_that_is_short_loses_no_month() -> None:
    short = pl.DataFrame({TIME: [datetime(2020, 1, day) for day in (1, 2)]})
    assert lose_partition(short) is None
    assert lose_partition(short.with_columns(pl.lit(None, pl.Datetime).alias(TIME))) is None


def test_rows_without_a_time_have_no_newest_window() -> None:
    times = pl.Series([None, None], dtype=pl.Datetime("us", "UTC"))
    definition = load_definition(REPOSITORY / "deployments" / "flight_delay.toml")
    assert find_edge(definition, times) is None


def test_newest_window_is_long_enough_and_a_month_is_lost_in_the_middle() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = pl.Series([start + timedelta(hours=hour) for hour in range(24 * 120)])
    definition = load_definition(REPOSITORY / "deployments" / "flight_delay.toml")
    edge = find_edge(definition, times)
    assert edge is not None
    assert times[-1] - edge >= definition.monitoring.window
    left = lose_partition(times.to_frame(TIME))
    assert left is not None
    gaps = left[TIME].diff().drop_nulls()
    assert timedelta(days=9) < gaps.max() < timedelta(days=11)  # a twelfth of all
