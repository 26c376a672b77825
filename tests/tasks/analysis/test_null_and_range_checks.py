"""Null shares, infinities and ranges of columns are counted, each against its own rule."""

import pytest
from contracts import check, some
from tables import ROWS, Project

from tasks.analysis.null_and_range_checks import check_columns
from tasks.analysis.profile import profile_table
from tasks.core.checks import failed
from tasks.core.data_sections import ColumnCheck


def test_column_that_a_published_contract_names_and_that_is_gone_is_named() -> None:
    rows = ROWS.lazy()
    (found,) = check_columns({"xx": ColumnCheck()}, rows, profile_table(rows))
    assert (found.name, found.passed) == ("column 'xx'", False)
    assert found.detail == "there is no column 'xx'; did you mean 'x'?"


def test_share_that_may_break_a_rule_is_allowed(made: Project) -> None:
    rows = ROWS.with_columns(**some("x", float("inf")))
    infinite = check(made, rows, **{"checks.columns.x": "infinite = 0.01"})["infinity of 'x'"]
    assert infinite.passed
    assert infinite.numbers == {"count": 4, "share": 0.01, "allowed": 0.01}


@pytest.mark.parametrize("allowed", [0, 0.009, 0.01])
@pytest.mark.parametrize("features", ['x = "x"', 'k = "k"'], ids=["fed", "not fed"])
def test_infinity_is_counted_whether_or_not_a_feature_needs_the_column(
    made: Project, features: str, allowed: float
) -> None:
    rows = ROWS.with_columns(**some("x", float("-inf")))
    rule = {"checks.columns.x": f"infinite = {allowed}", "features": features}
    found = check(made, rows, **rule)["infinity of 'x'"]
    assert found.passed == (allowed == 0.01)
    assert found.numbers == {"count": 4, "share": 0.01, "allowed": allowed}


def test_missing_numbers_are_not_above_a_limit(made: Project) -> None:
    rows = ROWS.with_columns(**some("x", float("nan")))
    checks = check(made, rows, **{"checks.columns.x": "max = 11\nnulls = 0.01"})
    assert not failed(checks.values())
    assert checks["nulls of 'x'"].numbers["count"] == 4
