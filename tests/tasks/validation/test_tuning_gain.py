"""What tuning gained is measured once, on the holdout, against the definition's own parameters."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from tables import ROWS, START, Project

from tasks.core.columns import TARGET
from tasks.evaluation.bootstrap import Interval
from tasks.evaluation.evaluate import evaluate_models, predict_holdout
from tasks.preparation.split import prepare_rows
from tasks.training.train import read_model, train_models
from tasks.validation.tuning_gain import describe_tuning, measure_tuning


def test_gain_is_the_difference_of_both_on_the_holdout(made: Project) -> None:
    plan, snapshot = made.extract(ROWS, training="rounds = 20\nearly_stopping = 0")
    folder = snapshot.parts[0].parent
    prepared = prepare_rows(plan, snapshot, folder)
    trained = train_models(plan.with_training(params={"num_leaves": 3}), prepared, folder)
    judged = evaluate_models(plan, snapshot, prepared, trained, folder)
    gain = measure_tuning(plan, prepared, *judged, folder / "untuned")
    own = read_model((folder / "untuned" / "twin.txt").read_text())
    rows = judged[1].read()
    (theirs,) = predict_holdout(plan, prepared, own)
    ours = rows["predicted"].to_numpy()
    assert not np.array_equal(ours, theirs)
    expected = roc_auc_score(rows[TARGET], ours) - roc_auc_score(rows[TARGET], theirs)
    assert gain.value == pytest.approx(expected, abs=1e-9)
    assert gain.low <= gain.value <= gain.high


@pytest.mark.parametrize("metric", ["log_loss", "f1"])
def test_both_are_recalibrated_and_answer_by_a_threshold_of_their_own(
    made: Project, metric: str
) -> None:
    draw = np.random.default_rng(1)
    rows = pl.DataFrame({"id": range(6_000), "x": draw.normal(size=6_000)}).with_columns(
        t=START + pl.duration(hours=pl.col("id")),
        y=pl.Series(draw.normal(size=6_000)) + 1 < pl.col("x"),
    )
    weights = "params = { scale_pos_weight = 8.0 }\nthreads = 1\nrounds = 20"
    sections = {"features": 'x = "x"', "serving": 'threshold = "auto"', "training": weights}
    plan, snapshot = made.extract(rows, gate=f'metric = "{metric}"', **sections)
    folder = snapshot.parts[0].parent
    prepared = prepare_rows(plan, snapshot, folder)
    trained = train_models(plan, prepared, folder)
    evaluation, scored = evaluate_models(plan, snapshot, prepared, trained, folder)
    assert evaluation.recalibrated is not None
    assert evaluation.recalibrated.chosen is not None
    gain = measure_tuning(plan, prepared, evaluation, scored, folder / "untuned")
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)  # nothing was tuned


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (
            Interval(value=0.1, low=0.05, high=0.15),
            "better by 0.1000 (interval +0.0500 to +0.1500)",
        ),
        (Interval(value=0.1, low=-0.1, high=0.3), "which may be chance"),
        (None, "nothing better than the definition's own parameters"),
    ],
)
def test_gain_is_told_with_how_sure_it_is(gain: Interval | None, said: str) -> None:
    assert said in describe_tuning("auc", gain)
