"""What is spoiled of a candidate."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from any_model import make_folder
from tables import START, Project

from tasks.drill.gate_guards import drill_candidates, largest_slice, leak_target
from tasks.drill.testbed import CLEAN, prepare_testbed
from tasks.evaluation.slices import SLICE
from tasks.registry.versions import get_version
from tasks.storage.store import open_store


def test_what_has_no_time_or_slice_is_cut_in_halves() -> None:
    scored = pl.DataFrame({f"{SLICE}c": ["a", "b", "b"]})
    assert largest_slice(scored, [f"{SLICE}c"]).tolist() == [False, True, True]
    assert largest_slice(scored, []).tolist() == [True, False, True]


def test_leaking_candidate_has_a_feature_that_is_the_target(made: Project) -> None:
    plan, snapshot = made.extract()
    leaking = leak_target(plan, snapshot)
    assert leaking.features.expressions["leak"] == plan.definition.target.value == "y"
    assert set(leaking.features.expressions) - set(plan.features.expressions) == {"leak"}


def test_a_recalibrated_version_is_sound_as_it_was_recalibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(1)
    rows = pl.DataFrame({"id": range(6_000), "x": draw.normal(size=6_000)}).with_columns(
        t=START + pl.duration(hours=pl.col("id")),
        y=pl.Series(draw.normal(size=6_000)) + 1 < pl.col("x"),
    )
    weights = "params = { scale_pos_weight = 20.0, num_leaves = 15 }\nthreads = 1\nrounds = 40"
    loss = {"features": 'x = "x"', "gate": 'metric = "log_loss"'}
    made = make_folder(tmp_path, rows, training=weights, **loss)
    assert (made / "calibration.json").exists()
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)
    store = open_store()
    testbed = prepare_testbed(store, get_version(store, "made", made.name), tmp_path)
    sound = next(drill_candidates(testbed, tmp_path))
    assert (sound.fault, sound.guard, sound.detail) == (CLEAN, "", "")
