"""Trees of an interval learn how far predictions were off, and others say how wide it is."""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from tables import Project
from uncertain import COUNT, UNCERTAIN, prepare_uncertain

from tasks.core.columns import TARGET
from tasks.core.errors import DataRefused
from tasks.core.prediction_interval import IntervalModel, beside
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import model_input
from tasks.training.intervals import end_parameters, open_ends, read_fitted
from tasks.training.train import read_model, refit_model, train_models


def learned_from(text: str) -> int:
    tree = lightgbm.Booster(model_str=text).dump_model()["tree_info"][0]["tree_structure"]
    return int(tree.get("internal_count", tree.get("leaf_count", 0)))


def widths(
    plan: Plan, prepared: Prepared, model: Path, fitted: IntervalModel
) -> tuple[float, pl.DataFrame]:
    """Give the share of the holdout's rows in their intervals, and each row with its width."""
    rows = prepared.scan(SplitRole.HOLDOUT).collect()
    numbers = model_input(rows.select(list(plan.features.expressions)))
    models = read_model(model.read_text()), *open_ends(fitted)
    low, high = fitted.widen(*(np.asarray(each.predict(numbers)) for each in models)).T
    target = rows[TARGET].to_numpy()
    held = float(((low <= target) & (target <= high)).mean())
    return held, rows.with_columns(width=pl.Series(high - low))


def test_twin_and_released_model_learn_how_far_predictions_were_off(
    made: Project, tmp_path: Path
) -> None:
    plan, _, prepared = prepare_uncertain(made)
    trained = train_models(plan, prepared, tmp_path)
    twin = read_fitted(plan, trained.twin)
    released = read_fitted(plan, refit_model(plan, prepared, trained, tmp_path))
    assert twin
    assert released
    rows = prepared.rows
    judged = (rows["fit"] + rows["stop"]) * 2 // 3
    assert learned_from(twin.lower) == learned_from(twin.upper) == twin.rows
    assert twin.rows == pytest.approx(judged, abs=2)
    assert learned_from(released.upper) == released.rows == twin.rows + rows["holdout"]
    held, by_row = widths(plan, prepared, trained.twin, twin)
    assert held == pytest.approx(0.9, abs=0.03)
    sure, unsure = (
        by_row.filter(part)["width"].mean() for part in (pl.col("s") < 2, pl.col("s") > 8)
    )
    assert isinstance(sure, float)
    assert isinstance(unsure, float)
    assert unsure > 2 * sure


def test_intervals_move_with_a_target_that_grows(made: Project, tmp_path: Path) -> None:
    grown = UNCERTAIN.with_columns(y=pl.col("y") + 4 * pl.col("id") / COUNT)
    plan, _, prepared = prepare_uncertain(made, grown)
    trained = train_models(plan, prepared, tmp_path)
    fitted = read_fitted(plan, trained.twin)
    assert fitted
    assert widths(plan, prepared, trained.twin, fitted)[0] == pytest.approx(0.9, abs=0.05)


def test_intervals_need_no_early_stopping(made: Project, tmp_path: Path) -> None:
    training = {"training": "early_stopping = 0\nrounds = 40\nthreads = 1"}
    plan, _, prepared = prepare_uncertain(made, **training)
    trained = train_models(plan, prepared, tmp_path)
    fitted = read_fitted(plan, trained.twin)
    assert fitted
    assert widths(plan, prepared, trained.twin, fitted)[0] == pytest.approx(0.9, abs=0.03)


def test_same_rows_give_the_same_bytes_and_nothing_is_written_unasked(
    made: Project, tmp_path: Path
) -> None:
    plan, _, prepared = prepare_uncertain(made)
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        trained = train_models(plan, prepared, tmp_path / name)
        refitted = refit_model(plan, prepared, trained, tmp_path / name)
        files.append([beside(each).read_bytes() for each in (trained.twin, refitted)])
    assert files[0] == files[1]
    plain, _, prepared = prepare_uncertain(made, serving="")
    assert not beside(train_models(plain, prepared, tmp_path).twin).exists()


def test_constraints_on_predictions_are_none_on_how_far_they_are_off() -> None:
    params = {"monotone_constraints": "1,0", "boosting": "rf", "objective": "gamma", "seed": 3}
    lower, upper = end_parameters({**params, "min_data_in_leaf": 20}, 0.9, 6_000)
    assert (round(float(lower["alpha"]), 9), round(float(upper["alpha"]), 9)) == (0.05, 0.95)
    assert "monotone_constraints" not in lower
    assert (lower["boosting"], lower["objective"], lower["seed"]) == ("gbdt", "quantile", 3)
    leaves = [end_parameters({}, 0.9, rows)[0]["min_data_in_leaf"] for rows in (50, 400, 6_000)]
    assert leaves == [10, 20, 100]


def test_too_few_rows_to_tell_how_wide_are_refused(made: Project, tmp_path: Path) -> None:
    few = {"serving": "interval = 0.99", "training": "holdout = 0.3\nthreads = 1"}
    plan, _, prepared = prepare_uncertain(made, UNCERTAIN.head(180), **few)
    said = r"\[serving\] interval = 0.99: 68 rows say how wide .* count .* as 19, and 99 are needed"
    with pytest.raises(DataRefused, match=said):
        train_models(plan, prepared, tmp_path)
