"""The features of flight-delay, one value at a time, as a person would work them out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.definition_file import load_definition

REPOSITORY = Path(__file__).parents[2]
FLIGHTS = REPOSITORY / "data" / "nycflights13" / "flights-*.parquet"
DEFINITION = load_definition(REPOSITORY / "deployments" / "flight_delay.toml")


def value_of(sql: str, **row: Any) -> Any:
    """Evaluate an expression on one row; what is missing is a missing number."""
    columns = [
        pl.Series(name, [value], pl.Int64 if value is None else None) for name, value in row.items()
    ]
    return pl.DataFrame(columns).select(pl.sql_expr(sql)).item()


def hour(*moment: int) -> dict[str, datetime]:
    return {"time_hour": datetime(*moment, tzinfo=UTC)}  # type: ignore[misc, arg-type]


WORKED_OUT: list[tuple[str, dict[str, Any], Any]] = [
    ("dep_minute", {"sched_dep_time": 5}, 5),
    ("dep_minute", {"sched_dep_time": 515}, 315),
    ("dep_minute", {"sched_dep_time": 2359}, 1439),
    ("dep_minute", {"sched_dep_time": 2400}, 1440),
    ("dep_minute", {"sched_dep_time": None}, None),
    ("arr_minute", {"sched_arr_time": 819}, 499),
    ("arr_minute", {"sched_arr_time": 0}, 0),
    ("planned_minutes", {"sched_dep_time": 515, "sched_arr_time": 819}, 184),
    ("planned_minutes", {"sched_dep_time": 559, "sched_arr_time": 600}, 1),
    # Arrival is on the clock of where it is, and after midnight on the next day's: a code for the
    # leg and its hour, not a duration.
    ("planned_minutes", {"sched_dep_time": 2330, "sched_arr_time": 30}, -1380),
    ("weekday", hour(2013, 1, 1, 4), 1),  # New York: Monday, 23:00
    ("weekday", hour(2013, 1, 1, 5), 2),  # Tuesday, 0:00
    ("weekday", hour(2013, 3, 10, 5), 7),  # clocks go forward on this Sunday
    ("weekday", hour(2013, 3, 10, 23), 7),
    ("weekday", hour(2013, 3, 11, 9), 1),
    ("weekday", hour(2013, 11, 3, 9), 7),  # and back on this one
    ("weekday", hour(2013, 11, 4, 4), 7),
    ("weekday", hour(2013, 11, 4, 5), 1),
    ("plane_age", {"plane_year": 1999}, 14),
    ("plane_age", {"plane_year": 2013}, 0),
    ("plane_age", {"plane_year": None}, None),
]


@pytest.mark.parametrize(("feature", "row", "value"), WORKED_OUT)
def test_feature_has_the_value_that_a_person_works_out(
    feature: str, row: dict[str, Any], value: Any
) -> None:
    assert value_of(DEFINITION.features[feature], **row) == value


def test_every_feature_that_computes_something_was_worked_out() -> None:
    computed = {name for name, sql in DEFINITION.features.items() if not sql.isidentifier()}
    assert computed == {feature for feature, _, _ in WORKED_OUT}


def test_weekday_is_new_yorks_for_every_flight_of_the_year() -> None:
    there = pl.col("time_hour").dt.convert_time_zone("America/New_York").dt.weekday()
    flights = pl.scan_parquet(FLIGHTS).select(
        there.alias("calendar"), pl.sql_expr(DEFINITION.features["weekday"]).alias("feature")
    )
    wrong = flights.filter(pl.col("calendar") != pl.col("feature")).collect()
    assert len(wrong) == 0


def test_no_feature_reads_what_is_known_only_after_departure() -> None:
    after = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    read = {
        column
        for sql in DEFINITION.features.values()
        for column in pl.sql_expr(sql).meta.root_names()
    }
    assert read & after == set()


def test_late_is_more_than_a_quarter_of_an_hour() -> None:
    said = [value_of(DEFINITION.target.value, arr_delay=delay) for delay in (15.0, 16.0, -60.0)]
    assert said == [False, True, False]
    assert value_of(DEFINITION.target.value, arr_delay=None) is None


def test_every_definition_has_its_features_worked_out() -> None:
    definitions = {path.stem for path in (REPOSITORY / "deployments").glob("*.toml")}
    worked_out = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*")}
    assert worked_out == definitions
