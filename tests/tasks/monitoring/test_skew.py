"""Logged rows are held against training's path and the sources, or it is said why not."""

import lightgbm
import numpy as np
import polars as pl
import pytest
from models import unpublished
from tables import ROWS, Project

from tasks.core.columns import LOGGED_PREDICTION, LOGGED_REQUEST
from tasks.extraction.run_plan import Plan
from tasks.monitoring.skew import Skew, measure_skew, sample_rows

QUIET = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
FEATURES = 'x = "x"\nk = "k + 0"'


def grow(classes: int = 1) -> lightgbm.Booster:
    kind = {"objective": "multiclass", "num_class": classes} if classes > 1 else {}
    target = ROWS["id"].to_numpy() % (classes if classes > 1 else 7)
    data = lightgbm.Dataset(ROWS.select("x", "k").to_numpy(), target, params=QUIET)
    return lightgbm.train({**QUIET, **kind}, data, 3)


def log_of(booster: lightgbm.Booster) -> pl.DataFrame:
    predicted = np.asarray(booster.predict(ROWS.select("x", "k").to_numpy()))
    return ROWS.drop("y").with_columns(
        pl.format("r{}", "id").alias(LOGGED_REQUEST),
        pl.Series(LOGGED_PREDICTION, predicted.tolist()),
    )


def measure(plan: Plan, booster: lightgbm.Booster, logged: pl.DataFrame) -> Skew:
    return measure_skew(plan, unpublished(plan.definition, plan.features, booster), logged)


@pytest.fixture
def plan(made: Project) -> Plan:
    made.write(ROWS)
    return made.plan(features=FEATURES)


@pytest.mark.parametrize("classes", [1, 3])
def test_answers_that_are_trainings_own_differ_nowhere(plan: Plan, classes: int) -> None:
    found = measure(plan, grow(classes), log_of(grow(classes)))
    assert found.predictions is not None
    assert (found.predictions.rows, found.predictions.compared) == (0, 400)
    assert [each.rows for each in found.columns] == [0, 0]


def test_one_odd_answer_and_one_odd_value_are_found_with_their_request(plan: Plan) -> None:
    odd = pl.col("id") == 7
    logged = log_of(grow(3)).with_columns(
        pl.when(odd)
        .then(pl.lit([0.9, 0.1, 0.0]))
        .otherwise(LOGGED_PREDICTION)
        .alias(LOGGED_PREDICTION)
    )
    found = measure(plan, grow(3), logged)
    assert found.predictions is not None
    assert [each.request for each in found.predictions.examples] == ["r7"]
    moved = log_of(grow()).with_columns(x=pl.when(odd).then(99.0).otherwise("x"))
    worst = measure(plan, grow(), moved).columns[0]
    assert (worst.column, worst.rows, worst.examples[0].request) == ("x", 1, "r7")


def test_what_cannot_be_compared_says_why(plan: Plan) -> None:
    booster = grow()
    logged = log_of(booster)
    lacking = measure(plan, booster, logged.drop("x", "id"))
    assert lacking.prediction_problem == "the log does not hold 'x' ([serving] log_without)"
    assert lacking.column_problem == "logged rows carry no whole [extract] key"
    assert measure(plan, booster, logged.clear()).prediction_problem == "no row was logged"
    shaped = measure(plan, grow(3), logged)
    assert shaped.prediction_problem == "logged predictions have another shape than the model's"
    text = logged.with_columns(k=pl.lit("many"))
    assert measure(plan, booster, text).prediction_problem.startswith("features fail on logged")
    worded = measure(plan, booster, logged.with_columns(x=pl.lit("much")))
    assert worded.prediction_problem == "features are no numbers on logged rows: 'x' is String"
    strangers = measure(plan, booster, logged.with_columns(pl.col("id") + 10_000))
    assert strangers.column_problem == "no logged row has a key that the sources hold"


def test_sample_is_about_as_large_as_asked_and_the_same_each_time() -> None:
    rows = pl.LazyFrame({"x": range(10_000)})
    sample = sample_rows(rows, 10_000, 1_000)
    assert 800 < len(sample) < 1_200
    assert sample.equals(sample_rows(rows, 10_000, 1_000))
    assert len(sample_rows(rows, 10_000, 10_000)) == 10_000
