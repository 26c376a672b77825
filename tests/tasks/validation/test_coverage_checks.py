"""Intervals that surely hold too few rows are refused, on the whole or in a slice."""

from pathlib import Path

import polars as pl
import pytest
from scored import definition_of, make_rows
from tables import Project
from uncertain import prepare_uncertain

from tasks.core.columns import HIGH, LOW
from tasks.core.definition import parse_definition
from tasks.evaluation.evaluate import SLICE, evaluate_models
from tasks.training.train import train_models
from tasks.validation.coverage_checks import judge_coverage
from tasks.validation.gate import judge
from tasks.validation.slice_check import NO_SLICES


@pytest.fixture
def scored(made: Project, tmp_path: Path) -> pl.DataFrame:
    plan, snapshot, prepared = prepare_uncertain(made)
    trained = train_models(plan, prepared, tmp_path)
    evaluation, scored = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    assert [each.slice for each in evaluation.coverage] == ["", "c", "c"]
    assert evaluation.coverage[1].width < evaluation.coverage[2].width
    assert type(evaluation).model_validate_json(evaluation.model_dump_json()) == evaluation
    return scored.read()


DEFINITION = parse_definition(
    "name = 'm'\nsources.s = 's.parquet'\ntarget = { value = 'y', kind = 'regression' }\n"
    "serving.interval = 0.9",
    "m.toml",
)


def test_real_intervals_pass_and_narrow_ones_are_refused(scored: pl.DataFrame) -> None:
    told = {each.name: each for each in judge(DEFINITION, scored, None).checks}
    assert told["coverage"].passed, told["coverage"].detail
    assert told["coverage_of_slices"].passed, told["coverage_of_slices"].detail
    middle, half = (pl.col(LOW) + pl.col(HIGH)) / 2, (pl.col(HIGH) - pl.col(LOW)) * 0.35
    narrow = scored.with_columns((middle - half).alias(LOW), (middle + half).alias(HIGH))
    whole, slices = judge_coverage(DEFINITION, narrow)
    assert (whole.passed, slices.passed) == (False, False)
    assert "90% were asked for" in whole.detail
    assert slices.detail.startswith("of 2 slices, too few rows lie in their interval in c = ")
    margin = parse_definition(
        "name = 'm'\nsources.s = 's.parquet'\ntarget = { value = 'y', kind = 'regression' }\n"
        "serving.interval = 0.9\ngate.coverage_margin = 0.5",
        "m.toml",
    )
    assert all(each.passed for each in judge_coverage(margin, narrow))


def test_what_is_in_the_targets_unit_is_said_in_it(scored: pl.DataFrame) -> None:
    target = DEFINITION.target.model_copy(update={"unit": "minutes"})
    gate = DEFINITION.gate.model_copy(update={"at_most": {"rmse": 99.0}})
    named = DEFINITION.model_copy(update={"target": target, "gate": gate})
    told = {each.name: each.detail for each in judge(named, scored, None).checks}
    assert " minutes; refused if" in told["coverage"]
    assert told["beats_baseline"].startswith("rmse (minutes) ")
    assert told["rmse_at_most"].startswith("rmse (minutes) ")
    assert (
        told["coverage"].replace(" minutes", "")
        == judge(DEFINITION, scored, None).checks[-2].detail
    )


def test_without_a_slice_nothing_is_said_to_hold_enough(scored: pl.DataFrame) -> None:
    _, slices = judge_coverage(DEFINITION, scored.drop(f"{SLICE}c"))
    assert (slices.passed, slices.detail) == (True, NO_SLICES)


def test_slice_whose_rows_are_missed_is_named(scored: pl.DataFrame) -> None:
    missed = pl.when(pl.col(f"{SLICE}c") == "narrow").then(pl.col(LOW)).otherwise(pl.col(HIGH))
    _, slices = judge_coverage(DEFINITION, scored.with_columns(missed.alias(HIGH)))
    assert not slices.passed
    assert slices.numbers["lowest"] == "c = narrow"


def test_nothing_is_judged_where_no_interval_is_asked_for() -> None:
    assert list(judge_coverage(definition_of(), make_rows())) == []
