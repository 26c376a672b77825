"""A target's unit stands beside what is measured in it, and beside nothing else."""

from typing import get_args

from tasks.core.model_sections import Metric
from tasks.core.units import IN_UNIT, unit_of, with_unit


def test_errors_are_in_the_targets_unit_and_shares_and_squares_are_not() -> None:
    named = {each for each in get_args(Metric) if unit_of(each, "minutes") == " (minutes)"}
    assert named == IN_UNIT == {"mae", "rmse", "pinball_loss"}


def test_a_unit_steers_no_terminal() -> None:
    assert unit_of("mae", "\x1b[31m") == r" (\x1b[31m)"


def test_without_a_unit_nothing_is_said() -> None:
    assert unit_of("rmse", None) == ""
    assert (with_unit("4.2", None), with_unit("4.2", "€")) == ("4.2", "4.2 €")
