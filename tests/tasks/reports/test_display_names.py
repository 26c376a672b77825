"""Checks, metrics and slices have names for people."""

from typing import get_args

from tasks.core.checks import Check
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.reports.display_names import METRICS, name_check, name_metric


def test_every_metric_has_a_name_and_an_arrow_where_better_is() -> None:
    assert set(METRICS) == set(get_args(Metric))
    assert {each for each in METRICS if "↑" in name_metric(each)} == set(HIGHER_IS_BETTER)


def test_unknown_check_is_named_by_its_own_name() -> None:
    assert name_check(Check(name="slices", passed=True, detail="")) == "No slice is worse off"
    assert name_check(Check(name="my_own_check", passed=True, detail="")) == "My own check"
