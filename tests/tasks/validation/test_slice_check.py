"""Slices in the gate: none is worse, or those that are, each by how much."""

import polars as pl
from scored import definition_of, make_rows

from tasks.core.checks import Check
from tasks.evaluation.slices import SLICE
from tasks.validation.champion_comparison import compare_slices, pair_predictions
from tasks.validation.slice_check import judge_slices


def test_slice_that_lost_more_than_it_may_is_named_with_by_how_much() -> None:
    definition, rows = definition_of(), make_rows()
    fair = judge_slices(definition, pair_predictions(definition, rows, rows["predicted"]))
    assert fair == Check(
        name="slices",
        passed=True,
        detail="none of 3 slices is surely worse",
        numbers={"slices": 3, "worse": 0, "lowest": fair.numbers["lowest"], "by": 0.0},
    )
    odd = pl.col(f"{SLICE}half") == "odd"
    wronged = rows.with_columns(predicted=pl.when(odd).then(0.9).otherwise("predicted"))
    pair = pair_predictions(definition, wronged, rows["predicted"])
    found, gains = judge_slices(definition, pair), compare_slices(definition, pair)
    assert not found.passed
    assert found.numbers["lowest"] == "half = odd"
    assert found.numbers["by"] == gains["half = odd"][0].value
    assert found.numbers["worse"] == 2
    by, many = (-gains[name][0].value for name in ("half = odd", "few = many"))
    assert found.detail == (
        "of 3 slices, log_loss is surely worse on "
        f"half = odd (by {by:.4f}), few = many (by {many:.4f})"
    )


def test_of_many_slices_the_worst_three_are_named_and_values_lose_squared_error() -> None:
    rows = make_rows().with_columns(
        (pl.int_range(pl.len()) % 5).cast(pl.String).alias(f"{SLICE}fifth")
    )
    spoiled = rows.with_columns(predicted=pl.col("predicted") + 3)
    definition = definition_of("regression")
    found = judge_slices(definition, pair_predictions(definition, spoiled, rows["predicted"]))
    assert found.numbers["worse"] == found.numbers["slices"] == 8
    assert found.detail.startswith("of 8 slices, squared error is surely worse on ")
    assert found.detail.count(" (by ") == 3
    assert found.detail.endswith(") and 5 more")
    three = rows.drop(f"{SLICE}fifth").with_columns(predicted=pl.col("predicted") + 3)
    few = judge_slices(definition, pair_predictions(definition, three, rows["predicted"]))
    assert "more" not in few.detail


def test_without_a_slice_none_is_worse() -> None:
    rows = make_rows().drop(f"{SLICE}half", f"{SLICE}few")
    definition = definition_of()
    found = judge_slices(definition, pair_predictions(definition, rows, rows["simple"]))
    assert found.numbers == {"slices": 0, "worse": 0, "lowest": "", "by": 0.0}
    assert found.detail == "no slice is named, or has rows enough to be judged"
