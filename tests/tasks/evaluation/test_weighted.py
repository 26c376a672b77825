"""Rows that count by their weight: scikit-learn's numbers, and those of rows that are repeated."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from guesses import guess_airline, guess_lateness
from sklearn import metrics as sklearn
from tables import ROWS, Project

from tasks.core.columns import TARGET, WEIGHT
from tasks.evaluation.bootstrap import (
    compare,
    compare_calibration,
    compare_means,
    measure_surely,
)
from tasks.evaluation.calibration import (
    calibrate,
    calibration_error,
    calibration_excess,
    calibration_unit,
)
from tasks.evaluation.curves import count_hits
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.metrics import Array, measure
from tasks.evaluation.slices import SLICE
from tasks.preparation.split import SplitRole, prepare_rows
from tasks.training.train import train_models
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import judge

THRESHOLD = 0.3


def weights_of(rows: pl.DataFrame) -> Array:
    return np.random.default_rng(2).uniform(0.1, 5, len(rows))


def test_binary_metrics_are_those_of_scikit_learn_by_weight(flights: pl.DataFrame) -> None:
    late, predicted = flights["late"].to_numpy(), guess_lateness(flights)
    weights = weights_of(flights)
    measured = measure("binary", late.astype(np.float64), predicted, THRESHOLD, weights)
    said, given = predicted >= THRESHOLD, {"sample_weight": weights}
    assert measured["auc"] == pytest.approx(
        sklearn.roc_auc_score(late, predicted, **given), rel=1e-12
    )
    assert measured["log_loss"] == pytest.approx(sklearn.log_loss(late, predicted, **given))
    assert measured["brier"] == pytest.approx(sklearn.brier_score_loss(late, predicted, **given))
    for metric, score in (
        ("accuracy", sklearn.accuracy_score(late, said, **given)),
        ("average_precision", sklearn.average_precision_score(late, predicted, **given)),
        ("precision", sklearn.precision_score(late, said, **given)),
        ("recall", sklearn.recall_score(late, said, **given)),
        ("f1", sklearn.f1_score(late, said, **given)),
    ):
        assert measured[metric] == pytest.approx(score, rel=1e-12)


def test_metrics_of_classes_and_values_are_those_of_scikit_learn_by_weight(
    flights: pl.DataFrame,
) -> None:
    weights = weights_of(flights)
    given: dict[str, Any] = {"sample_weight": weights}
    carriers, predicted = guess_airline(flights)
    chosen, labels = predicted.argmax(axis=1), range(predicted.shape[1])
    assert measure(
        "multiclass", carriers.astype(np.float64), predicted, THRESHOLD, weights
    ) == pytest.approx(
        {
            "log_loss": sklearn.log_loss(carriers, predicted, labels=labels, **given),
            "accuracy": sklearn.accuracy_score(carriers, chosen, **given),
            "macro_f1": sklearn.f1_score(carriers, chosen, average="macro", **given),
        },
        rel=1e-10,
    )
    delay, said = (flights[name].to_numpy() for name in ("arr_delay", "dep_delay"))
    assert measure("regression", delay, said, THRESHOLD, weights) == pytest.approx(
        {
            "rmse": sklearn.root_mean_squared_error(delay, said, **given),
            "mae": sklearn.mean_absolute_error(delay, said, **given),
            "r2": sklearn.r2_score(delay, said, **given),
        },
        rel=1e-10,
    )


def test_a_whole_weight_is_as_many_rows(flights: pl.DataFrame) -> None:
    """Of bins by rank, repeated rows would move the edges: predictions have few values here."""
    rows = flights.head(600)
    late = rows["late"].to_numpy().astype(np.float64)
    one = (guess_lateness(rows) > 0.5) * 0.2 + 0.1
    other = np.full(len(rows), 0.25)
    weights = np.random.default_rng(3).integers(1, 4, len(rows)).astype(np.float64)
    groups = np.arange(len(rows)) // 20
    many = np.repeat(np.arange(len(rows)), weights.astype(np.int64))
    how: dict[str, Any] = {"confidence": 0.95, "seed": 1}
    whole = (late, one, other, groups)
    repeated = tuple(each[many] for each in whole)
    for metric in ("auc", "log_loss", "accuracy", "average_precision", "precision", "f1"):
        by_weight = compare(metric, *whole, **how, threshold=0.3, weights=weights)
        by_rows = compare(metric, *repeated, **how, threshold=0.3)
        assert by_weight.model_dump() == pytest.approx(by_rows.model_dump())
    by_weight = compare_calibration(*whole, **how, weights=weights)
    by_rows = compare_calibration(*repeated, **how)
    assert by_weight.model_dump() == pytest.approx(by_rows.model_dump())
    losses, longer = ((late - one) ** 2, (late - other) ** 2), repeated
    by_weight = compare_means(*losses, groups, confidence=0.95, weights=weights)
    by_rows = compare_means(*(each[many] for each in losses), longer[3], confidence=0.95)
    assert by_weight.model_dump() == pytest.approx(by_rows.model_dump())
    surely = measure_surely("auc", late, one, groups, **how, threshold=0.3, weights=weights)
    by_rows = measure_surely("auc", late[many], one[many], groups[many], **how, threshold=0.3)
    assert surely.model_dump() == pytest.approx(by_rows.model_dump())


def test_calibration_and_curves_count_by_weight() -> None:
    target, predicted = np.array([1.0, 0, 1, 0]), np.array([0.8, 0.8, 0.4, 0.4])
    weights = np.array([3.0, 1, 1, 3])
    sure, unsure = reversed(calibrate(target, predicted, weights))
    assert (sure.rows, sure.counts, sure.observed) == (2, 4.0, 0.75)
    assert (unsure.rows, unsure.counts, unsure.observed) == (2, 4.0, 0.25)
    assert calibration_error(target, predicted, 1.0, weights) == pytest.approx(0.1)
    assert calibration_excess(target, predicted, 1.0, weights) == 0.0
    assert calibration_unit("regression", target, weights) == pytest.approx(0.5)
    hits, told = count_hits(target, predicted, weights)
    assert (hits.tolist(), told.tolist()) == ([3.0, 4.0], [4.0, 8.0])


def test_excess_without_weights_is_that_of_equal_ones() -> None:
    random = np.random.default_rng(5)
    predicted = random.random(500)
    target = (random.random(500) < predicted**2) * 1.0
    plain = calibration_excess(target, predicted, 1.0)
    assert plain == pytest.approx(calibration_excess(target, predicted, 1.0, np.full(500, 7.0)))


def test_every_number_of_a_run_is_scikit_learn_s_by_weight(made: Project, tmp_path: Path) -> None:
    rows = ROWS.with_columns(y=(pl.col("x") + pl.col("id").hash(1) % 7) > 7)
    sections = {"gate": "slice_rows = 20\nrows = 20", "training": 'weight = "k + 0.5"\nrounds = 9'}
    plan, snapshot = made.extract(rows, **sections)
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    found, kept = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    scored, seen = kept.read(), prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()
    target, weights = (scored[name].to_numpy() for name in (TARGET, WEIGHT))

    def losses(predicted: pl.Series, inside: Any = slice(None)) -> float:
        given = {"sample_weight": weights[inside], "labels": [0, 1]}
        return float(sklearn.log_loss(target[inside], predicted.to_numpy()[inside], **given))

    assert found.metrics["holdout"]["log_loss"] == pytest.approx(losses(scored["predicted"]))
    assert found.simple["log_loss"] == pytest.approx(losses(scored["simple"]))
    share = np.average(seen[TARGET].to_numpy(), weights=seen[WEIGHT].to_numpy())
    assert scored["baseline"].to_list() == pytest.approx([share] * len(scored))
    for each in found.slices:
        inside = (scored[f"{SLICE}{each.slice}"] == each.level).to_numpy()
        assert each.metrics["log_loss"] == pytest.approx(losses(scored["predicted"], inside))
    rival = ChampionPredictions(
        version="v", inside=np.ones(len(scored), bool), predicted=scored["simple"].to_numpy()
    )
    verdict = judge(plan.definition, scored, rival)
    assert verdict.champion
    assert verdict.champion.candidate == found.metrics["holdout"]
    (better,) = [each for each in verdict.checks if each.name == "beats_baseline"]
    auc = sklearn.roc_auc_score(target, scored["predicted"].to_numpy(), sample_weight=weights)
    assert better.numbers["value"] == pytest.approx(auc - 0.5)
