"""Each type that a request can hold has words that a person understands."""

import polars as pl
import pytest

from bentos.columns import Column
from bentos.plain_words import describe_column, name_kind, name_type, show_value


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        (pl.Int8(), "a whole number from -128 to 127"),
        (pl.Int64(), "a whole number"),
        (pl.UInt64(), "a whole number, not below 0"),
        (pl.Float32(), "a number"),
        (pl.Null(), "null, as training saw no value of it"),
        (pl.Decimal(10, 2), "a number with at most 2 decimals"),
        (pl.String(), "text"),
        (pl.Boolean(), "true or false"),
        (pl.Date(), "a date, as 2013-07-31"),
        (pl.Time(), "a time of day, as 18:30:00"),
        (pl.Duration("us"), "a length of time, as PT90M"),
        (pl.Datetime("us"), "a date and time without a zone, as 2013-07-31T18:30:00"),
        (pl.Datetime("ms", "UTC"), "a date and time with its zone, as 2013-07-31T18:30:00Z"),
    ],
)
def test_a_type_is_told_in_plain_words(dtype: pl.DataType, words: str) -> None:
    assert name_type(dtype) == words
    told = describe_column(Column(name="x", dtype=dtype))
    always = "always missing" if dtype == pl.Null else f"{words.removeprefix('a ')}, may be missing"
    assert told == always


def test_values_and_their_kinds_are_told() -> None:
    assert [name_kind(each) for each in ("str", "object")] == ["text", "an object"]
    assert [show_value(each) for each in (True, 1.5, "a")] == ["true", "1.5", "the text 'a'"]
    assert len(show_value("a" * 1_000)) < 100
