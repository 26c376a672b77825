"""The step that validates: a verdict, and each check of it in the log."""

import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sklearn
from tables import ROWS, START, Project

from tasks.core.columns import TARGET
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.row_metrics import loss_metric
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


def make_counts(lowest: float) -> pl.DataFrame:
    """Make 6,000 hours whose target has a mean that features tell, and much chance around it."""
    random = np.random.default_rng(1)
    x, k = random.normal(size=6_000), random.integers(0, 5, 6_000)
    mean = np.exp(0.6 * x + 0.2 * k)
    drawn = random.poisson(mean) if lowest == 0 else random.gamma(2.0, mean / 2) + lowest
    return pl.DataFrame(
        {"id": range(6_000), "x": x, "k": k, "c": ["a", "b", "c"] * 2_000, "y": drawn}
    ).with_columns(t=START + pl.duration(hours=pl.col("id")))


@pytest.mark.parametrize(
    ("objective", "lowest", "oracle"),
    [
        ("poisson", 0, sklearn.mean_poisson_deviance),
        ("gamma", 0.01, sklearn.mean_gamma_deviance),
        ("tweedie", 0, lambda true, said: sklearn.mean_tweedie_deviance(true, said, power=1.5)),
    ],
)
def test_counts_and_amounts_are_judged_by_their_deviance(
    made: Project, tmp_path: Path, objective: str, lowest: float, oracle: object
) -> None:
    plan, snapshot = made.extract(
        make_counts(lowest),
        target='value = "y"\nkind = "regression"',
        training="threads = 1\nrounds = 200",
        **{"training.params": f"objective = '{objective}'\nlearning_rate = 0.05"},
    )
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    found, scored = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    verdict = validate.fn(plan, snapshot, prepared, scored)
    rows, name = scored.read(), f"{objective}_deviance"
    assert callable(oracle)
    for who, metrics in {
        "predicted": found.metrics["holdout"],
        "baseline": found.baseline,
        "simple": found.simple,
    }.items():
        assert rows[who].min() > 0  # type: ignore[operator]
        assert next(iter(metrics)) == name
        assert metrics[name] == pytest.approx(oracle(rows[TARGET], rows[who]), rel=1e-9)
    told = {each.name: each for each in verdict.checks}
    assert told["beats_baseline"].detail.startswith(f"{name} ")
    assert [each.detail for each in verdict.checks if not each.passed] == []


def test_champion_of_counts_is_met_on_its_deviance_and_its_own_rows(made: Project) -> None:
    definition = made.extract(
        ROWS.with_columns(y=pl.col("k") + 1),
        target='value = "y"\nkind = "regression"',
        **{"training.params": "objective = 'poisson'"},
    )[0].definition
    assert (definition.metric, loss_metric(definition)) == ("poisson_deviance",) * 2
