"""The moment since when values are others is found, and the one when that ended."""

import numpy as np
import pytest

from tasks.causes.onset import Segment, find_segment

RNG = np.random.default_rng(3)
ROWS = 4_000


def bins(start: int, stop: int) -> np.ndarray:  # type: ignore[type-arg]
    drawn = RNG.integers(0, 10, ROWS)
    drawn[start:stop] = np.minimum(drawn[start:stop] + 3, 9)
    return drawn


def test_onset_is_found_to_within_a_few_rows() -> None:
    start, stop = find_segment(bins(2_800, ROWS), np.arange(ROWS))
    assert start == pytest.approx(2_800, abs=15)
    assert stop == ROWS


def test_end_is_found_where_values_are_usual_again() -> None:
    start, stop = find_segment(bins(2_500, 3_000), np.arange(ROWS))
    assert start == pytest.approx(2_500, abs=15)
    assert stop == pytest.approx(3_000, abs=15)


def test_what_ended_before_the_window_is_not_told() -> None:
    drawn = bins(1_000, 1_500)
    assert find_segment(drawn, np.arange(ROWS)).stop == pytest.approx(1_500, abs=15)
    assert find_segment(drawn, np.arange(ROWS), reaches=3_000).stop > 3_000


def test_rows_of_one_moment_stay_together() -> None:
    start, _ = find_segment(bins(2_800, ROWS), np.arange(ROWS) // 50)
    assert start % 50 == 0


def test_rows_of_a_single_moment_have_no_onset() -> None:
    assert find_segment(bins(10, 20), np.zeros(ROWS, dtype=np.int64)) == Segment(0, ROWS)


def test_a_very_long_log_is_searched_to_the_row() -> None:
    many = np.repeat([0, 1], [70_001, 29_999])
    assert find_segment(many, np.arange(100_000)).start == pytest.approx(70_001, abs=4)
