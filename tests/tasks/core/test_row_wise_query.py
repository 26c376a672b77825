"""Queries that work row by row, and those that may not."""

import pytest

from tasks.core.row_wise_query import first_table, only_table


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM orders",
        "SELECT CAST(a AS BIGINT) AS a, 'GROUP BY' AS word FROM orders WHERE b IN (1, 2) -- limit",
        "SELECT o.*, c.name FROM orders o LEFT JOIN customers c ON o.id = c.id",
    ],
)
def test_row_wise_query_names_its_table(query: str) -> None:
    assert first_table(query) == "orders"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT SUM(a) FROM orders",
        "SELECT DISTINCT a FROM orders",
        "SELECT a FROM orders ORDER BY a LIMIT 3",
        "SELECT a, ROW_NUMBER() OVER () FROM orders",
        "SELECT a FROM orders, customers",
        "SELECT a FROM orders JOIN orders o ON o.a = orders.a",
        "SELECT a FROM (SELECT a FROM orders)",
        "SELECT made_up(a) FROM orders",
    ],
)
def test_query_that_may_look_at_other_rows_names_none(query: str) -> None:
    assert first_table(query) == ""


def test_only_table_has_no_other_beside_it() -> None:
    assert only_table('SELECT a + 1 AS a FROM "orders"') == "orders"
    assert only_table("SELECT * FROM orders LEFT JOIN customers ON a = b") == ""
