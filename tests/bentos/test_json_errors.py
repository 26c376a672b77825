"""A decoder's complaint becomes a message that names the field."""

import msgspec
import polars as pl
import pytest

from bentos.columns import Column, json_type
from bentos.json_decoders import make_decoders
from bentos.json_errors import explain_json_error

COLUMNS = (Column(name="a", dtype=pl.Int64()), Column(name="t", dtype=pl.String()))
DECODERS = make_decoders(COLUMNS, json_type)


@pytest.mark.parametrize(
    ("shape", "body", "field", "said"),
    [
        (0, b'{"a": true, "t": ""}', "a", "Expected int | null, got bool"),
        (1, b'[{"a": 1, "t": ""}, {"a": 1, "t": 2}]', "t", "Expected str | null, got int"),
        (2, b'{"columns": {"a": [1, "x"], "t": []}}', "a", "Expected int | null, got str"),
        (0, b'{"a": 1}', "t", "Object missing required field t"),
        (0, b'{"a": 1, "t": "", "x` - at `$": 1}', "x` - at `$", "contains unknown field"),
        (0, b'{"a": 1, "t": oh}', "t", "JSON is malformed"),
        (0, b'{"a": 1, "t": "\xff"}', "t", "the body is not UTF-8"),
    ],
)
def test_the_field_is_named_in_every_shape(shape: int, body: bytes, field: str, said: str) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as refused:
        DECODERS[shape].decode(body)
    told = explain_json_error(refused.value, body)
    assert (told.status, told.field) == (400, field)
    assert said in told.message
