"""Stand-ins: nulls, sentinels and empty texts are told with their share."""

import polars as pl
import pytest

from tasks.causes.stand_ins import is_everywhere, propose_stand_ins

OLD = pl.Series("x", [float(place % 30) + 1 for place in range(900)])
TEXT = pl.Series("x", [f"level {place % 9}" for place in range(900)])


def put(column: pl.Series, value: object, every: int = 2) -> pl.Series:
    given = [value if place % every == 0 else each for place, each in enumerate(column)]
    return pl.Series("x", given, dtype=column.dtype)


@pytest.mark.parametrize("value", [None, float("nan"), -999.0, 0.0, 1e6])
def test_numbers_that_stand_for_nothing_are_told(value: float | None) -> None:
    (found,) = propose_stand_ins("x", OLD, put(OLD, value))
    assert (found.share, found.usual) == (0.5, 0.0)
    assert found.about.endswith("in 50.0% of these rows, in 0.0% before")


@pytest.mark.parametrize("value", [None, "", "N/A", " unknown "])
def test_texts_that_stand_for_nothing_are_told(value: str | None) -> None:
    (found,) = propose_stand_ins("x", TEXT, put(TEXT, value, 4))
    assert found.share == 0.25


def test_usual_values_that_became_common_are_no_stand_in() -> None:
    assert propose_stand_ins("x", OLD, put(OLD, 7.0)) == []
    assert propose_stand_ins("x", TEXT, put(TEXT, "level 1")) == []
    assert propose_stand_ins("x", TEXT, put(TEXT, "quite new")) == []


def test_converted_constant_is_no_stand_in() -> None:
    old = pl.Series("x", [10.0] * 800 + OLD.to_list()[:100])
    assert propose_stand_ins("x", old, old * 100) == []


def test_value_that_all_rows_with_one_have_is_everywhere() -> None:
    nulls = put(OLD, None, 3)
    (found,) = propose_stand_ins("x", nulls, nulls * 0 - 999)
    assert is_everywhere(found)
    assert not is_everywhere(propose_stand_ins("x", OLD, put(OLD, -999.0))[0])


def test_flags_have_nulls_only() -> None:
    flags = pl.Series("x", [True, False] * 300)
    (found,) = propose_stand_ins("x", flags, put(flags, None, 1))
    assert is_everywhere(found)
