"""Distances between two windows' counts: 0 for the same, and in units that a person knows."""

import numpy as np
import pytest

from tasks.alarms.distances import (
    compare_shares,
    describe_sign,
    measure_newness,
    measure_shape,
    measure_shift,
    measure_signs,
)
from tasks.alarms.histograms import FIRST, Gauge, Window

NUMBER = Gauge(column="x", kind="number", cuts=(0.0, 1.0, 2.0))
HOUR = Gauge(column="hour of t", kind="hour")
Counts = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def count(*bins: float, missing: float = 0, unseen: float = 0) -> Counts:
    return np.array([missing, unseen, *bins], dtype=np.float64)


def test_equal_windows_of_any_size_have_no_distance() -> None:
    one, tenfold = count(10, 20, 30, 40, missing=5), count(100, 200, 300, 400, missing=50)
    signs = measure_signs(NUMBER, one, tenfold, one)
    assert set(signs) == {"missing", "unseen", "shape", "shift"}
    assert [float(each) for each in signs.values()] == pytest.approx([0, 0, 0, 0], abs=1e-7)
    assert measure_newness(NUMBER, one, tenfold) == 0


def test_what_shares_nothing_is_one_apart() -> None:
    low, high = count(10, 0, 0, 0), count(0, 0, 0, 10)
    assert measure_shape(low[FIRST:], high[FIRST:]) == 1
    assert measure_newness(NUMBER, low, high) == 1
    assert measure_shape(low[FIRST:], np.zeros(4)) == 0  # no values are no distance
    assert compare_shares(*(np.array([each]) for each in (0.0, 10.0, 10.0, 10.0))) == [1.0]


def test_shift_is_in_standard_deviations_of_what_was_learned() -> None:
    learned = count(0, 50, 50, 0)  # values 0.5 and 1.5: a standard deviation of 0.5
    left, right = count(0, 10, 0, 0), count(0, 0, 10, 0)
    shift = measure_shift(NUMBER, *(each[FIRST:] for each in (left, right, learned)))
    assert shift == pytest.approx(2.0)


def test_clock_that_turns_by_an_hour_for_the_season_is_no_sign() -> None:
    bins = np.zeros(24)
    bins[8:10] = 50
    before = count(*bins)
    by_one, by_five = (count(*np.roll(bins, hours)) for hours in (1, 5))
    assert measure_signs(HOUR, before, by_one, before)["clock"] == pytest.approx(0, abs=1e-7)
    assert measure_signs(HOUR, before, by_five, before)["clock"] == 1


def test_many_windows_are_measured_at_once() -> None:
    windows = np.stack([count(1, 2, 3, 4), count(4, 3, 2, 1)])
    signs = measure_signs(NUMBER, windows, windows[::-1], windows[0])
    assert {each.shape for each in signs.values()} == {(2,)}


def test_sign_is_told_with_the_shares_before_and_now() -> None:
    before, now = (
        Window(np.array([10.0]), np.array([0.0]), {"x": count(9, 0, 0, 0, missing=missing)[None]})
        for missing in (1, 9)
    )
    said = describe_sign(("x", "missing"), before, now, 0.5, 0.1)
    assert said == "x: missing in 50.0% of rows, in 10.0% of the windows before"
