"""A class of one in a thousand: the defaults learn it, and what the user set is left alone."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import Project

from tasks.evaluation.evaluate import evaluate_models
from tasks.preparation.split import prepare_rows
from tasks.training.rare_class import steady_leaves
from tasks.training.train import train_models


@pytest.mark.parametrize(
    "given", [{"min_sum_hessian_in_leaf": 0.1}, {"is_unbalance": True}, {"scale_pos_weight": 9.0}]
)
def test_what_is_set_is_left_alone(given: dict[str, float]) -> None:
    assert steady_leaves({**given}, "binary", 0.001) == given


def test_other_targets_and_common_classes_are_left_alone() -> None:
    assert steady_leaves({}, "regression", 0.001) == {}
    assert steady_leaves({}, "binary", 0.5) == {}
    assert steady_leaves({}, "binary", 0.999) != {}


def test_one_in_a_thousand_is_learned_by_the_defaults(made: Project, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(60_000, 6))
    odds = -9.6 + 1.6 * x[:, 0] + 1.2 * x[:, 1] * x[:, 2] + np.abs(x[:, 3])
    rows = pl.DataFrame({f"x{place}": x[:, place] for place in range(6)}).with_columns(
        id=pl.int_range(60_000), y=pl.Series(random.random(60_000) < 1 / (1 + np.exp(-odds)))
    )
    assert 0.0005 < float(rows["y"].mean()) < 0.0025  # type: ignore[arg-type]
    features = "\n".join(f'x{place} = "x{place}"' for place in range(6))
    training = "threads = 1\nearly_stopping = 10"
    given = {"extract": 'key = ["id"]', "features": features, "training": training}
    plan, snapshot = made.extract(rows, **given)
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    found, _ = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    assert trained.params["min_sum_hessian_in_leaf"] == 3.0
    assert found.metrics["holdout"]["log_loss"] < 0.95 * found.baseline["log_loss"]
    guess = found.baseline["average_precision"]
    assert found.metrics["holdout"]["average_precision"] > 20 * guess
