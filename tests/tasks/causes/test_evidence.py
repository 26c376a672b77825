"""The alarm is asked again of what hangs on a column, and a sample counts for all rows."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from struck import april, changed, flights, struck

from tasks.alarms.drift_decision import count_rows, judge
from tasks.causes.evidence import measure_distance
from tasks.core.columns import TIME


def test_score_of_one_feature_is_that_of_the_whole_alarm() -> None:
    evidence = struck(changed(pl.col("distance") * 100))
    definition, features, _ = flights()
    sides = [evidence.rows.filter(pl.col(TIME) <= evidence.begins)]
    sides.append(evidence.rows.filter(pl.col(TIME) > evidence.begins))
    alarm = judge(april(), *(count_rows(april(), definition, features, each) for each in sides))[0]
    score = max(evidence.score(evidence.rows, {"distance"}).values())
    assert score == pytest.approx(alarm.score)


def test_columns_lead_to_what_is_made_of_them() -> None:
    evidence = struck(changed())
    assert evidence.list_dependents("sched_dep_time") == {"dep_minute", "planned_minutes"}
    assert evidence.list_dependents("time_hour") == {"weekday", "hour of time_hour"}
    assert "time_hour" in evidence.list_columns()
    assert "arr_delay" not in evidence.list_columns()


def test_sample_counts_for_all_rows() -> None:
    evidence = struck(changed(pl.col("distance") * 100))
    every = max(evidence.score(evidence.rows, {"distance"}).values())
    sample = replace(evidence, rows=evidence.rows[::4], weights=(4.0, 4.0))
    assert max(sample.score(sample.rows, {"distance"}).values()) == pytest.approx(every, rel=0.05)


def test_each_kind_of_column_has_bins() -> None:
    evidence = struck(changed(pl.lit("new").alias("carrier")))
    now = (evidence.rows[TIME] > evidence.begins).to_numpy()
    for name in evidence.list_columns():
        bins = evidence.find_bins(evidence.rows, name)
        assert len(bins) == len(evidence.rows)
        far = measure_distance(bins[~now], bins[now])
        assert far == 1 if name == "carrier" else far < 0.6, name
    empty = evidence.rows.with_columns(
        pl.when(pl.col(TIME) > evidence.begins).then("temp").alias("temp")
    )
    bins = evidence.find_bins(empty, "temp")
    assert measure_distance(bins[~now], bins[now]) > 0.9


def test_history_of_a_plain_column_is_known() -> None:
    evidence = struck(changed())
    few = evidence.rows.head(5)
    assert len(evidence.list_known("distance", few)) > 150
    assert len(evidence.list_known("sched_dep_time", few)) <= 5
    assert np.array_equal(evidence.list_known("carrier", few), [])
