"""Names are text in every page, and numbers are as long as they need be."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from jinja2 import UndefinedError

from flows.ui.rendering import age, metric, moment, render
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric

NOW = datetime(2013, 7, 4, tzinfo=UTC)


def test_names_are_escaped_and_what_steers_is_written_out() -> None:
    page = render("error", page={"error": "<script>\u202eevil\x1b\ufffe", "status": 404})
    assert "&lt;script&gt;\\u202eevil\\x1b\N{REPLACEMENT CHARACTER}" in page


def test_a_name_that_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("error", page={})


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=-26), "in 26 hours"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_times_are_said_in_the_unit_that_fits(before: timedelta, said: str) -> None:
    assert age((NOW - before).isoformat(), NOW) == said


def test_what_is_not_known_is_a_dash() -> None:
    assert moment(None) == "–"
    assert moment(datetime.fromisoformat("2013-07-04T02:00:00+02:00")) == "2013-07-04 00:00"


def test_an_arrow_points_to_what_is_better_of_every_metric() -> None:
    assert {each for each in get_args(Metric) if metric(each).endswith("↑")} == HIGHER_IS_BETTER
