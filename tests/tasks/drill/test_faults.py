"""Faults strike what they can, and leave alone what cannot have them."""

import numpy as np
import polars as pl
import pytest

from tasks.drill.faults import CANDIDATE_FAULTS, DATA_FAULTS, Columns

ROWS = pl.DataFrame({"x": [1.0, 2.0] * 50, "k": range(100), "c": ["a", "b"] * 50, "t": [0] * 100})
BARE = Columns(numbers=(), texts=(), time=None, key=())


def test_rows_without_numbers_texts_or_a_time_have_few_faults() -> None:
    struck = {each.name for each in DATA_FAULTS if each.strike(ROWS, BARE) is not None}
    needs_columns = {"swapped columns", "unit change ×100", "null flood", "renamed category"}
    assert struck
    assert not struck & needs_columns


def test_time_that_is_no_moment_is_not_shifted() -> None:
    days = Columns(numbers=("x", "k"), texts=("c",), time="t", key=())
    skipped = [each.name for each in DATA_FAULTS if each.strike(ROWS, days) is None]
    assert len(skipped) == 1
    assert "clock" in skipped[0]


def test_values_are_exaggerated_as_probabilities_are() -> None:
    (exaggerate,) = [each for each in CANDIDATE_FAULTS if each.name == "miscalibrated candidate"]
    nowhere = np.zeros(2, dtype=bool)
    assert exaggerate.strike(np.array([3.0, -1.0]), nowhere).tolist() == [6.0, -2.0]
    assert exaggerate.strike(np.array([0.25, 1.0]), nowhere).tolist() == [0.5, 1.0]
    classes = exaggerate.strike(np.array([[0.25, 0.75]]), nowhere[:1])
    assert classes.sum() == pytest.approx(1)
