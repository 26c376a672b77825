"""Values are put into their columns' types, or refused by the column's name."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
import pytest

from bentos.column_values import check_frame, make_frame, make_whole, take_list
from bentos.columns import Column
from bentos.errors import RequestRefused

WHOLE = Column(name="n", dtype=pl.Int64())
PRICE = Column(name="p", dtype=pl.Decimal(10, 2), required=False)


def test_a_frame_has_its_columns_types() -> None:
    frame = make_frame((WHOLE, PRICE), [[1, None], [0.1, 2.5]])
    assert frame.schema == {"n": pl.Int64(), "p": pl.Decimal(10, 2)}
    assert frame["p"].to_list() == [Decimal("0.10"), Decimal("2.50")]
    with pytest.raises(
        RequestRefused, match="must be a whole number; it holds a value that is not"
    ) as refused:
        make_frame((WHOLE,), [[2**63]])
    assert refused.value.field == "n"


def test_a_float_that_is_a_whole_number_becomes_one() -> None:
    assert make_whole([1.0, None, 2]) == [1, None, 2]
    with pytest.raises(msgspec.ValidationError):
        make_whole([1.5])
    assert take_list(WHOLE, [3.0, None]) == [3, None]


def test_a_frame_that_was_sent_needs_the_required_columns_and_no_other() -> None:
    frame = check_frame((WHOLE, PRICE), pl.DataFrame({"n": [1.0, 2.0]}))
    assert frame.to_dict(as_series=False) == {"n": [1, 2], "p": [None, None]}
    for sent, said in (({"p": [1.0]}, "is missing"), ({"n": [1], "q": [1]}, "is no column")):
        with pytest.raises(RequestRefused, match=said):
            check_frame((WHOLE, PRICE), pl.DataFrame(sent))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments_are_those_that_polars_makes_of_them(unit: Any, zone: str | None) -> None:
    abroad = timezone(timedelta(hours=-5)) if zone else None
    moments = [
        None,
        datetime(1905, 2, 3, 4, 5, 6, 789_000, tzinfo=abroad),
        datetime(2013, 7, 1, 23, 59, 59, 999_000, tzinfo=UTC if zone else None),
    ]
    column = Column(name="at", dtype=pl.Datetime(unit, zone))
    expected = pl.Series("at", moments, dtype=column.dtype)
    assert make_frame([column], [moments])["at"].equals(expected, check_dtypes=True)
