"""Trees of an interval learn from some rows, and others say how wide it is."""

from pathlib import Path

import lightgbm
import numpy as np
import pytest
from tables import Project
from uncertain import prepare_uncertain

from tasks.core.columns import TARGET
from tasks.core.errors import DataRefused
from tasks.core.prediction_interval import IntervalModel, beside
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import model_input
from tasks.training.intervals import open_ends, read_fitted
from tasks.training.train import refit_model, train_models


def learned_from(text: str) -> int:
    tree = lightgbm.Booster(model_str=text).dump_model()["tree_info"][0]["tree_structure"]
    return int(tree.get("internal_count", tree.get("leaf_count", 0)))


def held(plan: Plan, prepared: Prepared, fitted: IntervalModel, part: SplitRole) -> float:
    rows = prepared.scan(part).collect()
    numbers = model_input(rows.select(list(plan.features.expressions)))
    low, high = fitted.widen(*(np.asarray(end.predict(numbers)) for end in open_ends(fitted))).T
    target = rows[TARGET].to_numpy()
    return float(((low <= target) & (target <= high)).mean())


def test_twin_and_released_model_are_widened_by_rows_that_no_tree_of_theirs_saw(
    made: Project, tmp_path: Path
) -> None:
    plan, _, prepared = prepare_uncertain(made)
    trained = train_models(plan, prepared, tmp_path)
    twin = read_fitted(plan, trained.twin)
    released = read_fitted(plan, refit_model(plan, prepared, trained, tmp_path))
    assert twin
    assert released
    rows = prepared.rows
    assert learned_from(twin.lower) == learned_from(twin.upper) == rows["fit"]
    assert learned_from(released.upper) == rows["fit"] + rows["stop"] + rows["gap"]
    assert (twin.rows, released.rows) == (rows["stop"], rows["holdout"])
    assert twin.rounds == released.rounds
    least = np.ceil((twin.rows + 1) * 0.9) / twin.rows
    assert held(plan, prepared, twin, SplitRole.STOP) == pytest.approx(least)
    assert held(plan, prepared, twin, SplitRole.HOLDOUT) == pytest.approx(0.9, abs=0.03)


def test_same_rows_give_the_same_bytes_and_nothing_is_written_unasked(
    made: Project, tmp_path: Path
) -> None:
    plan, _, prepared = prepare_uncertain(made)
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files.append(beside(train_models(plan, prepared, tmp_path / name).twin).read_bytes())
    assert files[0] == files[1]
    plain, _, prepared = prepare_uncertain(made, serving="")
    assert not beside(train_models(plain, prepared, tmp_path).twin).exists()


def test_too_few_rows_to_tell_how_wide_are_refused(made: Project, tmp_path: Path) -> None:
    plan, _, prepared = prepare_uncertain(made, serving="interval = 0.99")
    few = prepared.model_copy(update={"rows": {**prepared.rows, "stop": 98}})
    said = r"\[serving\] interval = 0.99: 98 rows say how wide .* 99 are needed; .* stopping_share"
    with pytest.raises(DataRefused, match=said):
        train_models(plan, few, tmp_path)
