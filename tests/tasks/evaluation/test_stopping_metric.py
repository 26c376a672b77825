"""Early stopping that watches another metric than the gate's is told where that matters."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from tables import ROWS, SALES, Project, sell

from tasks.core.columns import TARGET
from tasks.evaluation.stopping_metric import find_disagreement, tell_disagreement
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import model_input
from tasks.training.train import Trained, read_model, train_models

# Trees that are far too sure: log loss rises from the first ones on, and AUC does not.
SURE = "threads = 1\nrounds = 60\nearly_stopping = 40\nparams = { learning_rate = 0.9 }"


def train(
    made: Project, folder: Path, gate: str = "", training: str = SURE
) -> tuple[Plan, Prepared, Trained]:
    rows = ROWS.with_columns(y=(pl.col("x") + pl.col("id").hash(1) % 9) > 9)
    plan, prepared = made.prepare(rows, gate=gate, training=training)
    return plan, prepared, train_models(plan, prepared, folder)


def test_gate_s_metric_that_was_better_elsewhere_is_told(made: Project, tmp_path: Path) -> None:
    plan, prepared, trained = train(made, tmp_path, gate="margin = 0.0")
    found = find_disagreement(plan, prepared, trained)
    assert found is not None
    assert found.rounds == trained.rounds != found.best_rounds
    rows = prepared.scan(SplitRole.STOP).collect()
    assert trained.settled is not None
    model = read_model(trained.settled.read_text())
    features = model_input(rows.select(list(plan.features.expressions)))
    aucs = [
        roc_auc_score(rows[TARGET].to_numpy(), np.asarray(model.predict(features, num_iteration=n)))
        for n in (found.rounds, found.best_rounds)
    ]
    assert (found.value, found.best) == (pytest.approx(aucs[0]), pytest.approx(aucs[1]))
    (said,) = tell_disagreement(found, plan.definition.loss)
    assert said.startswith(f"early stopping watches log_loss and took {found.rounds} rounds, but")
    assert f"set [training] rounds = {found.best_rounds} and early_stopping = 0" in said


def test_a_difference_within_the_gate_s_margin_or_the_same_metric_is_not_told(
    made: Project, tmp_path: Path
) -> None:
    for name, gate in (("margin", "margin = 1.0"), ("metric", 'metric = "log_loss"\nmargin = 0.0')):
        (tmp_path / name).mkdir()
        assert find_disagreement(*train(made, tmp_path / name, gate=gate)) is None
    assert list(tell_disagreement(None, "log_loss")) == []


def test_without_early_stopping_there_is_nothing_to_tell(made: Project, tmp_path: Path) -> None:
    training = "threads = 1\nrounds = 5\nearly_stopping = 0"
    assert find_disagreement(*train(made, tmp_path, training=training)) is None


def test_metric_is_not_asked_where_the_slice_s_own_level_misleads_it(
    made: Project, tmp_path: Path
) -> None:
    sections = {"gate": 'metric = "r2"\nmargin = 0.0', "training": "threads = 1\nrounds = 200"}
    plan, prepared = made.prepare(sell(0.5), **(SALES | sections))
    trained = train_models(plan, prepared, tmp_path)
    assert trained.moved
    assert find_disagreement(plan, prepared, trained) is None
    assert find_disagreement(plan, prepared, trained.model_copy(update={"moved": False}))
