"""Slices as text, whatever they are made of."""

import polars as pl

from tasks.evaluation.slices import SLICE, slice_columns


def test_slices_are_text_and_a_missing_value_is_one_of_them() -> None:
    rows = pl.DataFrame({"k": [1, None], "c": ["a", "b"]})
    found = rows.select(slice_columns({"k": "k", "is a": "c = 'a'"}, rows.schema, "made.toml"))
    assert found.to_dict(as_series=False) == {
        f"{SLICE}k": ["1", "(missing)"],
        f"{SLICE}is a": ["true", "false"],
    }
