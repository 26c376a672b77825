"""Recalibration fitted: by scikit-learn's numbers, and only where it gains."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from tables import START, Project

from bentos.model import load_folder
from tasks.evaluation.recalibrate import choose
from tasks.maintenance.reproduce import reproduce_version
from tasks.prediction import batch_scoring
from tasks.registry.versions import Published
from tasks.storage.store import open_store, work_folder
from tasks.training.published_model import encode_rows, load
from tasks.training.recalibration import RECALIBRATION

RANDOM = np.random.default_rng(1)
ODDS = RANDOM.normal(-1, 1.2, 5_000)
TARGET = (RANDOM.random(5_000) < expit(ODDS)) * 1.0
FOLDS = np.arange(5_000) % 5
TRAINING = "threads = 1\nrounds = 40\nearly_stopping = 20\nholdout = 0.3"
WEIGHED = f"{TRAINING}\nparams = {{ scale_pos_weight = 6.0 }}"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (expit(ODDS), None),  # as good as it can be
        (expit(2 * ODDS + 1), "platt"),
        (expit(4 * np.tanh(ODDS)), "isotonic"),  # no line of log odds
    ],
)
def test_least_loss_is_chosen_and_none_where_nothing_is_gained(
    shown: np.ndarray, expected: str | None
) -> None:
    losses, chosen = choose(TARGET, shown, FOLDS, 0.95)
    assert (chosen and chosen.method) == expected
    assert losses.keys() == {"none", "platt", "isotonic"}
    assert losses[expected or "none"] <= min(losses.values()) + 1e-3


def test_line_that_turns_the_order_around_is_no_candidate() -> None:
    losses, chosen = choose(TARGET, expit(-ODDS), FOLDS, 0.95)
    assert "platt" not in losses
    assert chosen is None or chosen.method == "isotonic"


def make_table(rate_moves: float = 0.0) -> pl.DataFrame:
    rows, random = 8_000, np.random.default_rng(3)
    x = random.normal(size=(rows, 2))
    late = np.arange(rows) > rows * 0.55
    chance = expit(x[:, 0] - 1.5 + rate_moves * late)
    return pl.DataFrame(
        {
            "id": range(rows),
            "t": [START + timedelta(minutes=30 * row) for row in range(rows)],
            "x": x[:, 0],
            "k": x[:, 1],
            "c": ["north", "south"] * (rows // 2),
            "y": random.random(rows) < chance,
        }
    )


Make = Callable[..., Published]


@pytest.fixture
def make(made: Project, monkeypatch: pytest.MonkeyPatch) -> Make:
    import flows.retrain as steps

    for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
        monkeypatch.setattr(steps, name, getattr(steps, name).fn)

    def run(rows: pl.DataFrame, training: str, **sections: str) -> Published:
        made.write(rows)
        plan, store = made.plan(training=training, **sections), open_store()
        with work_folder(store) as folder:
            return steps.make_candidate(plan, store, folder)

    return run


def test_class_weights_are_mended_wherever_the_model_predicts(make: Make, tmp_path: Path) -> None:
    rows = make_table()
    published = make(rows, WEIGHED)
    store = open_store()
    model, served = load(store, published), load_folder(Path(store.root, published.path))
    told = served.evaluation["recalibrated"]
    assert told["before"]["calibration_error"] > 0.1 > 0.05 > told["after"]["calibration_error"]
    assert told["after"]["log_loss"] < told["before"]["log_loss"]
    measured = model.lineage["metrics"]["holdout"]["log_loss"]
    assert measured == pytest.approx(told["after"]["log_loss"], rel=1e-12)
    report = Path(store.root, published.path_of("report.md")).read_text()
    assert "predictions are recalibrated by " in report

    by_training = model.predict(rows)
    matrix = served.encode_frame(rows.select(list(served.schema.types)))
    by_service = served.predictor.predict(matrix)
    np.testing.assert_array_equal(by_service, by_training)
    one_by_one = [served.predictor.predict_one(row) for row in matrix[:500].tolist()]
    assert one_by_one == by_training[:500].tolist()
    scorer = batch_scoring.Scorer(model=model, types=served.schema.types)
    numbers = encode_rows(model.features, model.vocabulary, rows)
    np.testing.assert_array_equal(batch_scoring.predict(scorer, numbers), by_training)
    compiled = scorer.model_copy(update={"forest": batch_scoring.find_forest(model)})
    assert compiled.forest is not None
    np.testing.assert_array_equal(batch_scoring.predict(compiled, numbers), by_training)

    again = reproduce_version(store, published, tmp_path, tmp_path)
    assert RECALIBRATION in again.same
    assert again.reproduced


def test_calibrated_model_has_no_file_and_never_means_never(make: Make) -> None:
    assert RECALIBRATION not in make(make_table(), TRAINING).manifest.files
    never = make(make_table(), f'{WEIGHED}\ncalibrate = "never"')
    assert RECALIBRATION not in never.manifest.files
    told = load_folder(Path(open_store().root, never.path)).evaluation
    assert "recalibrated" not in told


def test_base_rate_that_moved_is_not_taken_up(make: Make) -> None:
    published = make(make_table(rate_moves=1.0), TRAINING)
    assert RECALIBRATION not in published.manifest.files


def test_without_a_stopping_slice_nothing_can_be_judged(make: Make) -> None:
    training = WEIGHED.replace("early_stopping = 20", "early_stopping = 0")
    assert RECALIBRATION not in make(make_table(), training).manifest.files


def test_model_without_a_time_is_mended_too(make: Make) -> None:
    published = make(make_table().drop("t"), WEIGHED, extract='key = ["id"]')
    assert RECALIBRATION in published.manifest.files
    assert isinstance(load(open_store(), published).recalibration.slope, float)  # type: ignore[union-attr]


def test_several_classes_that_are_too_sure_get_a_temperature(make: Make) -> None:
    chance = pl.Series(np.random.default_rng(4).random(8_000))
    third = pl.when(chance < 0.3).then(pl.lit("third")).otherwise(pl.col("y").cast(pl.String))
    rows = make_table().with_columns(y=third)
    sure = f"{TRAINING}\nparams = {{ learning_rate = 4.0 }}"
    published = make(rows, sure, target='value = "y"\nkind = "multiclass"')
    store = open_store()
    model, served = load(store, published), load_folder(Path(store.root, published.path))
    assert model.recalibration is not None
    assert model.recalibration.temperature > 1
    matrix = served.encode_frame(rows.select(list(served.schema.types)))
    np.testing.assert_array_equal(served.predictor.predict(matrix), model.predict(rows))
    one_by_one = [served.predictor.predict_one(row) for row in matrix[:200].tolist()]
    assert one_by_one == model.predict(rows)[:200].tolist()
