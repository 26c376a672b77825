"""Bounds are held by proof: the whole interval, on all rows and on each slice by itself."""

import polars as pl
import pytest
from scored import definition_of, make_rows
from sklearn.metrics import recall_score, roc_auc_score

from tasks.core.checks import Check
from tasks.core.columns import TARGET
from tasks.evaluation.slices import SLICE
from tasks.validation.bounds import judge_bounds
from tasks.validation.champion_comparison import pair_predictions
from tasks.validation.gate import judge


def judge_one(gate: str, rows: pl.DataFrame | None = None) -> Check:
    rows = make_rows() if rows is None else rows
    definition = definition_of(gate=gate)
    (check,) = judge_bounds(definition, pair_predictions(definition, rows, rows["baseline"]))
    return check


def test_bound_is_passed_where_the_whole_interval_is_on_its_side() -> None:
    rows = make_rows()
    auc = roc_auc_score(rows[TARGET].to_numpy(), rows["predicted"].to_numpy())
    found = judge_one("at_least = { auc = 0.6 }")
    low, high = (float(found.numbers[name] or 0) for name in ("from", "to"))
    assert (found.name, found.passed) == ("auc_at_least", True)
    assert found.numbers["measured"] == pytest.approx(auc)
    assert judge_one(f"at_least = {{ auc = {low} }}").passed
    refused = judge_one(f"at_least = {{ auc = {auc - 0.001} }}")
    assert not refused.passed
    assert refused.detail == (
        f"auc {auc:.4f} (interval {low:.4f} to {high:.4f}); "
        f"all of that must be at least {auc - 0.001:g}"
    )


def test_lower_is_better_is_bound_from_above() -> None:
    found = judge_one("at_most = { log_loss = 0.7 }")
    high, value = (float(found.numbers[name] or 0) for name in ("to", "measured"))
    assert found.passed
    assert judge_one(f"at_most = {{ log_loss = {high} }}").passed
    assert not judge_one(f"at_most = {{ log_loss = {value + 0.001} }}").passed


def test_each_slice_has_to_prove_it_and_those_that_do_not_are_named() -> None:
    rows = make_rows().with_columns(
        predicted=pl.when(pl.col(f"{SLICE}half") == "odd").then(0.1).otherwise("predicted")
    )
    found = judge_one("at_least_by_slice = { recall = 0.1 }", rows)
    odd = rows.filter(pl.col(f"{SLICE}half") == "odd")
    assert recall_score(odd[TARGET].to_numpy(), odd["predicted"].to_numpy() >= 0.5) == 0
    assert not found.passed
    assert found.numbers == {"slices": 3, "failed": 1, "lowest": "half = odd", "bound": 0.1}
    assert found.detail == (
        "recall must surely be at least 0.1, and is not on half = odd (0.0000 (interval 0.0000 to "
        "0.0000)); 1 with too few rows, or too few of a class, are not judged"
    )
    assert judge_one("at_least_by_slice = { recall = 0.1 }").passed


def test_without_a_slice_to_prove_it_on_nothing_is_proven() -> None:
    found = judge_one("at_most_by_slice = { brier = 0.9 }\nslice_rows = 1500".replace("\n", ", "))
    assert found.passed  # one slice is that large
    found = judge_one("at_most_by_slice = { brier = 0.9 }, slice_rows = 1900")
    assert (found.passed, found.detail[:43]) == (
        False,
        "no slice has rows enough to show that brier",
    )


def test_a_bound_refuses_in_the_gate_without_a_champion() -> None:
    verdict = judge(definition_of(gate="at_least = { precision = 0.99 }"), make_rows(), None)
    assert [each.name for each in verdict.checks if not each.passed] == ["precision_at_least"]
