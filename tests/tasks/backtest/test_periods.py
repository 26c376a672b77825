"""Periods: each counts alike, and tells the base rate that moved in it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from predicted import DEFINITION, START, rows
from scipy.special import expit, logit
from tables import define

from tasks.backtest.periods import average_calibration, average_periods, measure_periods
from tasks.core.columns import HIGH, LOW, PREDICTION, TARGET
from tasks.core.definition import parse_definition


def test_periods_count_alike_and_an_empty_one_not_at_all() -> None:
    history = rows(30, 0.9)
    dates = [
        START,
        START + timedelta(days=10),
        START + timedelta(days=30),
        datetime(2021, 1, 1, tzinfo=UTC),
    ]
    periods = measure_periods(DEFINITION, history, dates)
    assert [each.rows for each in periods] == [1000, 1999]
    mean = average_periods(periods)["auc"]
    assert mean == pytest.approx(np.mean([each.metrics["auc"] for each in periods]))
    assert average_periods(()) == {}


def test_period_tells_the_base_rate_that_moved_in_it() -> None:
    history = rows(30, 1.0)
    low = pl.Series(PREDICTION, expit(logit(history[PREDICTION].to_numpy()) - 1))
    dates = [START, START + timedelta(days=30)]
    (period,) = measure_periods(DEFINITION, history.with_columns(low), dates)
    assert period.calibration > 0.1
    assert period.prior_shift is not None
    assert period.prior_shift.offset == pytest.approx(1, abs=0.3)


def test_calibration_of_no_period_is_unknown() -> None:
    assert average_calibration(()) is None


def test_coverage_of_a_period_is_told_where_answers_have_intervals() -> None:
    history = rows(40, 0.9)
    dates = [START, START + timedelta(days=20), START + timedelta(days=40)]
    plain = measure_periods(DEFINITION, history, dates)
    assert "coverage" not in plain[0].model_dump()
    wide = history.with_columns(
        (pl.col(PREDICTION) - 0.4).alias(LOW), (pl.col(PREDICTION) + 0.4).alias(HIGH)
    )
    periods = measure_periods(DEFINITION, wide, dates)
    inside = ((history[TARGET] - history[PREDICTION]).abs() <= 0.4).mean()
    assert np.mean([each.coverage for each in periods]) == pytest.approx(inside, abs=0.01)


def test_calibration_of_quantiles_is_the_distance_of_shares_from_levels() -> None:
    text = define(target='value = "y"\nkind = "regression"\nquantiles = [0.25, 0.75]')
    definition, history = parse_definition(text, "made.toml"), rows(40, 0.9)
    values = np.linspace(0, 1, len(history))
    answered = history.with_columns(
        pl.Series(TARGET, values), pl.Series(PREDICTION, [[0.4, 0.7]] * len(history))
    )
    dates = [START, START + timedelta(days=41)]
    (period,) = measure_periods(definition, answered, dates)
    assert period.calibration == pytest.approx((0.15 + 0.05) / 2, abs=1e-3)
    assert period.metrics["coverage_error"] == pytest.approx(period.calibration)
