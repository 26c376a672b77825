"""The threshold is the best on the stopping slice, by cost or F1, and goes with a version."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, f1_score
from tables import ROWS, Project

from tasks.core.columns import FALSE_ALARM, MISSED, TARGET
from tasks.core.errors import DataRefused, DefinitionError
from tasks.evaluation.decision_threshold import choose_threshold
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.metrics import Array
from tasks.preparation.split import SplitRole, prepare_rows
from tasks.training.train import train_models

NOISY = ROWS.with_columns(y=(pl.col("x") + pl.col("id").hash(1) % 7) > 9)
TRAINING = "threads = 1\nrounds = 30\nearly_stopping = 5\nstopping_share = 0.4"


def draw(rows: int = 400) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(3)
    predicted = random.random(rows).round(2)
    return (random.random(rows) < predicted**2) * 1.0, predicted, random.uniform(0.5, 2, rows)


def cost_of(target: Array, said: Array, weights: Array, one: float, other: float) -> float:
    table = confusion_matrix(target, said, sample_weight=weights, labels=[0, 1])
    return float(1000 * (table[0, 1] * one + table[1, 0] * other) / weights.sum())


@pytest.mark.parametrize(("one", "other"), [(1.0, 20.0), (5.0, 1.0), (1.0, 1.0)])
def test_no_threshold_costs_less(one: float, other: float) -> None:
    target, predicted, weights = draw()
    found = choose_threshold(target, predicted, weights, (one, other))
    all_costs = [
        cost_of(target, predicted >= each, weights, one, other) for each in np.linspace(0, 1, 201)
    ]
    mine = cost_of(target, predicted >= found.threshold, weights, one, other)
    assert found.value == pytest.approx(mine)
    assert found.value <= min(all_costs[1:-1]) + 1e-9
    assert found.by == "cost"


def test_no_threshold_has_a_larger_f1() -> None:
    target, predicted, weights = draw()
    found = choose_threshold(target, predicted, weights, None)

    def score(threshold: float) -> float:
        return float(f1_score(target, predicted >= threshold, sample_weight=weights))

    assert found.value == pytest.approx(score(found.threshold))
    assert found.value >= max(map(score, np.linspace(0.01, 0.99, 99))) - 1e-9


def test_threshold_lies_between_0_and_1_whatever_is_predicted() -> None:
    for predicted in (np.full(4, 0.5), np.array([0.0, 0, 0, 1]), np.array([1.0, 1, 1, 1])):
        found = choose_threshold(np.array([0, 1, 0, 1.0]), predicted, None, None)
        assert 0 < found.threshold <= 1


def test_choice_is_made_on_the_stopping_slice_and_measured_on_the_holdout(
    made: Project, tmp_path: Path
) -> None:
    serving = 'threshold = "auto"\ncost = { false_alarm = "k + 1", missed = 9 }'
    plan, snapshot = made.extract(NOISY, serving=serving, training=TRAINING)
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    found, kept = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    assert found.threshold is not None
    assert found.threshold.rows == prepared.rows["stop"]
    assert 0 < found.threshold.threshold < 0.5
    scored = kept.read()
    target, said = scored[TARGET].to_numpy(), scored["predicted"] >= found.threshold.threshold
    wrong = scored[FALSE_ALARM].to_numpy() * (1 - target) * said.to_numpy()
    missed = scored[MISSED].to_numpy() * target * ~said.to_numpy()
    assert found.metrics["holdout"]["cost"] == pytest.approx(1000 * (wrong + missed).mean())
    changed = prepared.scan().collect().with_columns(
        pl.when(pl.col("perennial.part") == SplitRole.HOLDOUT).then(1 - pl.col(TARGET))
        .otherwise(TARGET).alias(TARGET)
    )  # fmt: skip
    changed.write_ipc(tmp_path / "changed.arrow")
    other = prepared.model_copy(update={"path": tmp_path / "changed.arrow"})
    again, _ = evaluate_models(plan, snapshot, other, trained, tmp_path)
    assert again.threshold == found.threshold


def test_slice_with_too_few_positives_is_refused(made: Project, tmp_path: Path) -> None:
    few = ROWS.with_columns(y=pl.col("id") % 13 == 0)
    training = "threads = 1\nrounds = 5\nearly_stopping = 2\nstopping_share = 0.1"
    plan, snapshot = made.extract(few, serving='threshold = "auto"', training=training)
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    with pytest.raises(DataRefused, match=r"\[serving\] threshold: the stopping slice has \d"):
        evaluate_models(plan, snapshot, prepared, trained, tmp_path)


def test_costs_that_mean_nothing_are_refused_by_key(made: Project) -> None:
    for price, said in (("k - 1", "is negative in 80 of 400"), ("NULLIF(k, 0)", "is null in 80")):
        serving = f'cost = {{ false_alarm = "{price}", missed = 1 }}'
        with pytest.raises(DataRefused, match=rf"\[serving.cost\] false_alarm: {said}"):
            made.prepare(serving=serving)
    with pytest.raises(DefinitionError, match=r"\[serving.cost\] missed: there is no column 'kk'"):
        made.plan(serving='cost = { false_alarm = 1, missed = "kk" }')
