"""Rows of few kinds are told from rows that differ, and from a file that was loaded twice."""

import numpy as np
import polars as pl
import pytest
from tables import define

from tasks.analysis.alike_rows import count_kinds, explain_kinds, hint_at_kinds
from tasks.core.definition import parse_definition

CHANCE = np.random.default_rng(1)
COARSE = pl.DataFrame(
    {
        "c": CHANCE.integers(0, 4, 300),
        "k": CHANCE.integers(0, 3, 300),
        "y": CHANCE.random(300) > 0.5,
    }
)
FINE = COARSE.with_columns(x=CHANCE.random(300))


@pytest.mark.parametrize(
    ("rows", "coarse"),
    [
        pytest.param(COARSE, True, id="few kinds"),
        pytest.param(FINE, False, id="each its own"),
        pytest.param(pl.concat([FINE, FINE, FINE]), False, id="loaded three times"),
        pytest.param(COARSE.with_columns(y=pl.col("c") > 1), False, id="a kind tells its target"),
        pytest.param(COARSE.select("y"), False, id="the target alone"),
        pytest.param(COARSE.clear(), False, id="no rows"),
    ],
)
def test_rows_of_few_kinds_contradict_each_other(rows: pl.DataFrame, coarse: bool) -> None:
    assert count_kinds(rows.lazy(), ["y"]).is_coarse is coarse


def test_a_hint_says_how_many_kinds_and_what_to_do() -> None:
    definition = parse_definition(define(extract=""), "made.toml")
    hint = hint_at_kinds(definition, COARSE.lazy())
    assert hint.startswith("300 rows are of 12 kinds, alike in all but 'y', and without a key")
    assert "ROW_NUMBER() OVER () AS row_number in [extract] query" in hint
    assert hint_at_kinds(definition, FINE.lazy()) == ""


def test_of_a_large_table_the_first_rows_are_looked_at() -> None:
    found = count_kinds(pl.concat([COARSE.lazy()] * 1_000), ["y"])
    assert explain_kinds(found, "y") == (
        "the first 200,000 rows are of 12 kinds, alike in all but y"
    )
