"""Recalibration fitted: by scikit-learn's numbers, and only where it gains."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from tables import START, Project

from bentos.model import load_folder
from tasks.evaluation import recalibrate
from tasks.evaluation.prior_shift import shift_odds
from tasks.evaluation.recalibrate import (
    choose,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    pool_blocks,
    unmove,
)
from tasks.maintenance.reproduce import reproduce_version
from tasks.prediction import batch_scoring
from tasks.registry.versions import Published
from tasks.storage.store import open_store, work_folder
from tasks.training.published_model import encode_rows, load
from tasks.training.recalibration import RECALIBRATION, Recalibration

RANDOM = np.random.default_rng(1)
ODDS = RANDOM.normal(-1, 1.2, 5_000)
TARGET = (RANDOM.random(5_000) < expit(ODDS)) * 1.0
FOLDS = np.arange(5_000) % 5
TRAINING = "threads = 1\nrounds = 40\nearly_stopping = 20\nholdout = 0.3"
WEIGHED = f"{TRAINING}\nparams = {{ scale_pos_weight = 6.0 }}"


def test_line_is_that_of_scikit_learns_logistic_regression() -> None:
    shown = expit(2 * ODDS + 1)
    ours = fit_platt(TARGET, shown)
    oracle = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
    theirs = oracle.fit(logit(shown)[:, None], TARGET)
    assert ours.slope == pytest.approx(theirs.coef_.item(), abs=1e-7)
    expected = theirs.predict_proba(logit(shown)[:, None])[:, 1]
    np.testing.assert_allclose(ours.apply(shown), expected, atol=1e-9)


def test_line_that_did_not_settle_in_time_is_used_as_far_as_it_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled = fit_platt(TARGET, expit(ODDS))
    monkeypatch.setattr(recalibrate, "_STEPS", 2)
    assert fit_platt(TARGET, expit(ODDS)).slope == pytest.approx(settled.slope, abs=0.01)


def test_blocks_are_those_of_scikit_learns_isotonic_regression() -> None:
    shown = np.round(expit(2 * ODDS), 3)  # with ties
    centres, values, rows = pool_blocks(TARGET, shown)
    oracle = IsotonicRegression().fit(shown, TARGET)
    points = np.unique(shown)
    expected = np.unique(oracle.predict(points).round(12))
    np.testing.assert_allclose(values, expected, atol=1e-9)
    assert rows.sum() == len(shown)
    assert (np.diff(centres) > 0).all()


def test_temperature_has_the_least_loss_of_all() -> None:
    scores = RANDOM.normal(size=(4_000, 3))
    true = np.array([RANDOM.choice(3, p=chances) for chances in softmax(scores, axis=1)])
    found = fit_temperature(true, softmax(3 * scores, axis=1))
    assert found.temperature == pytest.approx(3, rel=0.1)
    losses = {
        share: -np.log(found.apply(softmax(3 * scores, axis=1))[range(4_000), true]).mean()
        if share == 1
        else -np.log(
            softmax(3 * scores / found.temperature / share, axis=1)[range(4_000), true]
        ).mean()
        for share in (0.99, 1, 1.01)
    }
    assert losses[1] == min(losses.values())


def test_block_in_which_nothing_came_true_says_no_zero() -> None:
    shown = np.linspace(0.001, 0.999, 2_000)
    target = (shown > 0.5) * 1.0
    given = fit_isotonic(target, shown).apply(shown)
    assert 0 < given.min() < 0.001
    assert 0.999 < given.max() < 1


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


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_what_is_fitted_after_a_shift_holds_before_it(fit: Callable[..., Recalibration]) -> None:
    odds = np.random.default_rng(2).normal(-1, 1.2, 100_000)
    target = (RANDOM.random(len(odds)) < expit(odds + 0.7)) * 1.0
    shown = expit(1.5 * odds)  # too sure, and of before
    given = unmove(fit(target, shift_odds(shown, 0.7)), 0.7).apply(shown)
    assert np.abs(given - expit(odds)).mean() < 0.01


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
