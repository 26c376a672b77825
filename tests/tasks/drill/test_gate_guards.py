"""What is spoiled of a candidate."""

import polars as pl
from tables import Project

from tasks.drill.gate_guards import largest_slice, leak_target
from tasks.evaluation.slices import SLICE


def test_what_has_no_time_or_slice_is_cut_in_halves() -> None:
    scored = pl.DataFrame({f"{SLICE}c": ["a", "b", "b"]})
    assert largest_slice(scored, [f"{SLICE}c"]).tolist() == [False, True, True]
    assert largest_slice(scored, []).tolist() == [True, False, True]


def test_leaking_candidate_has_a_feature_that_is_the_target(made: Project) -> None:
    plan, snapshot = made.extract()
    leaking = leak_target(plan, snapshot)
    assert leaking.features.expressions["leak"] == plan.definition.target.value == "y"
    assert set(leaking.features.expressions) - set(plan.features.expressions) == {"leak"}
