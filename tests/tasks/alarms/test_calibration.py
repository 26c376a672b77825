"""A sign's score is its distance by its limit: above 1 it rings, and the alarm names the worst."""

import numpy as np
import polars as pl
import pytest
from struck import APRIL, april, changed, flights, struck

from tasks.alarms.calibration import as_window, score_signs
from tasks.alarms.drift_decision import count_rows, judge
from tasks.core.columns import TIME


def test_score_is_that_of_the_alarm() -> None:
    definition, features, _ = flights()
    rows = struck(changed(pl.col("distance") * 100)).rows
    before, now = (
        count_rows(april(), definition, features, rows.filter(side))
        for side in (pl.col(TIME) <= APRIL, pl.col(TIME) > APRIL)
    )
    scores = score_signs(april(), before, now)
    alarm = next(each for each in judge(april(), before, now) if each.kind == "data-broken")
    assert max(scores.values()) == pytest.approx(alarm.score)
    assert {column for (column, _), score in scores.items() if score > 1} == {*alarm.columns}


def test_counts_of_history_are_one_window() -> None:
    window = as_window(april().learned)
    assert len(window) == 1
    assert np.isclose(window.columns["origin"][0][2:].sum(), window.rows[0])
