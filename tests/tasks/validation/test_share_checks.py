"""Quantiles that surely promise what is not kept are refused, on the whole or in a slice."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from quantiles import prepare_quantiles
from tables import Project

from tasks.core.definition import Definition
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.slices import SLICE
from tasks.training.train import train_models
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import judge
from tasks.validation.share_checks import judge_shares

Judged = tuple[Definition, pl.DataFrame]


@pytest.fixture
def judged(made: Project, tmp_path: Path) -> Judged:
    plan, snapshot, prepared = prepare_quantiles(made)
    trained = train_models(plan, prepared, tmp_path)
    evaluation, scored = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    assert [each.slice for each in evaluation.quantiles[::3]] == ["", "c", "c"]
    assert type(evaluation).model_validate_json(evaluation.model_dump_json()) == evaluation
    return plan.definition, scored.read()


def move(scored: pl.DataFrame, by: np.ndarray) -> pl.DataFrame:
    moved = scored["predicted"].to_numpy() + by
    return scored.with_columns(pl.Series("predicted", moved))


def test_real_quantiles_pass_and_narrow_ones_are_refused(judged: Judged) -> None:
    definition, scored = judged
    told = {each.name: each for each in judge(definition, scored, None).checks}
    assert list(told) == [
        "holdout_rows", "beats_baseline", "beats_simple_model", "quantiles", "quantiles_of_slices"
    ]  # fmt: skip
    assert all(each.passed for each in told.values()), told
    whole, slices = judge_shares(definition, move(scored, np.array([1.5, 0, -1.5])))
    assert not whole.passed
    assert "surely off its level by more than 0.05" in whole.detail
    assert "[gate] coverage_margin" in whole.detail
    assert not slices.passed
    assert "c = narrow" in str(slices.numbers["farthest"])


def test_slice_whose_rows_are_misjudged_is_named(judged: Judged) -> None:
    definition, scored = judged
    wide = (scored[f"{SLICE}c"] == "wide").to_numpy()
    moved = move(scored, np.where(wide, 2.0, -0.2)[:, None])
    _, slices = judge_shares(definition, moved)
    assert not slices.passed
    assert "c = wide" in slices.detail


def test_champion_is_met_by_pinball_loss_and_coverage_error(judged: Judged) -> None:
    definition, scored = judged
    same = ChampionPredictions(
        version="v1",
        inside=np.ones(len(scored), dtype=bool),
        predicted=scored["predicted"].to_numpy(),
    )
    told = {each.name: each for each in judge(definition, scored, same).checks}
    assert told["not_worse_than_champion"].passed
    assert told["not_worse_than_champion"].detail.startswith("pinball_loss")
    assert told["second_metric"].detail.startswith("coverage_error")
    assert "calibration" not in told
    worse = {
        each.name: each for each in judge(definition, move(scored, np.array(2.0)), same).checks
    }
    assert not worse["not_worse_than_champion"].passed
    assert not worse["second_metric"].passed
    assert not worse["slices"].passed
