"""Quantiles in order, and the one that stands for all."""

import numpy as np

from tasks.core.pinball import Pinball, rearrange, take_middle

LEVELS = Pinball((0.1, 0.5, 0.9))
CROSSED = np.array([[1.0, 3.0, 2.0], [1.0, 2.0, 3.0]])


def test_crossed_quantiles_are_put_in_order_and_a_mean_is_left_alone() -> None:
    assert rearrange(LEVELS, CROSSED).tolist() == [[1, 2, 3], [1, 2, 3]]
    assert rearrange(None, CROSSED) is CROSSED


def test_middle_is_the_level_nearest_to_a_half() -> None:
    assert [Pinball(each).middle for each in ((0.1, 0.9), (0.7, 0.9), (0.2, 0.45, 0.8))] == [
        0,
        0,
        1,
    ]
    assert take_middle(LEVELS, CROSSED).tolist() == [3, 2]
    assert take_middle(None, CROSSED[:, 0]).tolist() == [1, 1]
