"""Columns are read from what was published, and held to what JSON can say."""

from datetime import datetime

import polars as pl
import pytest
from any_model import write

from bentos.columns import Column, json_type, parse_dtype
from bentos.json_schema import describe_value
from bentos.model import Model
from tasks.core.errors import StoreError


def test_key_may_be_given_without_the_time(classes: Model) -> None:
    extra = [each.name for each in classes.schema.columns if not each.required]
    assert extra == ["id", "t"]
    assert classes.schema.decode_row(write(id=7))[-2:] == (7, None)
    assert classes.schema.decode_row(write(t="2020-01-01T00:00:00"))[-2:] == (
        None,
        datetime(2020, 1, 1),
    )


def test_column_that_no_request_can_hold_is_refused() -> None:
    with pytest.raises(StoreError, match="of type List\\(Int64\\) cannot be sent in a request"):
        parse_dtype("List(Int64)")
    assert parse_dtype("Categorical") == pl.String
    assert parse_dtype("Null") == pl.Null
    assert json_type(pl.Null()) is None
    described = describe_value(Column(name="x", dtype=pl.Null()))
    assert described == {"type": "null", "description": "always missing"}
