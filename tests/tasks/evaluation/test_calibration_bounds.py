"""Intervals of a bin hold what is true about as often as they say, and find what is off."""

import numpy as np
from scored import definition_of, make_rows

from tasks.core.columns import TARGET
from tasks.evaluation.calibration import calibrate
from tasks.evaluation.calibration_bounds import bound_misses


def test_interval_lies_around_what_came_true_less_what_was_predicted() -> None:
    rows = make_rows()
    predicted = rows["predicted"].to_numpy()
    bins = calibrate(rows[TARGET].to_numpy(), predicted)
    found = bound_misses(definition_of(), rows, predicted)
    assert len(found) == len(bins) == 10
    for each, miss in zip(bins, found, strict=True):
        assert miss is not None
        assert abs(miss.value - (each.observed - each.predicted)) < 1e-12
        assert miss.low < miss.value < miss.high


def test_sure_of_all_bins_is_wider_and_holds_zero_where_nothing_is_off() -> None:
    rows = make_rows()
    predicted = rows["predicted"].to_numpy()
    apart, together = (
        bound_misses(definition_of(), rows, predicted, both) for both in (False, True)
    )
    assert all(a and b and a.low > b.low for a, b in zip(apart, together, strict=True))
    assert all(each and each.low <= 0 <= each.high for each in together)
    off = bound_misses(definition_of(), rows, np.clip(predicted + 0.2, 0, 1), together=True)
    assert any(each and each.high < 0 for each in off)


def test_bin_of_few_rows_says_nothing() -> None:
    rows = make_rows().head(60)
    assert bound_misses(definition_of(), rows, rows["predicted"].to_numpy()) == (None,) * 10
