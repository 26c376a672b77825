"""Numbers, times and Markdown as reports write them."""

from datetime import UTC, datetime

import pytest

from tasks.analysis.column_summary import ColumnSummary
from tasks.reports.formatting import (
    escape_markdown,
    format_gain,
    format_score,
    format_share,
    format_time,
    format_value,
    markdown_table,
    printable,
    shorten,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0.0000"), (-0.71234, "-0.7123"), (10.0, "10.00"), (1234.5, "1,234"), (4e-5, "4.0e-05")],
)
def test_score_has_digits_by_its_size(value: float, written: str) -> None:
    assert format_score(value) == written


def test_what_is_unknown_is_a_dash() -> None:
    assert (format_score(None), format_share(None), format_time(None)) == ("–", "–", "–")
    assert format_share(0.0512) == "5.1%"
    assert format_time(datetime(2013, 7, 1, 9, 5, tzinfo=UTC)) == "2013-07-01 09:05"


def test_loss_is_worse_and_never_better_by_less_than_nothing() -> None:
    assert format_gain(-0.2424) == "worse by 0.2424"
    assert format_gain(0.01) == "better by 0.0100"
    assert format_gain(-0.0) == "better by 0.0000"


def test_dates_are_days_as_far_as_python_knows_them() -> None:
    made = {"rows": 1, "nulls": 0, "null_share": 0.0, "distinct": 1.0}
    dates = ColumnSummary.model_construct(dtype="Datetime(time_unit='us')", **made)
    assert format_value(dates, 86_400.0) == "1970-01-02"
    assert format_value(dates, 1e12) == "1,000,000,000,000"
    assert format_value(dates, None) == "–"


def test_markdown_in_text_is_not_read_as_such() -> None:
    assert escape_markdown("a|b\n*c* <i>") == r"a\|b \*c\* &lt;i&gt;"
    table = markdown_table(["Check", "Result"], [["a|b", "passed"]])
    assert table.splitlines()[2] == r"| a\|b | passed |"


def test_steering_characters_are_written_out() -> None:
    assert printable("\x1b[31m\u202eabc\udcff") == r"\x1b[31m\u202eabc\udcff"
    assert printable("\ufffe") == "\N{REPLACEMENT CHARACTER}"
    assert printable(0.5) == 0.5


def test_long_label_is_cut() -> None:
    assert shorten("a" * 28) == "a" * 28
    assert shorten("a" * 20 + "b" * 9) == "a" * 18 + "…" + "b" * 9
