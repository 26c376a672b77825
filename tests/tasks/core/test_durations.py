"""Durations as a definition writes them."""

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.core.durations import Period, ShareOrPeriod, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30m", timedelta(minutes=30)),
        (" 6h ", timedelta(hours=6)),
        ("180d", timedelta(days=180)),
        ("0d", timedelta(0)),
    ],
)
def test_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("value", ["", "d", "1.5d", "-1d", "1y", 30, None, "99999w"])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(value)


def test_period_is_longer_than_nothing() -> None:
    assert TypeAdapter(Period).validate_python("1m") == timedelta(minutes=1)
    with pytest.raises(ValidationError, match="longer than nothing"):
        TypeAdapter(Period).validate_python("0d")


def test_share_or_period_takes_either() -> None:
    either: TypeAdapter[timedelta | float] = TypeAdapter(ShareOrPeriod)
    assert either.validate_python(0.2) == 0.2
    assert either.validate_python("60d") == timedelta(days=60)
    for value in (True, 0.95, "60"):
        with pytest.raises(ValidationError):
            either.validate_python(value)
