"""The compiled predictor gives LightGBM's answers to the last bit, or leaves them to LightGBM."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lightgbm
import numpy as np
import pytest

from tasks.prediction import compiled_forest
from tasks.prediction.compiled_forest import Array, CompiledForest, NoForest, compile_forest

QUIET = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "seed": 1}
EDGES = (np.nan, 0.0, -0.0, 1e-40, -1e300, 1e300, np.inf, -np.inf)


def make_rows(rows: int = 3_000, seed: int = 0) -> Array:
    """Make rows with numbers, levels, missing values and, in some, every odd number there is."""
    chance = np.random.default_rng(seed)
    numbers = chance.normal(size=(rows, 4)).round(2)
    levels = chance.integers(0, (3, 300), size=(rows, 2)).astype(float)
    matrix = np.hstack([numbers, levels])
    matrix[chance.random(matrix.shape) < 0.1] = np.nan
    return matrix


def make_odd_rows() -> Array:
    """Make rows that training never saw: edges, unknown levels, levels that are no levels."""
    matrix = make_rows(500, seed=1)
    chance = np.random.default_rng(2)
    odd = chance.random((500, 4)) < 0.3
    matrix[:, :4][odd] = chance.choice(EDGES, odd.sum())
    matrix[:, 4:][chance.random((500, 2)) < 0.2] = 2**31 - 1
    matrix[:, 4:][chance.random((500, 2)) < 0.2] = -1
    return matrix


def train(target: Array, rounds: int = 12, **params: Any) -> lightgbm.Booster:
    data = lightgbm.Dataset(make_rows(), target, categorical_feature=[4, 5], params=QUIET)
    return lightgbm.train({**QUIET, **params}, data, rounds)


def make_target() -> Array:
    rows = np.nan_to_num(make_rows())
    return np.asarray(rows[:, 0] + (rows[:, 4] == 1) + rows[:, 5] % 7 / 3 + rows[:, 1] * rows[:, 2])


def expect_equal(booster: lightgbm.Booster) -> None:
    forest = CompiledForest(booster.model_to_string())
    for matrix in (make_rows(), make_odd_rows(), make_rows(1), make_rows(33)):
        np.testing.assert_array_equal(forest.predict(matrix), booster.predict(matrix))


@pytest.mark.parametrize("leaves", [2, 31, 64, 65, 300])
def test_trees_of_any_size_answer_as_lightgbm_does(leaves: int) -> None:
    expect_equal(train(make_target() > 1, objective="binary", num_leaves=leaves))


@pytest.mark.parametrize(
    "objective",
    ["binary", "cross_entropy", "regression", "regression_l1", "huber", "fair", "poisson"],
)
def test_objectives_of_one_output_answer_as_lightgbm_does(objective: str) -> None:
    target = make_target() > 1 if objective in ("binary", "cross_entropy") else make_target() ** 2
    expect_equal(train(target, objective=objective))


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_classes_answer_as_lightgbm_does(objective: str) -> None:
    classes = np.digitize(make_target(), [0, 1, 2])
    expect_equal(train(classes, objective=objective, num_class=4))


@pytest.mark.parametrize("params", [{"sigmoid": 0.5}, {"use_missing": False}, {"boosting": "dart"}])
def test_parameters_that_change_a_model_are_followed(params: dict[str, Any]) -> None:
    expect_equal(train(make_target() > 1, objective="binary", **params))


def test_trees_that_learned_nothing_are_constants() -> None:
    expect_equal(train(np.arange(3_000) % 2, objective="binary", min_data_in_leaf=2_000))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"zero_as_missing": True}, "zero stands for"),
        ({"linear_tree": True}, "linear trees"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged"),
        ({"objective": "mape"}, "objective is mape"),
        ({"reg_sqrt": True}, "objective is regression"),
    ],
)
def test_what_it_cannot_answer_exactly_is_refused(params: dict[str, Any], said: str) -> None:
    booster = train(make_target() + 5, **{"objective": "regression", **params})
    with pytest.raises(NoForest, match=said):
        CompiledForest(booster.model_to_string())


def test_threads_do_not_disturb_each_other() -> None:
    booster = train(make_target() > 1, objective="binary")
    forest, matrix = CompiledForest(booster.model_to_string()), make_rows()
    wanted = forest.predict(matrix)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(forest.predict, [matrix] * 40):
            np.testing.assert_array_equal(answer, wanted)
    assert len(forest.predict(matrix[:0])) == 0


def test_forest_that_answers_otherwise_is_not_taken() -> None:
    ours, other = (train(make_target() > above, objective="binary") for above in (1, 2))
    with pytest.raises(NoForest, match="answers otherwise than LightGBM"):
        compile_forest(ours.model_to_string(), 6, lambda rows: np.asarray(other.predict(rows)))


def test_machine_that_llvm_does_not_know_is_left_to_lightgbm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise RuntimeError("no such target")

    monkeypatch.setattr(compiled_forest, "compile_loop", fail)
    with pytest.raises(NoForest, match="cannot compile for this machine: no such target"):
        CompiledForest("")
