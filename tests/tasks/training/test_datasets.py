"""Binning: the bins that LightGBM makes of a whole frame, kept by content and never mistrusted."""

from pathlib import Path
from typing import Any

import lightgbm
import polars as pl
import pytest
from tables import MANY, ROWS, Project

from tasks.core.columns import TARGET, WEIGHT
from tasks.extraction.run_plan import Plan
from tasks.preparation import split
from tasks.preparation.split import Prepared, SplitRole
from tasks.storage.local_cache import cache_folder
from tasks.training import datasets
from tasks.training.datasets import bin_rows, model_input, name_categories, open_bins
from tasks.training.lightgbm_params import model_parameters
from tasks.training.train import refit_model, train_models

FEW = "rounds = 5\nearly_stopping = 2\n[training.params]\nmin_data_in_leaf = 5\nmin_data_in_bin = 3"
TRAINING = (SplitRole.FIT, SplitRole.STOP)


@pytest.fixture
def steps(made: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Prepared]:
    """Prepare the made-up rows, some values missing, and read them in many batches."""
    monkeypatch.setattr(split, "BATCH_ROWS", 37)
    monkeypatch.setattr(datasets, "_PUSHED", 10)
    monkeypatch.setattr(datasets, "_WORTH_KEEPING", 0)
    gaps = pl.col("id") % 7 == 0
    rows = ROWS.with_columns(pl.when(~gaps).then(name).alias(name) for name in ("x", "k", "c"))
    return made.prepare(rows, training=FEW)


def grow(dataset: lightgbm.Dataset, params: Any) -> str:
    return str(
        lightgbm.train(dict(params), dataset, 3, keep_training_booster=True).model_to_string()
    )


def train_twice(plan: Plan, prepared: Prepared, folder: Path) -> list[bytes]:
    folder.mkdir()
    trained = train_models(plan, prepared, folder)
    refitted = refit_model(plan, prepared, trained, folder)
    return [path.read_bytes() for path in (trained.twin, trained.simple, refitted)]


@pytest.mark.parametrize("parts", [TRAINING, tuple(SplitRole), (SplitRole.STOP, SplitRole.HOLDOUT)])
@pytest.mark.parametrize("sample", [200_000, 50])
def test_bins_by_stretches_are_those_of_a_whole_frame(
    steps: tuple[Plan, Prepared], parts: tuple[SplitRole, ...], sample: int
) -> None:
    plan, prepared = steps
    params = model_parameters(plan.definition, 0) | {"bin_construct_sample_cnt": sample}
    frame = prepared.scan(*parts).collect()
    whole = lightgbm.Dataset(
        model_input(frame.select(list(plan.features.expressions))),
        label=frame[TARGET].to_numpy(),
        categorical_feature=[list(plan.features.expressions).index("c")],
        params=params,
    )
    binned = bin_rows(plan, prepared, params | name_categories(plan.features), parts)
    assert grow(binned, params) == grow(whole, params)


def test_rows_are_learned_by_their_weight(made: Project) -> None:
    plan, prepared = made.prepare(training=f'weight = "k * k + 1"\n{FEW}')
    params = model_parameters(plan.definition, 0)
    frame, names = prepared.scan(*TRAINING).collect(), list(plan.features.expressions)
    whole = lightgbm.Dataset(
        model_input(frame.select(names)),
        label=frame[TARGET].to_numpy(),
        weight=frame[WEIGHT].to_numpy(),
        categorical_feature=[names.index("c")],
        params=params,
    )
    binned = bin_rows(plan, prepared, params | name_categories(plan.features), TRAINING)
    assert grow(binned, params) == grow(whole, params)
    alike, same = made.prepare(training=FEW)
    assert grow(bin_rows(alike, same, params, TRAINING), params) != grow(whole, params)


def test_early_stopping_counts_rows_by_their_weight(made: Project, tmp_path: Path) -> None:
    plan, prepared = made.prepare(MANY, training=f'weight = "k * k + 1"\n{FEW}')
    trained = train_models(plan, prepared, tmp_path)
    frames = [prepared.scan(part).collect() for part in TRAINING]
    names, params = list(plan.features.expressions), model_parameters(plan.definition, 0)
    both = pl.concat(frames)
    bins = lightgbm.Dataset(model_input(both.select(names)), categorical_feature=[2], params=params)
    fit, stop = (
        lightgbm.Dataset(
            model_input(frame.select(names)), frame[TARGET].to_numpy(), bins.construct(),
            frame[WEIGHT].to_numpy(), categorical_feature=[2], params=params,
        )
        for frame in frames
    )  # fmt: skip
    curves: Any = {}
    watch = [lightgbm.record_evaluation(curves)]
    lightgbm.train(dict(params), fit, 5, [stop], callbacks=watch)
    losses = curves["valid_0"]["binary_logloss"]
    assert trained.curve == pytest.approx(losses[: len(trained.curve)])


def test_models_are_the_same_with_kept_bins_and_without(
    steps: tuple[Plan, Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, prepared = steps
    first = train_twice(plan, prepared, tmp_path / "first")
    kept = {path: path.read_bytes() for path in cache_folder(plan.root, "bins").iterdir()}
    monkeypatch.setattr(datasets, "bin_rows", None)
    assert train_twice(plan, prepared, tmp_path / "kept") == first
    assert {path: path.read_bytes() for path in cache_folder(plan.root, "bins").iterdir()} == kept
    monkeypatch.undo()
    assert train_twice(plan, prepared, tmp_path / "without") == first


def test_bins_whose_bytes_have_changed_are_made_again(
    steps: tuple[Plan, Prepared], caplog: pytest.LogCaptureFixture
) -> None:
    plan, prepared = steps
    params = model_parameters(plan.definition, 0)
    before = grow(open_bins(plan, prepared, params, *TRAINING), params)
    (kept,) = cache_folder(plan.root, "bins").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert grow(open_bins(plan, prepared, params, *TRAINING), params) == before
    assert kept.read_bytes() == whole
    assert "is damaged; it is made again" in caplog.text


def test_other_rows_parts_and_bins_are_kept_apart_and_the_oldest_goes(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    params, folder = model_parameters(plan.definition, 0), cache_folder(plan.root, "bins")
    open_bins(plan, prepared, params, *TRAINING)
    (first,) = folder.iterdir()
    open_bins(plan, prepared, params | {"num_leaves": 7, "learning_rate": 0.5}, *TRAINING)
    assert list(folder.iterdir()) == [first]
    path = tmp_path / "changed.arrow"
    pl.read_ipc(prepared.path).with_columns(1 - pl.col(TARGET)).write_ipc(path)
    open_bins(plan, prepared.model_copy(update={"path": path}), params, *TRAINING)
    for others in ({"max_bin": 7}, {"seed": 2}, {"min_data_in_leaf": 6}):
        open_bins(plan, prepared, params | others, *TRAINING)
    assert len(list(folder.iterdir())) == 4
    assert not first.exists()


def test_feature_names_that_lightgbm_cannot_write_are_made_plain() -> None:
    names = ["a b", "a[b]", 'c:"d"', "é", "", "f0_a_b"]
    frame = pl.DataFrame({name: [1.0, 2.0] for name in names})
    plain = model_input(frame).columns
    assert len(set(plain)) == len(names)
    assert all(name.isascii() and name.replace("_", "a").isalnum() for name in plain)
    assert model_input(frame.select("a b")).columns == ["a_b"]
