"""JSON is decoded to the columns of a model, each given once."""

import msgspec
import polars as pl
import pytest

from bentos.columns import Column, json_type
from bentos.errors import RequestRefused
from bentos.json_decoders import check_names_once, explain_json_error, make_decoders

COLUMNS = (
    Column(name="a b", dtype=pl.Int64()),
    Column(name="c", dtype=pl.String(), required=False),
)


def test_a_row_rows_and_columns_are_decoded_in_the_order_of_the_columns() -> None:
    row, rows, table = make_decoders(COLUMNS, json_type)
    astuple = msgspec.structs.astuple
    assert astuple(row.decode(b'{"c": "x", "a b": 1}')) == (1, "x")
    assert [astuple(each) for each in rows.decode(b'[{"a b": null}]')] == [(None, msgspec.UNSET)]
    assert astuple(table.decode(b'{"columns": {"a b": [1, 2]}}').columns)[0] == [1, 2]
    with pytest.raises(msgspec.ValidationError, match="unknown field `d`"):
        row.decode(b'{"a b": 1, "d": 2}')


def test_a_name_that_is_given_twice_is_refused_however_it_is_written() -> None:
    check_names_once(b'{"a": 1}', 2)
    check_names_once(b'{"a": "\\""}', 2)
    for twice in (b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 2}'):
        with pytest.raises(RequestRefused, match="is given twice") as refused:
            check_names_once(twice, 2)
        assert refused.value.field == "a"


TYPED = (Column(name="a", dtype=pl.Int64()), Column(name="t", dtype=pl.String()))
DECODERS = make_decoders(TYPED, json_type)


@pytest.mark.parametrize(
    ("shape", "body", "field", "said"),
    [
        (0, b'{"a": true, "t": ""}', "a", "a must be a whole number; this is true or false"),
        (1, b'[{"a": 1, "t": ""}, {"a": 1, "t": 2}]', "t", "t must be text; this is a number"),
        (
            2,
            b'{"columns": {"a": [1, "x"], "t": []}}',
            "a",
            "a must be a whole number; this is text",
        ),
        (0, b'{"a": 1}', "t", "t is missing; give text, or null where it is not known"),
        (0, b'{"a": 1, "t": "", "x` - at `$": 1}', "x` - at `$", "is no column of this model"),
        (0, b'{"a": 1, "t": oh}', "t", "the body is no JSON"),
        (0, b'{"a": 1, "t": "\xff"}', "t", "the body is not UTF-8"),
    ],
)
def test_the_field_is_named_in_every_shape(shape: int, body: bytes, field: str, said: str) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as refused:
        DECODERS[shape].decode(body)
    told = explain_json_error(refused.value, body, TYPED)
    assert (told.status, told.field) == (400, field)
    assert said in told.message
