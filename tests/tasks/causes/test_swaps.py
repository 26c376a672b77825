"""Swapped columns are found by values that are each other's."""

import numpy as np
import polars as pl

from tasks.causes.swaps import propose_swaps

RNG = np.random.default_rng(7)
USUAL = pl.DataFrame(
    {
        "x": RNG.normal(10, 2, 2_000),
        "y": RNG.normal(50, 5, 2_000),
        "z": RNG.normal(90, 5, 2_000),
        "a": RNG.choice(["p", "q"], 2_000),
        "b": RNG.choice(["r", "s", "t"], 2_000),
        "empty": pl.Series([None] * 2_000, dtype=pl.Float64),
    }
)
NAMES = USUAL.columns


def found(name: str, struck: pl.DataFrame) -> list[tuple[str, ...]]:
    return [each.columns for each in propose_swaps(name, NAMES, USUAL, struck)]


def test_swapped_numbers_and_texts_are_found() -> None:
    assert found("x", USUAL.rename({"x": "y", "y": "x"})) == [("x", "y")]
    assert found("b", USUAL.rename({"a": "b", "b": "a"})) == [("b", "a")]


def test_one_that_moved_is_not_swapped() -> None:
    assert found("x", USUAL.with_columns(x=pl.col("y"))) == []
