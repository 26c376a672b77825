"""Alarms on real flights: the season is quiet, faults ring at once, a moved world is told apart."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from struck import APRIL, april, flights

from tasks.alarms.calibration import Calibration
from tasks.alarms.drift_decision import Alarm, count_rows, judge, split_window
from tasks.alarms.thresholds import calibrate
from tasks.core.columns import TIME

ROWS = 10_000
JUNE, JULY = (datetime(2013, month, 1, tzinfo=UTC) for month in (6, 7))
Frame = pl.DataFrame


def judge_rows(window: Frame, before: Frame | None) -> dict[str, Alarm]:
    definition, features, _ = flights()
    counted = [
        each if each is None else count_rows(april(), definition, features, each)
        for each in (before, window)
    ]
    assert counted[1] is not None
    return {each.kind: each for each in judge(april(), counted[0], counted[1])}


def april_flights() -> tuple[Frame, Frame]:
    """Give the first 10,000 flights of April, and as many as four weeks have before them."""
    rows = flights()[2]
    start = int((rows[TIME] < APRIL).sum())
    return rows.slice(start, ROWS), rows.slice(start - 26_000, 26_000)


def test_weeks_without_a_fault_do_not_ring_as_broken() -> None:
    rows = flights()[2]
    start = int((rows[TIME] < APRIL).sum())
    rung = [
        judge_rows(rows.slice(at, 6_500), rows.slice(at - 26_000, 26_000)).get("data-broken")
        for at in range(start, start + 13 * 6_500, 6_500)
    ]
    assert sum(each is not None for each in rung) <= 1


def scaled(column: str, factor: float, offset: float = 0.0) -> pl.Expr:
    return (pl.col(column) + offset) * factor


def thinned(column: str, share: float) -> pl.Expr:
    drawn = pl.Series(np.random.default_rng(5).random(ROWS) < share)
    return pl.when(~drawn).then(pl.col(column)).alias(column)


FAULTS: dict[str, tuple[Any, str, str]] = {
    "hundredfold": (scaled("wind_speed", 100), "wind_speed", ""),
    "Celsius": (scaled("temp", 5 / 9, -32), "temp", ""),
    "kilometres": (scaled("distance", 1.609), "distance", ""),
    "null flood": (thinned("seats", 0.4), "seats", "missing"),
    "clock": (pl.col("time_hour") + pl.duration(hours=5), "hour of time_hour", "clock"),
    "renamed": (pl.col("carrier").replace("UA", "UAL"), "carrier", "unseen"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_rings_in_its_first_window(fault: str) -> None:
    expression, column, name = FAULTS[fault]
    window, before = april_flights()
    alarm = judge_rows(window.with_columns(expression), before)["data-broken"]
    assert column in alarm.columns
    assert alarm.score > 1 == alarm.threshold
    assert name in ("", alarm.name)
    assert alarm.detail


def test_fan_out_rings() -> None:
    window, before = april_flights()
    twice = pl.concat([window, window.gather_every(10)]).sort(TIME)
    alarm = judge_rows(twice, before)["data-broken"]
    assert alarm.name == "repeated"
    assert alarm.detail.startswith("9.1% of rows repeat a key")


def test_summer_has_moved_from_what_winter_taught() -> None:
    rows = flights()[2]
    july = rows.filter(pl.col(TIME) >= JULY)
    alarm = judge_rows(july.head(6_500), None)["distribution-moved"]
    assert alarm.columns[0] in ("temp", "dewp")
    last_of_march = rows.filter(pl.col(TIME) < APRIL).tail(6_500)
    assert "distribution-moved" not in judge_rows(last_of_march, None)


def test_few_rows_ring_later() -> None:
    window, before = april_flights()
    broken = window.with_columns(thinned("seats", 0.2))
    score = judge_rows(broken, before)["data-broken"].score
    few = judge_rows(broken.gather_every(20), before).get("data-broken")
    assert few is None or few.score < score / 2


def test_calibration_survives_its_file() -> None:
    read = Calibration.model_validate_json(april().model_dump_json())
    assert read == april()


def test_same_history_gives_the_same_calibration_and_a_small_budget_rings_later() -> None:
    definition, features, rows = flights()
    few = rows.filter(pl.col(TIME) < APRIL).gather_every(40)
    one, same, strict = (
        calibrate(definition, features, {"temp": 1.0}, few, budget) for budget in (2.0, 2.0, 0.1)
    )
    assert one == same
    assert one.newness <= strict.newness
    most = [{(each.column, each.sign): each.most for each in made.limits} for made in (one, strict)]
    assert all(most[0][key] <= most[1][key] for key in most[0])


def test_a_history_of_hours_and_empty_columns_can_be_calibrated() -> None:
    definition, features, rows = flights()
    short = rows.head(300).with_columns(temp=pl.lit(None, pl.Float64), seats=pl.lit(7))
    made = calibrate(definition, features, {"temp": 1.0}, short)
    assert "temp" not in {gauge.column for gauge in made.gauges}
    counted = count_rows(made, definition, features, short)
    assert judge(made, None, counted) == ()


def test_window_is_judged_in_days_or_in_quarters_where_it_is_short() -> None:
    assert split_window(timedelta(days=4)) == (4, timedelta(days=1))
    assert split_window(timedelta(hours=8)) == (4, timedelta(hours=2))
