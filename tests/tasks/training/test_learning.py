"""Training learns: its loss falls, a few rows are learned by heart, and no answer is NaN."""

import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import ROWS, START, Project

from tasks.core.columns import ROLE, TARGET
from tasks.extraction.run_plan import Plan
from tasks.features.transform import encode
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import model_input
from tasks.training.train import Trained, read_model, train_models

BY_HEART = """rounds = 200
early_stopping = 0
params = { min_data_in_leaf = 1, min_data_in_bin = 1, learning_rate = 0.3, num_leaves = 15 }
"""
ODD = (None, math.nan, math.inf, -math.inf, 0.0, 1e300, -1e300)


def noisy(rows: int) -> pl.DataFrame:
    """Make rows whose target follows `x` three times in four."""
    drawn = np.random.default_rng(7)
    x = drawn.normal(size=rows)
    y = np.where(drawn.random(rows) < 0.75, x > 0, x <= 0)
    times = [START + timedelta(hours=hour) for hour in range(rows)]
    c = [("north", "south", "east")[row % 3] for row in range(rows)]
    return pl.DataFrame({"id": range(rows), "t": times, "x": x, "k": 1, "c": c, "y": y})


def learn(
    made: Project, folder: Path, rows: pl.DataFrame, training: str
) -> tuple[Plan, Prepared, Trained]:
    plan, prepared = made.prepare(rows, training=training)
    return plan, prepared, train_models(plan, prepared, folder)


def log_loss(prepared: Prepared, plan: Plan, trained: Trained, *parts: SplitRole) -> float:
    rows = prepared.scan(*parts).collect()
    model = read_model(trained.twin.read_text())
    said = np.asarray(model.predict(model_input(rows.select(list(plan.features.expressions)))))
    right = np.where(rows[TARGET].to_numpy() == 1, said, 1 - said)
    return float(-np.log(np.clip(right, 1e-15, 1)).mean())


def test_loss_falls_along_the_curve_until_it_stops(made: Project, tmp_path: Path) -> None:
    _, _, trained = learn(made, tmp_path, noisy(3000), "early_stopping = 20\nholdout = 0.2")
    curve = np.array(trained.curve)
    assert np.isfinite(curve).all()
    assert curve.argmin() + 1 == trained.rounds
    assert curve[0] > curve[trained.rounds // 2] > curve.min()
    falls = np.diff(curve[: trained.rounds]) < 0
    assert falls.mean() > 0.8


def test_more_rounds_never_fit_the_training_rows_worse(made: Project, tmp_path: Path) -> None:
    losses = []
    for rounds in (1, 5, 25, 125):
        training = f"rounds = {rounds}\nearly_stopping = 0\nholdout = 0.2"
        plan, prepared, trained = learn(made, tmp_path, noisy(1000), training)
        losses.append(log_loss(prepared, plan, trained, SplitRole.FIT, SplitRole.STOP))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] * 2 / 3


def test_a_few_rows_are_learned_by_heart(made: Project, tmp_path: Path) -> None:
    coins = np.random.default_rng(3).random(400) < 0.5
    plan, prepared, trained = learn(
        made, tmp_path, ROWS.with_columns(x=pl.int_range(400) / 7, y=pl.Series(coins)), BY_HEART
    )
    assert log_loss(prepared, plan, trained, SplitRole.FIT, SplitRole.STOP) < 0.01


@pytest.mark.parametrize(
    "target",
    [
        'value = "y"\nkind = "binary"',
        'value = "c"\nkind = "multiclass"',
        'value = "x"\nkind = "regression"',
    ],
    ids=["binary", "multiclass", "regression"],
)
def test_no_prediction_is_nan_whatever_is_asked(made: Project, tmp_path: Path, target: str) -> None:
    features = 'x = "x * 2"\nratio = "x / k"\nk = "k"\nc = "c"'
    few = "rounds = 20\nearly_stopping = 0"
    plan, prepared = made.prepare(ROWS, target=target, features=features, training=few)
    trained = train_models(plan, prepared, tmp_path)
    asked = pl.LazyFrame(
        [(x, k, c) for x in ODD for k in (None, 0, 2) for c in (None, "north", "never seen")],
        schema={"x": pl.Float64, "k": pl.Int64, "c": pl.String},
        orient="row",
    )
    numbers = encode(asked, plan.features, prepared.vocabulary).collect()
    for path in (trained.twin, trained.simple):
        said = np.asarray(read_model(path.read_text()).predict(model_input(numbers)))
        assert len(said) == 63
        assert np.isfinite(said).all()


def test_no_feature_holds_nan_or_infinity_when_it_is_trained_on(made: Project) -> None:
    odd = pl.Series([ODD[row % len(ODD)] if row % 5 == 0 else row / 3 for row in range(400)])
    _, prepared = made.prepare(ROWS.with_columns(x=odd), features='x = "x / k"\nc = "c"')
    rows = prepared.scan().select(pl.exclude(ROLE)).collect()
    numbers = rows.select(pl.selectors.float())
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width
