import hashlib
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import tasks  # noqa: F401  OpenMP reads what it sets when LightGBM is imported
from flows.retrain import plan_retrain
from tasks.core.columns import ROLE, TARGET
from tasks.core.errors import DefinitionError
from tasks.evaluation.task import evaluate
from tasks.extraction.run_plan import Plan
from tasks.extraction.task import extract
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.task import prepare
from tasks.training.task import refit, train
from tasks.training.train import Trained, read_model

REPOSITORY = Path(__file__).parents[3]
DATA = REPOSITORY / "data" / "nycflights13"


@pytest.fixture(scope="module")
def steps(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Prepared]:
    """Take the first three steps on the small project."""
    return prepare_project(few_flights, tmp_path_factory.mktemp("steps"))


def prepare_project(project: Path, folder: Path, as_of: Any = None) -> tuple[Plan, Prepared]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        plan = plan_retrain(str(project / "deployments" / "flight_delay.toml"), as_of)
        return plan, prepare.fn(plan, extract.fn(plan, folder), folder)


def with_training(plan: Plan, **changes: Any) -> Plan:
    training = plan.definition.training.model_copy(update=changes)
    definition = plan.definition.model_copy(update={"training": training})
    return plan.model_copy(update={"definition": definition})


def with_labels(prepared: Prepared, folder: Path, label: pl.Expr) -> Prepared:
    path = folder / "changed.arrow"
    pl.read_ipc(prepared.path).with_columns(label.alias(TARGET)).write_ipc(path)
    return prepared.model_copy(update={"path": path})


def flip(part: SplitRole) -> pl.Expr:
    return pl.when(pl.col(ROLE) == part).then(1 - pl.col(TARGET)).otherwise(TARGET)


def texts(trained: Trained) -> tuple[str, str]:
    return trained.twin.read_text(), trained.simple.read_text()


def rows_learned_from(model: Path) -> int:
    tree = read_model(model.read_text()).dump_model()["tree_info"][0]["tree_structure"]

    def leaves(node: dict[str, Any]) -> int:
        if "leaf_count" in node:
            return int(node["leaf_count"])
        return leaves(node["left_child"]) + leaves(node["right_child"])

    return leaves(tree)


def test_holdout_scores_are_those_of_a_script_written_by_hand(tmp_path: Path) -> None:
    as_of = datetime(2013, 10, 1, tzinfo=UTC)
    plan, prepared = prepare_project(REPOSITORY, tmp_path, as_of)
    plan = with_training(plan, rounds=60, early_stopping=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
        trained = train.fn(plan, prepared, tmp_path)
        snapshot = extract.fn(plan, tmp_path / "again")
        evaluation, _ = evaluate.fn(plan, snapshot, prepared, trained, tmp_path)
    late, predicted = run_script(as_of, rounds=60)
    ours = evaluation.metrics["holdout"]
    assert ours["auc"] == pytest.approx(roc_auc_score(late, predicted), abs=1e-9)
    assert ours["log_loss"] == pytest.approx(log_loss(late, predicted), abs=1e-9)


def run_script(as_of: datetime, rounds: int) -> tuple[Any, Any]:
    """Train on all flights that have landed a day before the holdout, with nothing of Perennial.

    Only the features' expressions and LightGBM's parameters come from the definition's text.
    """
    import lightgbm

    definition = tomllib.loads((REPOSITORY / "deployments" / "flight_delay.toml").read_text())
    training, features = definition["training"], definition["features"]
    day = pl.duration(days=1)
    hour_before = pl.read_parquet(DATA / "weather.parquet").select(
        pl.exclude("time_hour", "year", "month", "day", "hour"),
        time_hour=pl.col("time_hour") + pl.duration(hours=1),
    )
    planes = pl.read_parquet(DATA / "planes.parquet").select(
        "tailnum", "seats", "manufacturer", plane_year="year"
    )
    flights = (
        pl.read_parquet(DATA / "flights-*.parquet")
        .filter(pl.col("time_hour") <= as_of - day, pl.col("arr_delay").is_not_null())
        .join(planes, on="tailnum", how="left")
        .join(hour_before, on=["origin", "time_hour"], how="left")
        .sort("time_hour", "carrier", "flight", "origin")
    )
    begins = as_of - day - pl.duration(days=30)
    known, held = (
        flights.filter(pl.col("time_hour") < begins - day),
        flights.filter(pl.col("time_hour") >= begins),
    )
    columns, texts = [pl.sql_expr(sql).alias(name) for name, sql in features.items()], []
    X, X_held = known.select(columns), held.select(columns)
    for name in [name for name, dtype in X.schema.items() if dtype == pl.String]:
        texts.append(list(features).index(name))
        counts = X[name].drop_nulls().value_counts().filter(pl.col("count") >= 20)
        levels = counts.sort(["count", name], descending=[True, False])[name].head(250).to_list()
        codes = {None: None, **{level: code for code, level in enumerate(levels, start=1)}}
        number = pl.col(name).replace_strict(codes, default=0, return_dtype=pl.Float64)
        X, X_held = X.with_columns(number), X_held.with_columns(number)
    parameters = {
        "objective": "binary", "seed": 1, "num_threads": training["threads"],
        "deterministic": True, "force_row_wise": True, "verbosity": -1, **training["params"],
    }  # fmt: skip
    data = lightgbm.Dataset(
        X.to_numpy(), known["arr_delay"].to_numpy() > 15, categorical_feature=texts
    )
    model = lightgbm.train(parameters, data, rounds)
    return held["arr_delay"].to_numpy() > 15, model.predict(X_held.to_numpy())


TRAIN = """
import hashlib, sys
from pathlib import Path
from flows.retrain import plan_retrain
from tasks.extraction.task import extract
from tasks.preparation.task import prepare
from tasks.training.task import train
folder = Path(sys.argv[1])
plan = plan_retrain("flight-delay", None)
trained = train.fn(plan, prepare.fn(plan, extract.fn(plan, folder), folder), folder)
for path in (trained.twin, trained.simple):
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_another_process_gives_the_same_bytes(
    steps: tuple[Plan, Prepared], project: Path, tmp_path: Path
) -> None:
    trained = train.fn(*steps, tmp_path)
    here = [hashlib.sha256(text.encode()).hexdigest() for text in texts(trained)]
    (tmp_path / "there").mkdir()
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "there")]
    there = subprocess.check_output(command, cwd=project, text=True, stderr=subprocess.DEVNULL)
    assert there.split() == here


def test_holdout_has_no_say(steps: tuple[Plan, Prepared], tmp_path: Path) -> None:
    plan, prepared = steps
    (tmp_path / "other").mkdir()
    other = with_labels(prepared, tmp_path, flip(SplitRole.HOLDOUT))
    trained = train.fn(plan, prepared, tmp_path)
    assert texts(train.fn(plan, other, tmp_path / "other")) == texts(trained)


def test_last_slice_of_the_training_window_settles_the_rounds(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    trained = train.fn(plan, prepared, tmp_path)
    assert trained.rounds == np.argmin(trained.curve) + 1
    assert len(trained.curve) == trained.rounds + plan.definition.training.early_stopping
    misled = train.fn(plan, with_labels(prepared, tmp_path, flip(SplitRole.STOP)), tmp_path)
    assert misled.rounds < trained.rounds


def test_twin_learns_from_all_training_rows_and_the_refitted_from_all_there_are(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    trained = train.fn(plan, prepared, tmp_path)
    assert rows_learned_from(trained.twin) == prepared.rows["fit"] + prepared.rows["stop"]
    refitted = refit.fn(plan, prepared, trained, tmp_path)
    assert rows_learned_from(refitted) == sum(prepared.rows.values())
    assert read_model(refitted.read_text()).num_trees() == trained.rounds


def test_without_early_stopping_all_rounds_are_taken(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    trained = train.fn(with_training(plan, early_stopping=0, rounds=7), prepared, tmp_path)
    assert (trained.rounds, trained.curve) == (7, ())
    assert read_model(trained.twin.read_text()).num_trees() == 7


def test_boosting_that_cannot_stop_early_takes_all_rounds(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    dart = with_training(plan, rounds=7, params={"boosting": "dart"})
    trained = train.fn(dart, prepared, tmp_path)
    assert (trained.rounds, len(trained.curve)) == (7, 7)


def test_what_lightgbm_finds_out_while_training_names_the_definition(
    steps: tuple[Plan, Prepared], tmp_path: Path
) -> None:
    plan, prepared = steps
    wrong = with_training(plan, params={"monotone_constraints": "1,0"})
    with pytest.raises(DefinitionError, match=r"flight_delay.toml: \[training.params\]: LightGBM"):
        train.fn(wrong, prepared, tmp_path)


@pytest.mark.parametrize("module", ["flows.cli", "tasks.training.train"])
def test_waiting_threads_leave_the_cores_to_others_whatever_is_imported_first(module: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    shown = subprocess.run(
        [sys.executable, "-c", f"import {module}, lightgbm"],
        env={**clean, "OMP_DISPLAY_ENV": "true"},
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    policies = [line for line in shown.stderr.splitlines() if "OMP_WAIT_POLICY" in line]
    assert policies
    assert all("PASSIVE" in line for line in policies), policies
