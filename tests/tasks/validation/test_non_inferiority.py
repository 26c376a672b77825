"""Not worse is what is not below the margin by the whole of its interval."""

import pytest

from tasks.evaluation.interval import Interval
from tasks.validation.non_inferiority import judge_gain


@pytest.mark.parametrize(("high", "passed"), [(-0.011, False), (-0.01, True), (0.02, True)])
def test_only_a_whole_interval_below_the_margin_refuses(high: float, passed: bool) -> None:
    check = judge_gain("made", "auc .7 against .8", Interval(value=-0.1, low=-0.2, high=high), 0.01)
    assert (check.name, check.passed) == ("made", passed)
    assert check.numbers == {"value": -0.1, "low": -0.2, "high": high, "margin": 0.01}
    assert check.detail.endswith("refused if all of that is below -0.0100")
