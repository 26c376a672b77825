"""Constraints by name hold in the trained forest, here, on a cluster and compiled."""

import json
from itertools import pairwise
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from distributed import LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import ROWS, Project

from tasks.core.model_sections import Training
from tasks.prediction.compiled_forest import CompiledForest
from tasks.training.dask_training import grow_models
from tasks.training.feature_constraints import constraint_parameters
from tasks.training.train import _grow_here, recall_parameters

NOISY = pl.concat([ROWS] * 4).with_columns(
    id=pl.int_range(1600),
    y=(pl.int_range(1600) * 7919 % 101 + pl.col("x") * 3 - pl.col("k") * 2) > 60,
)
TRAINING = "threads = 1\nrounds = 30\nearly_stopping = 0\nmonotone = { x = 1, k = -1 }"


def sweep(predict: Any, rows: np.ndarray, place: int, values: np.ndarray) -> np.ndarray:
    """Predict every row with each value in one place, in their order."""
    moved = np.repeat(rows, len(values), axis=0)
    moved[:, place] = np.tile(values, len(rows))
    return np.asarray(predict(moved)).reshape(len(rows), len(values))


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    signs=st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3),
    objective=st.sampled_from(["binary", "regression", "poisson"]),
)
def test_predictions_only_rise_or_only_fall(seed: int, signs: list[int], objective: str) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(400, 3))
    signal = rows @ chance.normal(size=3) + np.sin(3 * rows[:, 0]) + chance.normal(size=400)
    target = {"binary": signal > 0, "regression": signal, "poisson": np.exp(signal).round()}
    names = ["a", "b", "c"]
    monotone: Any = {name: sign for name, sign in zip(names, signs, strict=True) if sign}
    given = constraint_parameters(Training(monotone=monotone), names)
    params = {"objective": objective, "verbosity": -1, "num_threads": 1, "seed": seed, **given}
    booster = lightgbm.train(params, lightgbm.Dataset(rows, target[objective]), 20)
    for place, sign in enumerate(signs):
        steps = np.diff(sweep(booster.predict, rows[:50], place, np.linspace(-4, 4, 41)))
        if sign:
            assert (sign * steps).min() >= 0


@pytest.mark.filterwarnings("ignore")
def test_a_trained_model_keeps_them_here_on_a_cluster_and_compiled(made: Project) -> None:
    plan, prepared = made.prepare(NOISY, training=TRAINING)
    params = recall_parameters(plan, prepared)
    free = made.prepare(NOISY, training=TRAINING.partition("monotone")[0])
    here = [_grow_here(each[0], each[1], recall_parameters(*each), params).twin
            for each in ((plan, prepared), free)]  # fmt: skip
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        there = plan.with_training(
            engine="dask", workers=2, scheduler=cluster.scheduler_address, early_stopping=0
        )
        shared = grow_models(there, prepared, params, params).twin
    rows = prepared.scan().select("x", "k", "c").collect().to_numpy().astype(float)[:200]

    def rises(text: str, place: int, sign: int) -> bool:
        values = np.linspace(0, 10, 60)
        both = [
            sweep(predict, rows, place, values)
            for predict in (lightgbm.Booster(model_str=text).predict, CompiledForest(text).predict)
        ]
        assert np.array_equal(*both)
        return bool((sign * np.diff(both[0])).min() >= 0)

    for text in (here[0], shared):
        assert rises(text, 0, 1)
        assert rises(text, 1, -1)
    assert not rises(here[1], 0, 1)


def branches(node: dict[str, Any], used: frozenset[int] = frozenset()) -> Any:
    if "split_feature" not in node:
        yield used
        return
    for side in ("left_child", "right_child"):
        yield from branches(node[side], used | {node["split_feature"]})


def test_only_features_of_one_set_meet_and_all_are_used(made: Project) -> None:
    training = 'threads = 1\nrounds = 20\nearly_stopping = 0\ninteractions = [["x"]]'
    plan, prepared = made.prepare(NOISY, training=training)
    params = recall_parameters(plan, prepared)
    text = _grow_here(plan, prepared, params, params).twin
    forest = lightgbm.Booster(model_str=text).dump_model()
    met = {used for tree in forest["tree_info"] for used in branches(tree["tree_structure"])}
    assert not [each for each in met if 0 in each and len(each) > 1]
    assert {place for each in met for place in each} == {0, 1, 2}
    assert json.dumps(params["interaction_constraints"]) == '"[0],[1,2]"'


def test_a_curve_falls_where_it_may_without_them() -> None:
    """The oracle of the tests above: LightGBM by itself follows the data down."""
    x = np.linspace(0, 1, 500)[:, None]
    plain = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x, np.sin(6 * x[:, 0])), 20)
    assert any(later < earlier for earlier, later in pairwise(plain.predict(x)))
