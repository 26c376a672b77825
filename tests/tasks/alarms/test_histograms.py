"""Windows: counts that add up, whatever a column holds."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from tables import define

from tasks.alarms.histograms import (
    FIRST,
    MISSING,
    REPEATED,
    UNSEEN,
    count_chunks,
    count_history,
    count_window,
    join_windows,
    make_gauges,
    watch_columns,
)
from tasks.core.columns import PREDICTION, TIME
from tasks.core.definition import parse_definition
from tasks.features.transform import Features

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS = pl.DataFrame(
    {
        TIME: [START + timedelta(hours=6 * hour) for hour in range(400)],
        REPEATED: [hour % 50 == 7 for hour in range(400)],
        "x": [None if hour % 10 == 0 else float(hour * 37 % 12) for hour in range(400)],
        "c": [("north", "south", None)[hour % 3] for hour in range(400)],
        "hour of t": [hour * 6 % 24 for hour in range(400)],
    },
    schema_overrides={TIME: pl.Datetime("us", "UTC")},
)
GAUGES = make_gauges(ROWS, {"x": 0.7})


def test_days_add_up_to_the_whole() -> None:
    days = count_chunks(GAUGES, ROWS, DAY)
    whole = count_window(GAUGES, ROWS)
    assert len(days) == 100
    assert days.total().rows[0] == whole.rows[0] == 400
    assert days.total().repeated[0] == whole.repeated[0] == 8
    for name, counts in whole.columns.items():
        np.testing.assert_array_equal(days.total().columns[name], counts)
        assert counts[0, MISSING] + counts[0, FIRST:].sum() == 400


def test_parts_joined_are_the_whole() -> None:
    days = count_chunks(GAUGES, ROWS, DAY)
    joined = join_windows([days.take(slice(0, 30)), days.take(slice(30, None))])
    np.testing.assert_array_equal(joined.columns["x"], days.columns["x"])
    np.testing.assert_array_equal(joined.rows, days.rows)


def test_values_beyond_history_keep_their_distance() -> None:
    gauge = next(each for each in GAUGES if each.column == "x")
    far = count_window(GAUGES, ROWS.with_columns(x=pl.lit(40.0))).columns["x"][0, FIRST:]
    farther = count_window(GAUGES, ROWS.with_columns(x=pl.lit(1200.0))).columns["x"][0, FIRST:]
    assert gauge.middles[far.argmax()] < gauge.middles[farther.argmax()]
    assert gauge.middles[far.argmax()] > 11


def test_numbers_off_their_steps_and_new_levels_are_unseen() -> None:
    changed = ROWS.with_columns(x=pl.col("x") * 0.9, c=pl.lit("centre"))
    counted = count_window(GAUGES, changed)
    assert counted.columns["c"][0, UNSEEN] == 400
    assert counted.columns["x"][0, UNSEEN] > 300
    assert count_window(GAUGES, ROWS).columns["x"][0, UNSEEN] == 0


def test_history_counts_what_a_single_window_of_it_holds_as_unseen() -> None:
    once = pl.when(pl.int_range(pl.len()) == 100).then(pl.lit("west")).otherwise(pl.col("c"))
    rows = ROWS.with_columns(c=once)
    history = count_history(make_gauges(rows, {}), rows, DAY, 7)
    assert history.columns["c"][:, UNSEEN].sum() == 1
    assert history.columns["c"][25, UNSEEN] == 1


def test_nothing_but_nulls_and_no_rows_are_counted() -> None:
    empty = ROWS.clear()
    assert len(count_chunks(GAUGES, empty, DAY)) == 0
    assert count_window(GAUGES, empty).rows.sum() == 0
    nulls = ROWS.with_columns(x=pl.lit(None, pl.Float64), c=pl.lit(None, pl.String))
    counted = count_window(GAUGES, nulls)
    assert counted.columns["x"][0, MISSING] == counted.columns["c"][0, MISSING] == 400
    assert count_window(make_gauges(nulls, {}), ROWS).rows.sum() == 400  # history had none, either


def test_of_quantiles_the_middle_is_watched_and_of_classes_the_likeliest() -> None:
    given = pl.DataFrame({TIME: [START], "k": [1], PREDICTION: [[1.0, 2.0, 9.0]]})
    target = 'value = "k"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]'
    features = Features(expressions={"k": "k"}, categories=(), columns={"k": "Int64"})
    for text, wanted in ((define(target=target), 2.0), (define(), 9.0)):
        definition = parse_definition(text, "made.toml")
        assert watch_columns(definition, features, given)[PREDICTION].to_list() == [wanted]
    short = given.with_columns(pl.Series(PREDICTION, [[1.0]]))
    definition = parse_definition(define(target=target), "made.toml")
    assert watch_columns(definition, features, short)[PREDICTION].to_list() == [None]
