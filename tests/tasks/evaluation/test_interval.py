"""Intervals in words, and around another value."""

from tasks.evaluation.interval import Interval, describe_gain


def test_interval_moves_as_a_whole() -> None:
    moved = Interval(value=0.5, low=0.25, high=1.0).around(1.5)
    assert moved == Interval(value=1.5, low=1.25, high=2.0)


def test_gain_is_said_with_the_way_it_runs() -> None:
    gain = Interval(value=0.5, low=-0.25, high=1.0)
    assert describe_gain(gain) == "better by 0.5000 (interval -0.2500 to +1.0000)"
