"""Thresholds keep to a budget of false alarms in quarters resampled from history."""

import numpy as np

from tasks.alarms.histograms import RECENT
from tasks.alarms.thresholds import count_alarms, draw_paths, find_limits, find_threshold

WEEK, QUARTER = 7, 91


def test_quarters_are_drawn_in_whole_windows_from_near_their_season() -> None:
    paths = draw_paths(365, WEEK, QUARTER, seed=1)
    assert paths.shape == (200, QUARTER + (RECENT + 1) * WEEK)
    assert (paths.min(), paths.max()) >= (0, 0)
    assert paths.max() < 365
    days = paths[:, :WEEK]
    assert (np.diff(days, axis=1) == 1).all()  # days of a window keep their order
    assert (paths % WEEK == paths[:, :1] % WEEK + np.arange(paths.shape[1]) % WEEK).sum() > 0
    assert (draw_paths(365, WEEK, QUARTER, seed=1) == paths).all()


def test_history_shorter_than_a_window_is_drawn_too() -> None:
    assert draw_paths(3, WEEK, QUARTER, seed=1).max() == 2


def test_threshold_is_the_least_that_keeps_to_the_budget() -> None:
    scores = np.random.default_rng(1).random((200, QUARTER))
    often, rarely = (find_threshold(scores, allowed, WEEK) for allowed in (2.0, 0.2))
    assert often < rarely
    assert count_alarms(scores > often, WEEK) <= 2.0
    assert count_alarms(scores > rarely, WEEK) <= 0.2


def test_limits_of_all_signs_keep_to_one_budget_and_never_fall_below_what_matters() -> None:
    draw = np.random.default_rng(1)
    signs = {
        ("x", "shape"): draw.random((200, QUARTER)),
        ("k", "missing"): np.zeros((200, QUARTER)),
    }
    limits = {each.column: each.most for each in find_limits(signs, 0.5, WEEK)}  # type: ignore[arg-type]
    rings = signs["x", "shape"] > limits["x"]
    assert count_alarms(rings, WEEK) <= 0.5
    assert limits["k"] > 0.08


def test_alarm_that_goes_on_is_counted_once() -> None:
    rings = np.zeros((1, 30), dtype=bool)
    rings[0, [3, 4, 8, 25]] = True
    assert count_alarms(rings, WEEK) == 2.0
