"""How far numbers are from what is usual, and how surely."""

import numpy as np
import pytest

from tasks.causes.number_shapes import Found, describe_usual, is_as_good, list_frequent

RNG = np.random.default_rng(7)


def test_numbers_as_usual_are_near_and_others_far() -> None:
    values = RNG.normal(0, 1, 4_000)
    usual, ones = describe_usual(values), np.ones(2_000)
    assert usual.distance(RNG.normal(0, 1, 2_000), ones) < 0.2
    assert usual.distance(RNG.normal(9, 1, 2_000), ones) > 0.99


def test_values_that_come_again_are_counted_in_the_order_of_time() -> None:
    assert describe_usual(np.tile([1.0, 2.0], 50)).recurring == 1.0
    assert describe_usual(np.arange(100.0)).recurring == 0.0


def test_values_known_from_elsewhere_have_no_rows() -> None:
    usual = describe_usual(np.array([1.0, 1.0, np.nan]), np.array([5.0, np.inf]))
    assert usual.known.tolist() == [1.0, 5.0]
    assert usual.counts.tolist() == [2.0, 0.0]
    assert list_frequent(usual.known, usual.counts) == [1.0, 5.0]


@pytest.mark.parametrize(("distance", "good"), [(0.051, True), (0.2, False)])
def test_as_good_is_what_chance_would_give(distance: float, good: bool) -> None:
    usual = describe_usual(RNG.normal(0, 1, 4_000))
    now = Found(np.arange(2_000.0), np.ones(2_000), 0.0)
    assert is_as_good(distance, 0.05, usual, now) is good
