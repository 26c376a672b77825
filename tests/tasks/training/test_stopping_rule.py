"""Which round is kept, of losses that are known, and of sales that grow and do not."""

import time
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from scipy.stats import linregress
from tables import SALES, Project, sell

from tasks.core.columns import TARGET
from tasks.preparation.split import SplitRole
from tasks.training.datasets import model_input
from tasks.training.stopping_rule import (
    Losses,
    Stop,
    choose_round,
    judge_line,
    stop_when_shown,
)
from tasks.training.train import Trained, read_model, train_models

LOSS = (0.7, 0.6, 0.65, 0.66, 0.67, 0.68)
SQUARED, LINE = "squared error", "squared error that a line leaves"
LEFT = (0.5, 0.4, 0.3, 0.2, 0.25, 0.26)


def settle(
    made: Project, folder: Path, rows: pl.DataFrame, **sections: str
) -> tuple[Trained, float]:
    """Train on sales; give that, and the holdout's error by what the least loss would have kept."""
    plan, prepared = made.prepare(rows, **(SALES | sections))
    trained = train_models(plan, prepared, folder)
    rows = prepared.scan(SplitRole.HOLDOUT).collect()
    features = model_input(rows.select(list(plan.features.expressions)))
    twin, least = read_model(trained.twin.read_text()), int(np.argmin(trained.curve)) + 1

    def measure(rounds: int) -> float:
        off = rows[TARGET].to_numpy() - np.asarray(twin.predict(features, num_iteration=rounds))
        return float(np.sqrt(np.mean(off**2)))

    return trained, measure(trained.rounds) / measure(min(least, trained.rounds))


def test_growing_target_is_learned_for_longer_than_the_loss_says(
    made: Project, tmp_path: Path
) -> None:
    trained, error = settle(made, tmp_path, sell(0.5), training="threads = 1\nrounds = 200")
    assert trained.moved
    assert trained.rounds > 1.5 * (np.argmin(trained.curve) + 1)
    assert error < 0.9


def test_target_that_stays_is_learned_for_as_long_as_the_loss_says(
    made: Project, tmp_path: Path
) -> None:
    trained, _ = settle(made, tmp_path, sell(0, season=0), training="threads = 1\nrounds = 200")
    assert not trained.moved
    assert trained.rounds == np.argmin(trained.curve) + 1


@pytest.mark.parametrize(
    "sections",
    [
        {"extract": 'key = ["id"]'},
        {"target": 'value = "y > 200"\nkind = "binary"'},
        {"target": 'value = "y"\nkind = "regression"\nquantiles = [0.1, 0.9]'},
        {"training": "threads = 1\nrounds = 30\nearly_stopping = 0"},
        {"training": 'threads = 1\nrounds = 30\nparams = { boosting = "dart" }'},
    ],
)
def test_only_a_mean_of_rows_in_time_that_stops_early_is_asked(
    made: Project, tmp_path: Path, sections: dict[str, str]
) -> None:
    training = {"training": "threads = 1\nrounds = 30"}
    plan, prepared = made.prepare(sell(0.5), **(SALES | training | sections))
    assert not train_models(plan, prepared, tmp_path).moved


def test_least_loss_is_kept_where_a_line_takes_nothing_away() -> None:
    still = Losses(LOSS, tuple(each * 1.04 for each in LEFT), LEFT)
    assert choose_round(Losses(LOSS), 2) == choose_round(still, 2) == Stop(2, 4)
    assert choose_round(still, 5) == Stop(2, None)


def test_later_of_both_best_rounds_is_kept_where_the_target_moved() -> None:
    moved = Losses(LOSS, tuple(each * 1.1 for each in LEFT), LEFT)
    assert choose_round(moved, 2) == Stop(4, 6, moved=True)
    assert choose_round(moved, 3) == Stop(4, None, moved=True)
    early = moved._replace(left=(0.1, *LEFT[1:]))
    assert choose_round(early, 2) == Stop(2, 4, moved=True)


def test_loss_that_is_no_number_is_never_the_best() -> None:
    assert choose_round(Losses((0.7, float("nan"), 0.6, 0.8)), 5) == Stop(3, None)


@pytest.mark.parametrize("sign", [1, -1])
def test_line_leaves_what_a_regression_leaves_and_never_falls(sign: int) -> None:
    random = np.random.default_rng(2)
    predicted = random.normal(5, 2, 500)
    target = (sign * 3 * predicted + 40 + random.normal(size=500)).astype(np.float32)
    judged = lightgbm.Dataset(predicted[:, None], target).construct()
    (_, squared, _), (_, left, _) = judge_line(predicted, judged)
    line = linregress(predicted, target)
    off = target - line.intercept - line.slope * predicted if sign > 0 else target - target.mean()
    assert squared == pytest.approx(np.mean((target - predicted) ** 2))
    assert left == pytest.approx(np.mean(off**2))


def test_rows_of_the_line_count_by_their_weights() -> None:
    random = np.random.default_rng(3)
    predicted, target = random.normal(size=(2, 300)).astype(np.float32)
    weights = np.where(np.arange(300) < 250, 2, 0)
    twice = np.repeat(np.arange(300), weights)
    weighed = lightgbm.Dataset(predicted[:, None], target, weight=weights).construct()
    repeated = lightgbm.Dataset(predicted[twice, None], target[twice]).construct()
    ours, theirs = judge_line(predicted, weighed), judge_line(predicted[twice], repeated)
    assert [each for _, each, _ in ours] == pytest.approx([each for _, each, _ in theirs])


def test_few_rows_do_not_show_that_a_target_moved() -> None:
    predicted = np.arange(199.0)
    judged = lightgbm.Dataset(predicted[:, None], predicted + 50).construct()
    (_, squared, _), (_, left, _) = judge_line(predicted, judged)
    assert left == squared == pytest.approx(2500)


@pytest.mark.parametrize("seed", range(5))
def test_training_ends_in_the_round_that_shows_which_to_keep(seed: int) -> None:
    random = np.random.default_rng(seed)
    loss, left = random.random(200) + 1, random.random(200)
    stop = choose_round(Losses(tuple(loss), tuple(loss), tuple(left)), 20)
    curves: dict[str, dict[str, list[float]]] = {"slice": {"l2": [], SQUARED: [], LINE: []}}
    look = stop_when_shown(curves, 20)

    def train() -> None:
        for values in zip(loss, loss, left, strict=True):
            for told, value in zip(curves["slice"].values(), values, strict=True):
                told.append(value)
            look(None)

    with pytest.raises(lightgbm.callback.EarlyStopException) as ended:
        train()
    assert (ended.value.best_iteration + 1, len(curves["slice"]["l2"])) == (stop.rounds, stop.shown)


def test_rounds_that_go_on_are_not_read_again_and_again() -> None:
    curves: dict[str, dict[str, list[float]]] = {"slice": {"l2": []}}
    look, start = stop_when_shown(curves, 50), time.process_time()
    for value in np.linspace(1, 0, 20_000):
        curves["slice"]["l2"].append(value)
        look(None)
    assert time.process_time() - start < 2  # seconds; 14 when each looked at all before it
