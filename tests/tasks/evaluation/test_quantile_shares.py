"""Shares of rows below quantiles, counted by hand, and how sure they are."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scored import START
from tables import define

from tasks.core.columns import TARGET, TIME, WEIGHT
from tasks.core.definition import parse_definition
from tasks.evaluation.metrics import measure_one
from tasks.evaluation.quantile_shares import calibrate_model, measure_shares
from tasks.evaluation.slices import SLICE

DEFINITION = parse_definition(
    define(target='value = "y"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]'), "made.toml"
)
COUNT = 2_000
_DRAW = np.random.default_rng(2)
ROWS = pl.DataFrame(
    {
        TIME: [START + timedelta(hours=hour) for hour in range(COUNT)],
        TARGET: _DRAW.normal(size=COUNT),
        f"{SLICE}half": np.where(np.arange(COUNT) % 2 == 0, "even", "odd"),
        f"{SLICE}few": np.where(np.arange(COUNT) < 100, "few", "many"),
    }
)
TRUE = np.tile([-1.2816, 0.0, 1.2816], (COUNT, 1))


def test_all_rows_come_first_and_then_slices_with_rows_enough() -> None:
    found = list(measure_shares(DEFINITION, ROWS, TRUE, SLICE))
    assert [each.quantile for each in found[:3]] == [0.1, 0.5, 0.9]
    named = [(each.slice, each.level) for each in found[::3]]
    assert named == [("", ""), ("few", "many"), ("half", "even"), ("half", "odd")]
    for place, each in enumerate(found[:3]):
        assert each.share == pytest.approx((ROWS[TARGET].to_numpy() < TRUE[:, place]).mean())
        assert each.gain.value == pytest.approx(each.share - each.quantile)
        assert each.gain.low < each.gain.value < each.gain.high
        assert not each.is_off(0.02)
        assert f"{each.share:.1%} of 2,000 rows lie below the" in each.detail


def test_share_that_is_surely_off_is_told_on_either_side() -> None:
    narrow = TRUE + np.array([0.6, 0, -0.6])
    low, _, high = list(measure_shares(DEFINITION, ROWS, narrow, SLICE))[:3]
    assert low.is_off(0.05)
    assert high.is_off(0.05)
    assert not low.is_off(0.3)


def test_rows_on_a_quantile_count_as_far_as_the_level_needs_them() -> None:
    counts = ROWS.with_columns(pl.lit(0.0).alias(TARGET))
    found = list(measure_shares(DEFINITION, counts, np.zeros((COUNT, 3)), "none"))
    assert [each.share for each in found] == pytest.approx([0.1, 0.5, 0.9])


def test_weights_count_in_shares() -> None:
    weighed = ROWS.with_columns(pl.Series(WEIGHT, np.where(ROWS[TARGET] < 0, 3.0, 1.0)))
    middle = list(measure_shares(DEFINITION, weighed, TRUE, "none"))[1]
    negative = (ROWS[TARGET] < 0).sum()
    assert middle.share == pytest.approx(3 * negative / (COUNT + 2 * negative))


def test_calibration_error_is_the_mean_distance_of_shares() -> None:
    target = ROWS[TARGET].to_numpy()
    bins, error = calibrate_model(DEFINITION, target, TRUE + 0.3)
    assert [each.predicted for each in bins] == [0.1, 0.5, 0.9]
    wanted = measure_one("coverage_error", target, TRUE + 0.3, 0.5, own_loss=DEFINITION.own_loss)
    assert error == pytest.approx(wanted, rel=1e-12)


def test_without_quantiles_nothing_is_measured() -> None:
    plain = parse_definition(define(target='value = "y"\nkind = "regression"'), "made.toml")
    assert list(measure_shares(plain, ROWS, TRUE, SLICE)) == []
