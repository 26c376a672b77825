"""Each kind of mapping is taken back on raw rows, and in no others than the affected."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.causes.mapping import (
    Mapping,
    find_grain,
    find_nearest,
    find_standing,
    undo,
    undo_numbers,
)

KNOWN = np.array([10.0, 12.0, 25.0])
AFFECTED = pl.Series([False, True, True, True])


def linear(factor: float, offset: float = 0.0, *, cut: bool = False) -> Mapping:
    return Mapping(kind="linear", columns=("x",), about="", factor=factor, offset=offset, cut=cut)


def test_numbers_come_back_to_those_there_were() -> None:
    rows = pl.DataFrame({"x": [25.0, 10 * 2.54, None, 25 * 2.54]})
    assert undo(linear(2.54), rows, AFFECTED, KNOWN)["x"].to_list() == [25.0, 10.0, None, 25.0]


def test_fractions_that_were_cut_off_come_back() -> None:
    rows = pl.DataFrame({"x": [25, int(10 * 2.54), int(12 * 2.54), int(25 * 2.54)]})
    undone = undo(linear(2.54, cut=True), rows, AFFECTED, KNOWN)
    assert undone["x"].to_list() == [25, 10, 12, 25]


def test_values_that_never_were_stay_what_they_come_to() -> None:
    assert undo_numbers(linear(2), np.array([7.25]), KNOWN, 0.0) == pytest.approx([3.625])
    assert undo_numbers(linear(2), np.array([7.0]), np.array([]), 1.0) == pytest.approx([3.5])


def test_hours_go_round_the_clock() -> None:
    later = Mapping(kind="hours", columns=("x",), about="", hours=4, clock="hhmm")
    assert undo_numbers(later, np.array([130.0, 2359.0]), KNOWN, 1.0).tolist() == [2130, 1959]
    later = later.model_copy(update={"clock": "hour"})
    assert undo_numbers(later, np.array([1.0, 23.0]), KNOWN, 1.0).tolist() == [21, 19]
    moment = datetime(2020, 1, 1, 3)
    rows = pl.DataFrame({"x": [moment] * 4})
    undone = undo(later, rows, AFFECTED, KNOWN)["x"].to_list()
    assert undone == [moment, *[moment - timedelta(hours=4)] * 3]


def test_levels_get_their_names_back() -> None:
    renamed = Mapping(kind="levels", columns=("x",), about="", levels={"UA": "UAL"})
    rows = pl.DataFrame({"x": ["UAL", "UAL", None, "AA"]})
    assert undo(renamed, rows, AFFECTED, KNOWN)["x"].to_list() == ["UAL", "UA", None, "AA"]


def test_swapped_columns_are_put_back() -> None:
    swapped = Mapping(kind="swap", columns=("x", "y"), about="")
    rows = pl.DataFrame({"x": [1, 2, 3, 4], "y": [10, 20, 30, 40]})
    undone = undo(swapped, rows, AFFECTED, KNOWN)
    assert undone.rows() == [(1, 10), (20, 2), (30, 3), (40, 4)]


@pytest.mark.parametrize(("usual", "left"), [(0.0, 50), (0.2, 62)])
def test_as_many_stand_ins_are_left_as_are_usual(usual: float, left: int) -> None:
    rows = pl.DataFrame({"x": [None, 5.0] * 50})
    stands = Mapping(kind="stand-in", columns=("x",), about="", share=0.5, usual=usual)
    kept = undo(stands, rows, pl.repeat(True, 100, eager=True), KNOWN)
    assert len(kept) == left
    assert kept["x"].count() == 50


def test_what_is_not_a_number_is_missing() -> None:
    assert find_standing(pl.Series([1.0, float("nan"), None]), None).to_list() == [0, 1, 1]
    assert find_standing(pl.Series(["", "a", None]), "").to_list() == [1, 0, 0]
    assert find_standing(pl.Series([0, 7, None]), 0.0).to_list() == [1, 0, 0]


def test_grain_is_the_last_decimal_place() -> None:
    assert find_grain(np.array([1.0, np.nan, 3.0])) == 1.0
    assert find_grain(np.array([0.1, 0.25])) == 0.01


def test_nearest_of_one_value_is_that() -> None:
    assert find_nearest(np.array([5.0]), np.array([-1.0, 9.0])).tolist() == [5.0, 5.0]
