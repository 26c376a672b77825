"""How wide intervals must be: by the finite-sample quantile, the same for one row as for many."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import StoreError
from tasks.core.prediction_interval import (
    IntervalModel,
    beside,
    count_needed,
    find_share,
    read_interval,
)

DRAW = np.random.default_rng(1)
GIVEN: dict[str, Any] = {
    "coverage": 0.9,
    "lower": "tree",
    "upper": "tree",
    "share": 0.25,
    "floor": 0.5,
    "rows": 100,
    "rounds": (1, 2),
}


def test_new_rows_are_held_as_often_as_was_asked_for() -> None:
    held = []
    for _ in range(2_000):
        target = DRAW.normal(size=51)
        lower, upper = np.full(51, -0.5), np.full(51, 0.5)
        share, floor = find_share(0.8, target[:50], lower[:50], upper[:50], np.ones(50))
        interval = IntervalModel.model_validate({**GIVEN, "share": share, "floor": floor})
        ((low, high),) = interval.widen(np.zeros(1), lower[50:], upper[50:])
        held.append(low <= target[50] <= high)
    assert np.mean(held) == pytest.approx(np.ceil(51 * 0.8) / 51, abs=0.025)


def test_share_is_the_miss_of_the_last_row_that_must_be_held() -> None:
    target, ones = np.arange(1.0, 11.0), np.ones(10)
    share, floor = find_share(0.8, target, np.zeros(10), ones, ones)
    assert (share, floor) == (8.0, 0.1)  # 9 of 10 rows: at most 9, which lies 8 widths above
    assert find_share(0.8, target, np.full(10, -20.0), np.full(10, 20.0), ones)[0] < 0
    assert find_share(0.8, target, ones, ones, ones)[1] == 1.0


def test_rows_that_weigh_nothing_say_nothing_of_how_wide_intervals_are() -> None:
    target, lower, upper = DRAW.normal(size=400), np.full(400, -1.0), np.full(400, 1.0)
    weights = np.repeat([0.0, 1.0], 200)
    few = find_share(0.9, target[200:], lower[200:], upper[200:], weights[200:])
    target[:200] *= 50
    assert find_share(0.9, target, lower, upper, weights)[0] == few[0]
    assert find_share(0.9, target, lower, upper, np.ones(400))[0] > few[0]


def test_one_row_is_told_as_many_to_the_last_bit_with_the_lower_end_first() -> None:
    told = DRAW.normal(size=(3, 500)) * 10.0 ** DRAW.integers(-3, 4, 500)
    for changes in ({}, {"least": 0.0}, {"share": -0.9}, {"share": 0.1, "floor": 3.0}):
        for around in (False, True):
            given = {**GIVEN, **changes, "around": around}
            interval = IntervalModel.model_validate(given)
            many = interval.widen(*told)
            assert (many[:, 0] <= many[:, 1]).all()
            assert many.tolist() == [interval.widen_one(*each) for each in told.T.tolist()]
            assert interval.least is None or many.min() >= 0


def test_ends_lie_around_the_prediction_where_the_file_says_so_and_once_did_not() -> None:
    told = np.array([10.0]), np.array([-1.0]), np.array([3.0])
    given = {**GIVEN, "around": True}
    assert IntervalModel.model_validate(given).widen(*told).tolist() == [[8.0, 14.0]]
    before = IntervalModel.model_validate(GIVEN)
    assert before.widen(*told).tolist() == [[-2.0, 4.0]]
    assert "around" not in before.model_dump_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"share": float("nan")},
        {"floor": 0},
        {"coverage": 1},
        {"rows": 8},
        {"lower": ""},
        {"rounds": [1]},
        {"more": 1},
    ],
)
def test_file_that_is_no_interval_is_refused_by_its_name(changes: dict[str, Any]) -> None:
    assert read_interval(json.dumps(GIVEN), "v1").share == 0.25
    with pytest.raises(StoreError, match="v1: is no prediction interval: "):
        read_interval(json.dumps({**GIVEN, **changes}), "v1")


def test_interval_lies_beside_its_model() -> None:
    assert beside(Path("a/twin.txt")) == Path("a/twin_interval.json")
    assert [count_needed(each) for each in (0.5, 0.8, 0.95)] == [1, 4, 19]
