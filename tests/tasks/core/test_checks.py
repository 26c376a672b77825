"""Results of checks: where they pass, and what they say."""

import pytest

from tasks.core.checks import at_least, at_most, failed, share_at_most


def test_limits_themselves_pass() -> None:
    assert at_least("rows", 100, 100, "rows").passed
    assert not at_least("rows", 99, 100, "rows").passed
    assert at_most("duplicates", 3, 3, "duplicates").passed
    assert not at_most("duplicates", 4, 3, "duplicates").passed


@pytest.mark.parametrize(("count", "passed"), [(50, True), (51, False)])
def test_share_is_told_with_its_numbers(count: int, passed: bool) -> None:
    check = share_at_most("nulls", count, 1000, 0.05, "are null")
    assert check.passed is passed
    assert check.detail.startswith(f"{count} of 1,000 rows ({count / 1000:.2%}) are null")
    assert check.numbers == {"count": count, "share": count / 1000, "allowed": 0.05}


def test_no_row_breaks_no_share() -> None:
    assert share_at_most("nulls", 0, 0, 0.0, "are null").passed


def test_failed_are_those_that_did_not_pass() -> None:
    good, bad = at_least("a", 1, 1, "rows"), at_least("b", 0, 1, "rows")
    assert failed([good, bad]) == [bad]
