"""Columns converted to a model's types: nothing is lost, or the first row at fault is named."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from tasks.core.errors import StoreError
from tasks.core.type_coercion import (
    CoercionError,
    exact_range,
    is_kin,
    parse_dtype,
    take_objects,
    take_values,
)


@pytest.mark.parametrize(
    ("given", "wanted", "taken"),
    [
        (pl.Series([1.0, None]), pl.Int8(), [1, None]),
        (pl.Series([float("nan")]), pl.Int64(), [None]),
        (pl.Series([1, 2]), pl.Float32(), [1.0, 2.0]),
        (pl.Series([datetime(2024, 1, 1)]), pl.Date(), [date(2024, 1, 1)]),
        (pl.Series(["PT1H"]), pl.Duration("us"), [timedelta(hours=1)]),
    ],
)
def test_values_that_fit_are_taken(
    given: pl.Series, wanted: pl.DataType, taken: list[object]
) -> None:
    assert take_values(given, wanted).to_list() == taken


@pytest.mark.parametrize(
    ("given", "wanted", "row"),
    [
        (pl.Series([1.0, 1.5]), pl.Int8(), 1),
        (pl.Series([300]), pl.Int8(), 0),
        (pl.Series([0, 2**53 + 1]), pl.Float64(), 1),
        (pl.Series([datetime(2024, 1, 1, 6)]), pl.Date(), 0),
        (pl.Series(["2024-01-01", "soon"]), pl.Date(), 1),
    ],
)
def test_value_that_would_change_is_refused_by_its_row(
    given: pl.Series, wanted: pl.DataType, row: int
) -> None:
    with pytest.raises(CoercionError, match="as in training cannot") as refusal:
        take_values(given, wanted)
    assert refusal.value.row == row


def test_text_is_a_number_only_where_text_may_be_anything() -> None:
    text = pl.Series([" 7 ", "7.0"])
    assert take_values(text, pl.Int64(), written=True).to_list() == [7, 7]
    with pytest.raises(CoercionError, match="must be Int64 as in training"):
        take_values(text, pl.Int64())


def test_json_values_of_several_kinds_are_taken_each_alone() -> None:
    assert take_objects("x", [1, 2.5, None], pl.Float64()).to_list() == [1.0, 2.5, None]
    with pytest.raises(CoercionError, match="holds a list or an object"):
        take_objects("x", [[1]], pl.Float64())


@pytest.mark.parametrize("number", [2**63, 2**127, -(2**127) - 1, 2**128, 10**4_000])
@pytest.mark.parametrize("others", [[], [1], [-1], [2.5]])
def test_a_number_of_any_length_is_refused_by_name(number: int, others: list[float]) -> None:
    with pytest.raises(CoercionError, match=r"Int64 as in training|cannot"):
        take_objects("x", [*others, number], pl.Int64())


def test_types_are_parsed_as_polars_prints_them() -> None:
    for dtype in (pl.Int8(), pl.Datetime("ms", "UTC"), pl.Decimal(10, 2), pl.Date()):
        assert (
            parse_dtype(str(dtype) if not isinstance(dtype, pl.Datetime) else repr(dtype)) == dtype
        )
    assert parse_dtype("Enum(categories=['a'])") == pl.String
    with pytest.raises(StoreError, match="cannot be sent in a request"):
        parse_dtype("List(Int64)")


def test_kinship_and_range_go_by_the_type_alone() -> None:
    assert is_kin(pl.Float64(), pl.Int8())
    assert not is_kin(pl.Boolean(), pl.Int8())
    assert (exact_range(pl.Float32()), exact_range(pl.Float64())) == (2**24, 2**53)
