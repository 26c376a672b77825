"""The step that evaluates: a result to publish, and scores for the gate."""

import logging
from pathlib import Path

import pytest
from tables import Project

from tasks.core.columns import TARGET
from tasks.evaluation.task import evaluate
from tasks.preparation.split import prepare_rows
from tasks.training.train import train_models


def test_holdout_is_scored_and_its_metrics_are_told(
    made: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perennial")
    plan, snapshot = made.extract(training="threads = 1\nrounds = 5\nearly_stopping = 0")
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    evaluation, scored = evaluate.fn(plan, snapshot, prepared, trained, tmp_path)
    rows = scored.read()
    assert evaluation.rows == len(rows) == prepared.rows["holdout"]
    assert {TARGET, "predicted", "baseline", "simple"} < set(rows.columns)
    assert f"auc {evaluation.metrics['holdout']['auc']:.4f}" in caplog.text
