"""A search for parameters: repeatable, resumable, blind to the holdout, and told in lineage."""

import os
import pickle
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import ROWS, Project

from flows.retrain import find_done, plan_retrain, retrain
from tasks.core.columns import GROUP, ROLE, TARGET, TIME
from tasks.core.errors import DataRefused, DefinitionError
from tasks.extraction.run_plan import Plan
from tasks.extraction.task import extract
from tasks.maintenance.reproduce import reproduce_version
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.task import prepare
from tasks.registry.versions import find_version, read_file, read_json
from tasks.storage.store import open_store
from tasks.training import tuning
from tasks.training.lightgbm_params import model_parameters
from tasks.training.optuna_search import Trial
from tasks.training.tuning import Search, best_trial, cut_slices, search_parameters

MODEL = "flight-delay"
TRIALS = 5
KILLED = """
import pickle
from pathlib import Path
from tasks.training.tuning import search_parameters
search_parameters(*pickle.loads(Path("steps.pickle").read_bytes()), Path("kept.json"))
"""


@pytest.fixture(scope="module")
def steps(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Prepared]:
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        plan = plan_retrain(str(few_flights / "deployments" / "flight_delay.toml"), None, TRIALS)
        return plan, prepare.fn(plan, extract.fn(plan, folder), folder)


@pytest.fixture(scope="module")
def trials(steps: tuple[Plan, Prepared], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return search_parameters(*steps, tmp_path_factory.mktemp("search") / "kept.json")


def test_search_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(
    steps: tuple[Plan, Prepared], trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    plan, prepared = steps
    (tmp_path / "steps.pickle").write_bytes(pickle.dumps(steps))
    kept = tmp_path / "kept.json"
    run = subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not kept.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    done = Search.model_validate_json(kept.read_bytes()).trials
    assert 1 <= len(done) < TRIALS
    assert search_parameters(plan, prepared, kept) == trials


def test_first_trial_is_the_definition_and_the_rest_are_others(trials: tuple[Trial, ...]) -> None:
    assert len(trials) == TRIALS
    assert trials[0].params == {}
    assert len({str(each.params) for each in trials}) == TRIALS
    assert not trials[best_trial(trials)].pruned


def test_more_trials_begin_with_the_same_ones(
    steps: tuple[Plan, Prepared], trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    plan, prepared = steps
    fewer = plan.model_copy(update={"tune": 2})
    assert search_parameters(fewer, prepared, tmp_path / "kept.json") == trials[:2]


def test_holdout_and_what_had_no_label_before_it_have_no_say(
    steps: tuple[Plan, Prepared], trials: tuple[Trial, ...], tmp_path: Path
) -> None:
    plan, prepared = steps
    path, later = tmp_path / "flipped.arrow", pl.col(ROLE) >= SplitRole.GAP
    flipped = pl.when(later).then(1 - pl.col(TARGET)).otherwise(TARGET)
    pl.read_ipc(prepared.path).with_columns(flipped.alias(TARGET)).write_ipc(path)
    blind = prepared.model_copy(update={"path": path})
    assert search_parameters(plan, blind, tmp_path / "kept.json") == trials


def test_each_slice_is_judged_by_rows_whose_labels_were_known_before(
    steps: tuple[Plan, Prepared],
) -> None:
    plan, prepared = steps
    times = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(TIME).collect()[TIME]
    slices = cut_slices(plan, prepared, {**model_parameters(plan.definition, 0)})
    assert len(slices) == 3
    for older, judged in slices:
        gap = times[list(judged.used_indices)].min() - times[list(older.used_indices)].max()
        assert gap > timedelta(days=1) - timedelta(microseconds=1)


def test_best_trial_is_the_first_of_equals_and_never_a_pruned_one() -> None:
    losses = [(0.5, 0.5), (0.4, 0.4), (0.3,), (0.4, 0.4)]
    trials = [Trial(params={}, losses=each, pruned=len(each) == 1) for each in losses]
    assert best_trial(trials) == 1


def test_rows_without_a_time_are_judged_by_others_at_random(made: Project) -> None:
    frame = pl.DataFrame({"x": range(600), "y": [each % 3 for each in range(600)]})
    sections = {"extract": 'key = ["x"]', "features": 'x = "x"'}
    target = 'value = "y = 0"\nkind = "binary"'
    plan, prepared = made.prepare(frame, target=target, **sections)
    assert len(cut_slices(plan, prepared, model_parameters(plan.definition, 0))) == 3


def test_tuned_version_is_told_and_made_again_byte_for_byte(
    project: Path, prefect_harness: None, tmp_path: Path
) -> None:
    made, store = retrain(MODEL, tune=3), open_store()
    published = find_version(store, MODEL, made["version"])
    assert published is not None
    lineage = read_json(store, published, "lineage.json")
    told = lineage["tuning"]
    assert len(told["trials"]) == 3
    taken = told["trials"][told["taken"]]["params"]
    assert taken.items() <= lineage["parameters"].items()
    assert (told["gain"] is not None) == (told["taken"] > 0)
    report = read_file(store, published, "report.md").decode()
    assert ("tuned against the definition's own" if told["taken"] else "nothing better") in (
        report.lower().replace("\\", "")
    )
    assert lineage["packages"]["optuna"]
    assert b"Tuning" in read_file(store, published, "report.html")
    assert plan_retrain(MODEL, None).version != made["version"]
    assert find_done(MODEL, tune=3) is not None
    again = tmp_path / "again"
    again.mkdir()
    found = reproduce_version(store, published, again, project)
    assert (found.reproduced, found.causes) == (True, ())


@pytest.mark.parametrize("count", [-1, 5000])
def test_odd_number_of_trials_is_refused(project: Path, count: int) -> None:
    with pytest.raises(DefinitionError, match=r"--tune .*: must be a number of trials"):
        plan_retrain(MODEL, None, count)


def test_window_that_is_too_short_to_be_cut_is_refused(
    steps: tuple[Plan, Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, prepared = steps
    monkeypatch.setattr(tuning, "_SLICE_ROWS", 1_000_000)
    with pytest.raises(DataRefused, match="too short to be cut into slices of 1000000 rows"):
        cut_slices(plan, prepared, model_parameters(plan.definition, 0))


def test_hopeless_trial_is_given_up_and_rounds_may_be_fixed(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    changed = plan.definition.training.model_copy(update={"early_stopping": 0, "rounds": 3})
    fixed = plan.definition.model_copy(update={"training": changed})
    plan = plan.model_copy(update={"definition": fixed})
    params = model_parameters(fixed, 0)
    slices = cut_slices(plan, prepared, params)
    perfect = [Trial(params={}, losses=(0.0,) * len(slices))] * 20
    given_up = tuning._try_next(plan, params, slices, perfect)
    assert given_up.pruned
    assert len(given_up.losses) < len(slices)


@pytest.mark.parametrize("extract", ['time = "t"', 'key = ["id"]'])
def test_no_group_is_on_both_sides_of_a_slice(made: Project, extract: str) -> None:
    rows = pl.concat([ROWS.with_columns(id=pl.col("id") + 400 * copy) for copy in range(9)])
    training = 'group = "g"\nholdout = 0.3'
    plan, prepared = made.prepare(
        rows.with_columns(g=pl.col("id") % 97), extract=extract, training=training
    )
    group = prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()[GROUP].to_numpy()
    slices = cut_slices(plan, prepared, model_parameters(plan.definition, 0))
    assert len(slices) == 3
    for sides in slices:
        older, judged = (set(group[each.used_indices]) for each in sides)
        assert older
        assert judged
        assert not older & judged
