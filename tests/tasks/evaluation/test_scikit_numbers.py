"""Every number of an evaluation is scikit-learn's, of the same predictions, to 1e-9."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import ROWS, Project

from benchmarks.scikit_numbers import calibrate_again, count_again
from tasks.core.columns import TARGET, WEIGHT
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.metrics import Array
from tasks.preparation.split import prepare_rows
from tasks.training.train import train_models

DRAW = np.random.default_rng(5)
TABLE = ROWS.with_columns(
    n=pl.Series(DRAW.poisson(3, len(ROWS))),
    a=pl.Series(DRAW.gamma(2, 10, len(ROWS))),
    w=pl.Series(DRAW.uniform(0.1, 3, len(ROWS))),
)
BINARY = 'value = "y"\nkind = "binary"'
COSTS = "threshold = 0.3\ncost = { false_alarm = 1, missed = 20 }"


def count(value: str) -> str:
    return f'value = "{value}"\nkind = "regression"'


@pytest.mark.parametrize("weight", ["", 'weight = "w"'])
@pytest.mark.parametrize(
    ("target", "serving", "objective", "powers"),
    [
        (BINARY, "", "", {}),
        (BINARY, COSTS, "", {}),
        ('value = "c"\nkind = "multiclass"', "", "", {}),
        (count("a"), "", "", {}),
        (count("n"), "", "poisson", {"poisson_deviance": 1.0}),
        (count("a"), "", "gamma", {"gamma_deviance": 2.0}),
        (count("n"), "", "tweedie", {"tweedie_deviance": 1.5}),
    ],
)
def test_each_number_is_scikit_learns(
    made: Project,
    tmp_path: Path,
    target: str,
    serving: str,
    objective: str,
    powers: dict[str, float],
    weight: str,
) -> None:
    params = f'params = {{ objective = "{objective}" }}' if objective else ""
    training = f"threads = 1\nrounds = 20\n{weight}\n{params}"
    given = {"target": target, "serving": serving, "training": training}
    plan, snapshot = made.extract(TABLE, **given, features='x = "x"\nk = "k"')
    prepared = prepare_rows(plan, snapshot, tmp_path)
    trained = train_models(plan, prepared, tmp_path)
    found, kept = evaluate_models(plan, snapshot, prepared, trained, tmp_path)
    scored = kept.read()
    weights = scored[WEIGHT].to_numpy() if weight else None
    threshold, costs = 0.3 if serving else 0.5, (1, 20) if serving else None
    labels, kind = scored[TARGET].to_numpy(), plan.definition.target.kind

    def again(name: str) -> dict[str, float]:
        predicted = read(scored, name)
        return count_again(kind, labels, predicted, threshold, weights, costs, powers)

    sides = {"predicted": found.metrics["holdout"], "simple": found.simple}
    for name, told in {**sides, "baseline": found.baseline}.items():
        assert told == pytest.approx(again(name), rel=1e-9, abs=1e-9)
    unit = 1.0
    if kind == "regression":
        mean = np.average(labels, weights=weights)
        unit = float(np.sqrt(np.average((labels - mean) ** 2, weights=weights)))
        unit = min(unit, float(mean)) if powers else unit
    error = calibrate_again(labels, read(scored, "predicted"), weights, unit)
    assert found.calibration_error == pytest.approx(error, rel=1e-9, abs=1e-9)


def read(scored: pl.DataFrame, name: str) -> Array:
    return np.array(scored[name].to_list())
