"""The step that validates: a verdict, and each check of it in the log."""

import logging
from pathlib import Path

import pytest
from tables import Project

from tasks.evaluation.evaluate import evaluate_models
from tasks.preparation.split import prepare_rows
from tasks.training.train import train_models
from tasks.validation.task import validate


def test_first_candidate_is_judged_without_a_champion(
    made: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perennial")
    plan, snapshot = made.extract(
        training="threads = 1\nrounds = 5\nearly_stopping = 0", gate="rows = 1000"
    )
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    _, scored = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    verdict = validate.fn(plan, snapshot, prepared, scored)
    assert verdict.champion is None
    assert not verdict.passed
    assert "FAILED holdout_rows: " in caplog.text
    assert len([each for each in caplog.records if each.name == "perennial.validation"]) == len(
        verdict.checks
    )
