"""A small table without a time: rounds by cross-validation, and trees that suit few rows."""

from datetime import datetime, timedelta
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import root_mean_squared_error
from tables import ROWS, Project

from tasks.core.columns import TARGET, TIME
from tasks.evaluation.evaluate import predict
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import Parameters
from tasks.training.small_table import calm_trees, count_small, find_turns
from tasks.training.train import read_model, train_models

DRAW = np.random.default_rng(3)
X = DRAW.uniform(size=(700, 5))
FRIEDMAN = pl.DataFrame({f"x{place}": X[:, place] for place in range(5)}).with_columns(
    id=pl.int_range(700),
    owner=pl.int_range(700) // 7,
    y=10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + DRAW.normal(size=700),
)
SECTIONS = {
    "extract": 'key = ["id"]',
    "target": 'value = "y"\nkind = "regression"',
    "features": "\n".join(f'x{place} = "x{place}"' for place in range(5)),
    "training": "threads = 1",
}


def error_of(prepared: Prepared, model: Path) -> float:
    held = prepared.scan(SplitRole.HOLDOUT).collect()
    said = predict(read_model(model.read_text()), held)
    return float(root_mean_squared_error(held[TARGET].to_numpy(), said))


def test_few_rows_are_learned_better_than_by_lightgbms_defaults(
    made: Project, tmp_path: Path
) -> None:
    plan, prepared = made.prepare(FRIEDMAN, **SECTIONS)
    trained = train_models(plan, prepared, tmp_path)
    assert trained.rounds == len(trained.curve) == np.argmin(trained.curve) + 1
    defaults = "params = { num_leaves = 31, learning_rate = 0.1, min_data_in_leaf = 20, "
    defaults += "feature_fraction = 1.0, bagging_fraction = 1.0 }"
    given = {**SECTIONS, "training": f"threads = 1\nrounds = 100\nearly_stopping = 0\n{defaults}"}
    (tmp_path / "plain").mkdir()
    plan, plain = made.prepare(FRIEDMAN, **given)
    usual = train_models(plan, plain, tmp_path / "plain")
    assert error_of(prepared, trained.twin) < error_of(plain, usual.twin)


def test_a_tree_sees_all_of_a_few_features(made: Project, tmp_path: Path) -> None:
    rows = FRIEDMAN.with_columns(y=20 * pl.col("x0") * pl.col("x1") + pl.col("y") / 10)
    sections = {**SECTIONS, "features": 'x0 = "x0"\nx1 = "x1"'}
    found = []
    for training in ("", "params = { feature_fraction = 0.7 }"):
        plan, prepared = made.prepare(rows, **{**sections, "training": f"threads = 1\n{training}"})
        folder = tmp_path / str(len(found))
        folder.mkdir()
        found.append(error_of(prepared, train_models(plan, prepared, folder).twin))
    assert found[0] < 0.9 * found[1]


def test_small_steps_may_take_more_rounds_unless_their_number_is_given(
    made: Project, tmp_path: Path
) -> None:
    features = DRAW.uniform(size=(3000, 5))
    exact = pl.DataFrame({f"x{place}": features[:, place] for place in range(5)}).with_columns(
        id=pl.int_range(3000), y=features @ [5, 4, 3, 2, 1] + features[:, 0] * features[:, 1]
    )
    found = []
    for number, given in enumerate(("", "rounds = 999", "params = { eta = 0.05 }")):
        training = f"threads = 1\n{given}"
        plan, prepared = made.prepare(exact, **{**SECTIONS, "training": training})
        (tmp_path / str(number)).mkdir()
        found.append(train_models(plan, prepared, tmp_path / str(number)))
    assert [1000 < each.rounds <= 3000 for each in found] == [True, False, False]
    assert [each.allowed for each in found] == [3000, 999, 1000]
    assert error_of(prepared, found[0].twin) < error_of(prepared, found[2].twin)


def test_groups_are_whole_in_each_fold_and_a_rerun_gives_the_same_bytes(
    made: Project, tmp_path: Path
) -> None:
    training = 'threads = 1\nrounds = 40\ngroup = "owner"'
    plan, prepared = made.prepare(FRIEDMAN, **{**SECTIONS, "training": training})
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        texts.append(train_models(plan, prepared, tmp_path / name).twin.read_bytes())
    assert texts[0] == texts[1]


def test_few_rows_in_time_are_judged_by_what_was_known_before_them(
    made: Project, tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    level = 8_000 + np.cumsum(40 * random.normal(size=480)) + 12 * np.arange(480)
    times = [datetime(2000, 1, 1) + timedelta(days=30 * month) for month in range(480)]
    last = np.r_[level[:1], level[:-1]]
    rows = pl.DataFrame({"id": range(480), "t": times, "y": level, "last": last})
    sections = SECTIONS | {"extract": 'time = "t"\nkey = ["id"]', "features": 'last = "last"'}
    plan, prepared = made.prepare(rows, **sections)
    trained = train_models(plan, prepared, tmp_path)
    assert trained.rounds == len(trained.curve) == np.argmin(trained.curve) + 1
    frame = prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()
    turns = find_turns(plan, prepared)
    assert len(turns) == 5
    features, target = frame[["last"]].to_numpy(), frame[TARGET].to_numpy()
    losses = []
    for learned, judged in turns:
        assert (
            frame[TIME].filter(pl.Series(learned)).max()
            < frame[TIME].filter(pl.Series(judged)).min()
        )
        data = lightgbm.Dataset(features[learned], target[learned])
        grown = lightgbm.train({**trained.params, "metric": "l2"}, data, trained.rounds)
        said = np.asarray(grown.predict(features[judged]))
        losses.append(np.mean((said - target[judged]) ** 2))
    assert trained.curve[-1] == pytest.approx(np.mean(losses), rel=0.05)  # bins of fewer rows


DAYS = pl.DataFrame(
    {"id": range(400), "t": [datetime(2020, 1, 1) + timedelta(days=day) for day in range(400)]}
).with_columns(x=pl.col("id") * 37 % 101)


@pytest.mark.parametrize(
    ("begun", "value", "kind", "training", "judging"),
    [
        ("0", "x % 3", "regression", 'params = { objective = "poisson" }', 2),
        ("false", "x % 3 = 0", "binary", "", 0),
        ("x % 2", "x % 3", "multiclass", "", 0),
    ],
)
def test_number_that_begins_late_is_judged_once_there_was_any_and_no_class_is(
    made: Project, tmp_path: Path, begun: str, value: str, kind: str, training: str, judging: int
) -> None:
    target = f'value = "CASE WHEN id < 200 THEN {begun} ELSE {value} END"\nkind = "{kind}"'
    sections = {"target": target, "training": training, "features": 'x = "x"'}
    plan, prepared = made.prepare(DAYS, **sections)
    assert len(find_turns(plan, prepared)) == judging
    assert train_models(plan, prepared, tmp_path).curve


def test_class_of_one_group_is_not_judged_by_those_who_never_saw_it(made: Project) -> None:
    rare = pl.col("id") < 15
    owned = DAYS.with_columns(rare=rare, owner=pl.when(rare).then(0).otherwise("id"))
    given = {"extract": 'key = ["id"]', "features": 'x = "x"', "training": 'group = "owner"'}
    target = 'value = "CASE WHEN rare THEN 2 ELSE x % 2 END"\nkind = "multiclass"'
    plan, prepared = made.prepare(owned, target=target, **given)
    assert len(find_turns(plan, prepared)) == 4


def test_labels_that_come_later_than_the_training_window_is_long_leave_it_to_the_last_slice(
    made: Project, tmp_path: Path
) -> None:
    target = 'value = "x"\nkind = "regression"\nmatures_after = "120d"'
    sections = {"target": target, "features": 'x = "x"', "training": "holdout = 0.3"}
    plan, prepared = made.prepare(DAYS, **sections)
    assert 0 < prepared.rows["stop"] < 200
    assert find_turns(plan, prepared) == []
    assert train_models(plan, prepared, tmp_path).curve


def test_rows_with_a_time_are_no_small_table(made: Project) -> None:
    assert count_small(made.prepare(ROWS)[1]) == 0
    assert count_small(made.prepare(ROWS, extract='key = ["id"]')[1]) > 200


@pytest.mark.parametrize(
    "given",
    [
        {"learning_rate": 0.2, "num_leaves": 63, "min_data_in_leaf": 3, "feature_fraction": 1.0},
        {"boosting": "goss"},
        {"bagging_fraction": 0.5},
        {"max_depth": 3},
    ],
)
def test_what_is_set_is_left_alone(given: Parameters) -> None:
    found = calm_trees(given, 500, 5)
    assert given.items() <= found.items()
    assert ("bagging_freq" in found) == (not {"boosting", "bagging_fraction"} & given.keys())
    assert ("num_leaves" in found) == ("max_depth" not in given)
    assert calm_trees({}, 5_000, 5)["num_leaves"] == 15
