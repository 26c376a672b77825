"""What Optuna is asked: between which limits, and what comes next."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from flows.retrain import plan_retrain
from tasks.core.errors import DefinitionError
from tasks.training.optuna_search import SPACE, Trial, _settle_limits, complete_parameters, propose

MODEL = "flight-delay"


def test_missing_package_is_named_with_its_cure(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("tasks.training.optuna_search.version", missing)
    with pytest.raises(DefinitionError, match=r"run `make tune` or `pip install"):
        plan_retrain(MODEL, None, 2)
    assert plan_retrain(MODEL, None).tune == 0


def test_rows_are_not_drawn_where_the_forest_draws_its_own() -> None:
    assert "bagging_fraction" in _settle_limits({})
    assert "bagging_fraction" not in _settle_limits({"boosting": "rf"})


def test_what_comes_next_hangs_on_the_trials_before_and_the_seed_alone() -> None:
    done = [Trial(params={"num_leaves": 7 + n}, losses=(0.5 + n, 0.4)) for n in range(3)]
    asked = [propose({"learning_rate": 0.1}, done, seed).params for seed in (1, 1, 2)]
    assert asked[0] == asked[1] != asked[2]
    assert set(asked[0]) == set(SPACE)
    assert SPACE["num_leaves"].low <= asked[0]["num_leaves"] <= SPACE["num_leaves"].high


def test_limits_reach_as_far_as_the_definition_goes() -> None:
    assert _settle_limits({"learning_rate": 0.5})["learning_rate"].high == 0.5
    assert _settle_limits({"lambda_l2": 0.0})["lambda_l2"].low > 0


def test_a_share_of_the_rows_is_drawn_each_round_unless_the_definition_says_how_often() -> None:
    assert complete_parameters({}, {"bagging_fraction": 0.5})["bagging_freq"] == 1
    assert complete_parameters({"bagging_freq": 3}, {"bagging_fraction": 0.5}) == {
        "bagging_fraction": 0.5
    }
