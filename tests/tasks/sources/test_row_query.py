"""What the query does to a source's rows is done to later rows, each in its place."""

import polars as pl
import pytest
from tables import define

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DataRefused
from tasks.sources.row_query import RowQuery, apply_row_query, find_source, plan_row_query

SCHEMAS = {"s": {"id": "Int64", "price": "String", "note": "String"}}
CONVERTED = "SELECT * REPLACE (CAST(REPLACE(price, ',', '.') AS DOUBLE) AS price) FROM s"


def made(query: str | None) -> Definition:
    extract = "" if query is None else f'query = """{query}"""'
    return parse_definition(define(extract=extract), "made.toml")


def plan(query: str, *needed: str) -> RowQuery | None:
    return plan_row_query(made(query), SCHEMAS, needed, lambda _: needed, lambda *_: True)


def test_only_columns_that_the_result_is_made_of_are_taken() -> None:
    found = plan(CONVERTED, "price")
    assert found is not None
    assert (found.source, found.gives) == ("s", ("price",))
    assert (set(found.takes), set(found.others)) == ({"price"}, {"id", "note"})


def test_query_is_applied_and_a_number_as_it_stands_is_refused() -> None:
    found = plan(CONVERTED, "price", "id")
    assert found is not None
    rows = pl.DataFrame({"id": [1, 2], "price": ["1,5", "2"]})
    given = apply_row_query(found, rows, "new.csv")
    assert given.to_dict(as_series=False) == {"price": [1.5, 2.0], "id": [1, 2]}
    grouped = plan("SELECT CAST(REPLACE(price, '.', '') AS DOUBLE) AS price FROM s", "price")
    assert grouped is not None
    with pytest.raises(DataRefused, match=r"holds '1.5', which is a number as it stands"):
        apply_row_query(grouped, pl.DataFrame({"price": ["1.5"]}), "new.csv")


def test_query_that_leaves_rows_out_is_refused_and_one_that_joins_has_no_source() -> None:
    found = plan("SELECT * FROM s WHERE id > 1", "id")
    assert found is not None
    with pytest.raises(DataRefused, match="leaves out 1 of 2 rows"):
        apply_row_query(found, pl.DataFrame({"id": [1, 2]}), "new.csv")
    assert find_source(made("SELECT * FROM s JOIN s AS b ON s.id = b.id")) is None
    assert find_source(made(None)) == "s"
    assert plan_row_query(made(None), SCHEMAS, [], lambda _: [], lambda *_: True) is None
