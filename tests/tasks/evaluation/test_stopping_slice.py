"""The stopping slice is what a model that never saw it predicts, on no more rows than are asked."""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from tables import ROWS, Project

from tasks.core.columns import TARGET, WEIGHT
from tasks.evaluation.stopping_slice import read_stopping_slice
from tasks.preparation.split import SplitRole
from tasks.training.train import train_models

ASKED = "threads = 1\nrounds = 20\nearly_stopping = 5\nweight = 'id'"


def test_rows_are_spread_over_the_slice_and_predicted_by_the_settled_model(
    made: Project, tmp_path: Path
) -> None:
    plan, prepared = made.prepare(ROWS, training=ASKED)
    trained = train_models(plan, prepared, tmp_path)
    assert trained.settled is not None
    kept = read_stopping_slice(plan, prepared, trained, 1_000_000)
    few = read_stopping_slice(plan, prepared, trained, len(ROWS) // 40)
    assert kept is not None
    assert few is not None
    stop = prepared.scan(SplitRole.STOP).collect()
    assert kept.target.tolist() == stop[TARGET].to_list()
    assert kept.weights is not None
    assert kept.weights.tolist() == stop[WEIGHT].to_list()
    step = 1 + len(stop) // (len(ROWS) // 40)
    assert few.rows.equals(kept.rows.gather_every(step))
    model = lightgbm.Booster(model_str=trained.settled.read_text())
    features = stop.select(list(plan.features.expressions)).cast(pl.Float64).to_numpy()
    for rounds in (1, trained.rounds):
        asked = np.asarray(model.predict(features, num_iteration=rounds))
        assert kept.predict(rounds).tolist() == asked.tolist()
    assert kept.predict().tolist() == kept.predict(trained.rounds).tolist()


def test_without_early_stopping_there_is_no_slice(made: Project, tmp_path: Path) -> None:
    plan, prepared = made.prepare(ROWS, training="threads = 1\nrounds = 5\nearly_stopping = 0")
    trained = train_models(plan, prepared, tmp_path)
    assert read_stopping_slice(plan, prepared, trained, 100) is None
